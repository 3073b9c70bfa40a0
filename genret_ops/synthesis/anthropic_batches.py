"""Message Batches: many requests at half the price, whose answers are collected however often a process is killed.

The name of a batch and its requests are noted before it is sent. A batch of which we never learned whether it was taken
is looked for among those that the service knows.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import count, islice
from typing import Any
from uuid import uuid4

from pydantic import BaseModel

from genret_ops.errors import GenretError
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
from genret_ops.synthesis.language_model import Completion, Keep, Request

_MOST_IN_A_BATCH = 10_000
_CLOCKS = timedelta(minutes=10)
"""How far the service's clock may be from ours."""
_SENDING = timedelta(hours=3)
"""Longer than it takes to send a batch, with all pauses."""

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
        """Wait for the batches under way, and keep what they answer.

        Raises:
            GenretError: the service cannot be used.
        """
        for batch in self._ledger.batches():
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
                if not self._ledger.reserve(chosen, self._cap, name, (prices.input, prices.output)):
                    raise AssertionError("what is affordable can be reserved: nobody else spends")
                self._send([waiting.popleft() for _ in chosen], name)
            under_way = self._ledger.batches()
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
            if committed + total > self._cap:  # summed as the ledger sums it, to the last digit
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
        (batch,) = (each for each in self._ledger.batches() if each.name == name)
        for number in range(TRANSPORT_TRIES):
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
            if self._looked_for(batch).id:
                return
            service.pause(number, {})
        self._ledger.release(batch=name)
        raise GenretError("the service takes no batch at the moment: run the same command again later")

    def _looked_for(self, batch: Batch) -> Batch:
        """A batch with its id, if the service took it; it is the one that holds our requests."""
        known, sent = self._ledger.batch_ids(), datetime.fromisoformat(batch.at)
        for candidate in self._service.reachable(lambda: list(self._taken_about(sent))):
            counts = candidate.request_counts
            total = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
            if candidate.id in known or total != len(batch.keys):
                continue
            self._wait_for(candidate.id)
            entries = self._service.reachable(partial(self._results, candidate.id))
            if entries and entries[0].custom_id in batch.keys:
                self._ledger.taken(batch.name, candidate.id)
                return Batch(batch.name, candidate.id, batch.at, batch.keys, batch.prices)
        return batch

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
        if batches.retrieve(number).results_url is None:
            return []
        try:
            return list(batches.results(number))
        except httpx2.TransportError as error:  # in the middle of the results, where the client does not translate it
            raise self._service.errors.APIConnectionError(request=error.request) from error

    def _wait_for(self, number: str) -> None:
        """Wait until a batch has ended."""
        for turn in count():
            batch = self._service.reachable(lambda: self._service.client.messages.batches.retrieve(number))
            if batch.processing_status == "ended":
                return
            time.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * 1.5 ** min(turn, 20)))

    def _finish(self, batch: Batch, forms: Forms, keep: Keep) -> None:
        """Wait for a batch and keep what it answers; one that was never taken is forgotten.

        Raises:
            GenretError: nothing came of any of its requests, for the same reason.
        """
        if not batch.id:
            self._ledger.release(batch=batch.name)
            return
        self._wait_for(batch.id)
        left, prices, outcomes = set(batch.keys), Prices(*batch.prices), list[Completion]()
        for entry in self._service.reachable(lambda: self._results(batch.id)):
            if entry.custom_id in left:
                outcomes.append(self._outcome(entry, forms.get(entry.custom_id), prices))
                left.discard(entry.custom_id)
        outcomes += [Completion(key, reason="missing in what the service returned") for key in left]
        for outcome in outcomes:
            keep(outcome)
        self._ledger.end(batch.name)
        reasons = {outcome.reason for outcome in outcomes if outcome.empty}
        if len(outcomes) >= ALIKE and len(reasons) == 1 and all(outcome.empty for outcome in outcomes):
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
