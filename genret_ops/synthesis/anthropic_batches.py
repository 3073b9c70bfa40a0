"""Message Batches: many requests at half the price, whose answers are collected however often a process is killed.

The name of a batch and its requests are noted before it is sent. A batch of which we never learned whether it was taken
is looked for among those that the service knows.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count, islice
from typing import Any
from uuid import uuid4

from pydantic import BaseModel

from genret_ops.errors import GenretError
from genret_ops.progress import announce
from genret_ops.synthesis.anthropic_service import (
    ALIKE,
    BATCH_SHARE,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    TRANSPORT_TRIES,
    AnthropicService,
    Prices,
    fruitless,
    maybe_taken,
    rejected,
)
from genret_ops.synthesis.generation_store import Batch, GenerationStore
from genret_ops.synthesis.language_model import GONE, Completion, Keep, Request, Usage
from genret_ops.text import plural

_MOST_IN_A_BATCH = 10_000
_CLOCKS = timedelta(minutes=10)
"""How far the service's clock may be from ours."""
_SENDING = timedelta(hours=1)
"""Longer than it takes to send a batch, with all pauses."""
_LONGEST = timedelta(days=1)
"""A batch has ended by then, says the service."""
SETTLING = 60.0
"""Seconds after which a batch that the service does not list was not taken."""
_LOOK_AGAIN, _SAID_AFTER = 2.0, 4

Forms = Mapping[str, type[BaseModel]]
"""What the answers of a run are to look like, by request."""


class AnthropicBatches:
    """The batches of a home.

    Args:
        service: the service.
        ledger: what is under way, and what was spent.
        cap: dollars that may be committed in all.
    """

    def __init__(self, service: AnthropicService, ledger: GenerationStore, cap: float) -> None:
        self._service, self._ledger, self._cap = service, ledger, cap

    def collect(self, forms: Forms, keep: Keep) -> None:
        """Keep what batches under way answer, and wait for those that hold requests of this run.

        Raises:
            GenretError: the service cannot be used.
        """
        for batch in self._ledger.batches():
            age = datetime.now(UTC) - datetime.fromisoformat(batch.at)
            if age > _LONGEST or not forms.keys().isdisjoint(batch.most) or (batch.id and self._has_ended(batch.id)):
                self._finish(batch if batch.id else self._looked_for(batch), forms, keep)

    def complete(self, requests: Sequence[Request], forms: Forms, keep: Keep) -> None:
        """Send requests in batches as large as the cap lets them be, and wait for those.

        Raises:
            GenretError: the service cannot be used, or answers nothing of what it is sent.
        """
        waiting, prices = deque(requests), self._service.prices
        while waiting:
            while chosen := self._affordable(waiting):
                name = uuid4().hex
                while not self._ledger.reserve(chosen, self._cap, name, (prices.input, prices.output)):
                    chosen.popitem()  # sums of the same numbers may differ in their last digit
                self._send([waiting.popleft() for _ in chosen], name)
            under_way = [batch for batch in self._ledger.batches() if not forms.keys().isdisjoint(batch.most)]
            if not under_way:
                return
            for batch in under_way:
                self._finish(batch, forms, keep)

    def _affordable(self, waiting: Sequence[Request]) -> dict[str, float]:
        """The most that each of the first requests can cost, as many as the cap lets in one batch."""
        committed, total, chosen = self._ledger.account().committed, 0.0, dict[str, float]()
        for request in islice(waiting, _MOST_IN_A_BATCH):
            most = self._service.prices.most(request, BATCH_SHARE)
            total += most
            if committed + total > self._cap:
                break
            chosen[request.key] = most
        return chosen

    def _send(self, requests: Sequence[Request], name: str) -> None:
        """Send a batch that is noted already, once and only once.

        Raises:
            GenretError: the service does not take it.
        """
        service = self._service
        entries: list[Any] = [
            {"custom_id": request.key, "params": service.parameters(request, True)} for request in requests
        ]
        for _ in range(TRANSPORT_TRIES):
            self._ledger.sending(name)
            try:
                taken = service.patiently(lambda: service.client.messages.batches.create(requests=entries), rejected)
            except service.errors.APIError as error:
                if not maybe_taken(error):
                    self._ledger.release(batch=name)
                    raise service.unusable(error) from error
            except GenretError:  # the service rejected it, and asks for a long pause
                self._ledger.release(batch=name)
                raise
            else:
                self._ledger.taken(name, taken.id)
                return
            (batch,) = (each for each in self._ledger.batches() if each.name == name)
            if self._looked_for(batch).id:
                return
        self._ledger.release(batch=name)
        raise GenretError("the service takes no batch at the moment: run the same command again later")

    def _looked_for(self, batch: Batch) -> Batch:
        """A batch with its id, if the service took it; it is the one that holds our requests.

        The service may take what it was sent some time after the connection broke, so it is looked for that long.
        """
        others, sent = self._ledger.batch_ids(), datetime.fromisoformat(batch.at)
        while True:
            settled = datetime.now(UTC) - sent > timedelta(seconds=SETTLING)
            for candidate in self._service.reachable(lambda: list(self._taken_about(sent))):
                counts = candidate.request_counts
                total = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
                if candidate.id in others or total != len(batch.most):
                    continue
                self._wait_for(candidate.id, total)
                entries = self._service.reachable(partial(self._results, candidate.id))
                if entries and entries[0].custom_id in batch.most:
                    self._ledger.taken(batch.name, candidate.id)
                    return replace(batch, id=candidate.id)
                others.add(candidate.id)
            if settled:
                return batch
            time.sleep(min(_LOOK_AGAIN, SETTLING))

    def _taken_about(self, moment: datetime) -> Iterator[Any]:
        """The batches that the service took when ours was sent, newest first."""
        for listed in self._service.client.messages.batches.list(limit=100):
            if listed.created_at < moment - _CLOCKS:
                return
            if listed.created_at <= moment + _SENDING:
                yield listed

    def _results(self, number: str) -> list[Any]:
        """The entries of a batch that has ended, in any order; none if they are gone."""
        import httpx2

        batches = self._service.client.messages.batches
        try:
            return [] if batches.retrieve(number).results_url is None else list(batches.results(number))
        except self._service.errors.NotFoundError:
            return []
        except httpx2.TransportError as error:  # in the middle of the results, where the client does not translate it
            raise self._service.errors.APIConnectionError(request=error.request) from error

    def _has_ended(self, number: str) -> bool:
        """Whether a batch has ended; one that the service does not know any more has."""

        def status() -> str:
            try:
                return str(self._service.client.messages.batches.retrieve(number).processing_status)
            except self._service.errors.NotFoundError:
                return "ended"

        return self._service.reachable(status) == "ended"

    def _wait_for(self, number: str, requests: int) -> None:
        """Wait until a batch of so many requests has ended."""
        for turn in count():
            if self._has_ended(number):
                return
            if turn == _SAID_AFTER:
                announce(f"Waiting for a batch of {plural(requests, 'request')}; Ctrl-C loses nothing.")
            time.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * 1.5 ** min(turn, 20)))

    def _finish(self, batch: Batch, forms: Forms, keep: Keep) -> None:
        """Wait for a batch and keep what it answers; one that was never taken is forgotten.

        Raises:
            GenretError: nothing came of any of its requests, for the same reason.
        """
        if not batch.id:
            self._ledger.release(batch=batch.name)
            return
        self._wait_for(batch.id, len(batch.most))
        left, prices, outcomes = set(batch.most), Prices(*batch.prices), list[Completion]()
        for entry in self._service.reachable(lambda: self._results(batch.id)):
            if entry.custom_id in left:
                outcomes.append(self._outcome(entry, forms.get(entry.custom_id), prices))
                left.discard(entry.custom_id)
        outcomes += [Completion(key, reason=GONE, usage=Usage(uncertain=batch.most[key])) for key in sorted(left)]
        for outcome in outcomes:
            keep(outcome)
        self._ledger.end(batch.name)
        reasons = {outcome.reason for outcome in outcomes}
        if len(outcomes) >= ALIKE and len(reasons) == 1 and outcomes[0].empty and not outcomes[0].usage.uncertain:
            raise fruitless(len(outcomes), *reasons)

    def _outcome(self, entry: Any, form: type[BaseModel] | None, prices: Prices) -> Completion:
        """What came of an entry of a batch."""
        key, result = entry.custom_id, entry.result
        if result.type == "succeeded":
            return self._service.read(key, form, result.message, prices.usage(result.message, BATCH_SHARE))
        if result.type == "errored":
            error = result.error.error
            return Completion(key, reason=f"error in a batch: {error.type}: {error.message}"[:200])
        return Completion(key, reason=f"{result.type} in a batch")
