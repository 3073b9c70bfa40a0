"""A language model behind Anthropic's API: single messages for a few requests, Message Batches for many.

What a batch answers is collected however often this process is killed: its name and its requests are noted before it is
sent, and a batch of which we never learned whether it was taken is looked for among those that the service knows. Of
messages sent one by one, a kill loses those under way. The most that a request can cost is set aside before it is sent.
"""

import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from genret_ops.errors import GenretError
from genret_ops.settings import GenerationSettings
from genret_ops.synthesis.generation_store import Batch, GenerationStore
from genret_ops.synthesis.language_model import (
    ANTHROPIC,
    INVALID,
    REFUSED,
    TIMED_OUT,
    TRUNCATED,
    Completion,
    Estimate,
    Keep,
    Request,
    Usage,
)

if TYPE_CHECKING:
    from anthropic.types import Message

KEY = "ANTHROPIC_API_KEY"
_T = TypeVar("_T")
_MILLION = 1_000_000
_BATCH_SHARE = 0.5
"""What a token costs in a batch, as a share of its price; the next three are factors on the price of input."""
_CACHE_READ, _CACHE_WRITE, _CACHE_WRITE_HOUR = 0.1, 1.25, 2.0
_CHARACTERS_A_TOKEN = 4
_HIDDEN_TOKENS = 1000
"""More tokens than a service adds to a request on its own account, such as for the form of the answer."""
_MOST_IN_A_BATCH = 10_000
_BUSY = (408, 409, 429, 500, 502, 503, 504, 529)
_REJECTED = (429, 529)
"""Of these answers, the ones that say for sure that nothing was done."""
_TRANSPORT_TRIES = 6
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_INVALID_IN_A_ROW = 5
_CLOCKS = timedelta(minutes=10)
"""How far the service's clock may be behind ours."""


class AnthropicModel:
    """A model of Anthropic's.

    Args:
        name: the service's name of it.
        settings: address, prices, cap, and how many requests are sent at once.
        ledger: what is under way, and what was spent.

    Raises:
        GenretError: the package or the key is missing, or nothing may be spent.
    """

    def __init__(self, name: str, settings: GenerationSettings, ledger: GenerationStore) -> None:
        try:
            import anthropic
        except ImportError as error:
            raise GenretError(
                f"{ANTHROPIC}:{name} needs the package anthropic: run `pip install 'genret-ops[llm]'`"
            ) from error
        if not (key := os.environ.get(KEY, "").strip()):
            raise GenretError(
                f"{ANTHROPIC}:{name} needs a key: set {KEY} in the environment, or name no language model"
            )
        if not (settings.input_price and settings.output_price):
            raise GenretError(
                f"nobody has said what {name} costs: set generation.input_price and generation.output_price, in "
                "dollars for a million tokens"
            )
        self.name = f"{ANTHROPIC}:{name}"
        self._model, self._settings, self._ledger = name, settings, ledger
        self._errors = anthropic
        self._client = anthropic.Anthropic(
            api_key=key, base_url=settings.base_url or None, timeout=settings.timeout_seconds, max_retries=0
        )
        self._stopped = threading.Event()

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def estimate(self, requests: Sequence[Request], tokens_per_answer: float) -> Estimate:
        """What these requests will take, at the prices of the settings; a cache is not counted on."""
        share = self._share(len(requests))
        read = sum(len(each.system) + len(each.prompt) for each in requests) // _CHARACTERS_A_TOKEN
        written = round(tokens_per_answer * len(requests))
        cost = share * (read * self._settings.input_price + written * self._settings.output_price) / _MILLION
        return Estimate(len(requests), read, written, cost, sum(self._most(each, share) for each in requests))

    def complete(self, requests: Sequence[Request], keep: Keep) -> None:
        """Ask each request once; those in batches under way are waited for, not sent again."""
        forms, finished = {request.key: request.output for request in requests}, set[str]()
        self._stopped.clear()

        def note(completion: Completion) -> None:
            keep(completion)
            finished.add(completion.key)

        for batch in self._ledger.batches():
            self._finish(batch if batch.id else self._looked_for(batch), forms, note)
        rest = [request for request in requests if request.key not in finished]
        if self._share(len(rest)) < 1:
            self._complete_in_batches(rest, forms, note)
        else:
            self._complete_each(rest, note)

    def _share(self, count: int) -> float:
        """What so many requests cost, as a share of what single messages do."""
        return _BATCH_SHARE if count >= self._settings.bulk else 1.0

    def _most(self, request: Request, share: float) -> float:
        """The most dollars that a request can cost: no text has more tokens than bytes."""
        said = len(f"{request.system}{request.prompt}".encode()) + len(str(request.output.model_json_schema()))
        written = self._settings.output_price * request.max_tokens
        read = self._settings.input_price * (said + _HIDDEN_TOKENS)
        return share * (written + read * (_CACHE_WRITE if share == 1 else _CACHE_WRITE_HOUR)) / _MILLION

    def _parameters(self, request: Request, in_batch: bool) -> dict[str, Any]:
        cached = {"type": "ephemeral", "ttl": "1h"} if in_batch else {"type": "ephemeral"}
        schema = self._errors.transform_schema(request.output)
        return {
            "model": self._model,
            "max_tokens": request.max_tokens,
            "system": [{"type": "text", "text": request.system, "cache_control": cached}],
            "messages": [{"role": "user", "content": request.prompt}],
            "output_config": {"format": {"type": "json_schema", "schema": schema}},
        }

    # single messages

    def _complete_each(self, requests: Sequence[Request], keep: Keep) -> None:
        """Send requests one by one, a few at once, as long as the cap lets them."""
        waiting, flying, outcomes = deque(requests), set[Future[None]](), dict[str, Completion | Exception]()
        invalid, cap, at_once = 0, self._settings.cap, self._settings.concurrency

        def work(request: Request) -> None:
            try:
                outcomes[request.key] = self._ask(request)
            except Exception as error:  # raised where the outcome is read
                outcomes[request.key] = error

        pool = ThreadPoolExecutor(at_once, thread_name_prefix="language-model")
        try:
            while True:
                while waiting and len(flying) < at_once:
                    if not self._ledger.reserve({waiting[0].key: self._most(waiting[0], 1.0)}, cap):
                        break
                    flying.add(pool.submit(work, waiting.popleft()))
                if not flying:
                    return
                flying = wait(flying, return_when=FIRST_COMPLETED).not_done
                for key in list(outcomes):
                    outcome = outcomes[key]
                    if isinstance(outcome, Exception):
                        raise outcome
                    keep(outcome)
                    del outcomes[key]
                    invalid = invalid + 1 if _is_invalid(outcome) else 0
                    if invalid >= _INVALID_IN_A_ROW:
                        raise GenretError(f"the service refuses what it is sent: {outcome.reason}")
        finally:  # whatever ended it: what is under way is paid for, so it is waited for and kept
            self._stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            for key in self._ledger.sent_alone():
                outcome = outcomes.get(key, GenretError("never sent"))
                if isinstance(outcome, Exception):
                    self._ledger.release([key])
                else:
                    keep(outcome)

    def _ask(self, request: Request) -> Completion:
        """Send a request and wait for its answer, with pauses while the service is busy.

        Raises:
            GenretError: the service lets nobody in with this key, or does not know the model.
        """
        try:
            message = self._patiently(
                lambda: self._client.messages.create(**self._parameters(request, False)), self._nothing_came
            )
        except self._errors.APITimeoutError:
            return Completion(request.key, "", TIMED_OUT, True, Usage(uncertain=self._most(request, 1.0)))
        except self._errors.APIStatusError as error:
            if error.status_code in (401, 402, 403, 404):
                raise self._unusable(error) from error
            busy = error.status_code in _BUSY
            return Completion(request.key, "", f"error {error.status_code}: {_said(error)}", busy)
        except self._errors.APIConnectionError as error:
            raise self._unusable(error) from error
        return self._read(request.key, request.output, message, 1.0)

    def _patiently(self, call: Callable[[], _T], again: Callable[[Exception], bool]) -> _T:
        """Make a call again, after pauses that the service asks for or that grow, as long as an error lets it be."""
        for number in count():
            try:
                return call()
            except self._errors.APIError as error:
                response = getattr(error, "response", None)
                if number == _TRANSPORT_TRIES - 1 or not again(error):
                    raise
                if self._pause(number, response.headers if response is not None else {}):
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    def _nothing_came(self, error: Exception) -> bool:
        """Whether an error says that there is no answer, and that another try may bring one."""
        if isinstance(error, self._errors.APITimeoutError):
            return False
        return isinstance(error, self._errors.APIConnectionError) or getattr(error, "status_code", 0) in _BUSY

    def _pause(self, number: int, headers: Mapping[str, str]) -> bool:
        """Wait before a call is made again; returns whether the work was stopped meanwhile."""
        try:
            seconds = float(headers.get("retry-after", ""))
        except ValueError:
            seconds = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**number)
        return self._stopped.wait(seconds * random.uniform(1.0, 1.25))

    # batches

    def _complete_in_batches(
        self, requests: Sequence[Request], forms: Mapping[str, type[BaseModel]], keep: Keep
    ) -> None:
        """Send requests in batches as large as the cap lets them be, and wait for those."""
        waiting = deque(requests)
        while waiting:
            while chosen := self._affordable(waiting):
                name = uuid4().hex
                if not self._ledger.reserve(chosen, self._settings.cap, name):
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
            most = self._most(request, _BATCH_SHARE)
            total += most
            if committed + total > self._settings.cap:  # summed as the ledger sums it, to the last digit
                break
            chosen[request.key] = most
        return chosen

    def _send(self, requests: Sequence[Request], name: str) -> None:
        """Send a batch that is noted already, once and only once.

        Raises:
            GenretError: the service does not take it.
        """
        entries: list[Any] = [
            {"custom_id": request.key, "params": self._parameters(request, True)} for request in requests
        ]
        (batch,) = (each for each in self._ledger.batches() if each.name == name)
        for number in range(_TRANSPORT_TRIES):
            try:
                taken = self._patiently(lambda: self._client.messages.batches.create(requests=entries), _rejected)
            except self._errors.APIError as error:
                if _rejected(error) or getattr(error, "status_code", 500) not in _BUSY:
                    self._ledger.release(batch=name)
                    raise self._unusable(error) from error
            else:
                self._ledger.taken(name, taken.id)
                return
            if self._looked_for(batch).id:
                return
            self._pause(number, {})
        self._ledger.release(batch=name)
        raise GenretError("the service takes no batch at the moment: run the same command again later")

    def _looked_for(self, batch: Batch) -> Batch:
        """A batch with its id, if the service took it; it is the one that holds our requests."""
        known, since = self._ledger.batch_ids(), datetime.fromisoformat(batch.at) - _CLOCKS
        listed = self._reachable(lambda: list(self._since(since)))
        for candidate in listed:
            counts = candidate.request_counts
            total = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
            if candidate.id in known or total != len(batch.keys):
                continue
            self._wait_for(candidate.id)
            entries = self._reachable(partial(self._results, candidate.id))
            if entries and entries[0].custom_id in batch.keys:
                self._ledger.taken(batch.name, candidate.id)
                return Batch(batch.name, candidate.id, batch.at, batch.keys)
        return batch

    def _since(self, moment: datetime) -> Iterator[Any]:
        """The batches that the service took since a moment, newest first."""
        for listed in self._client.messages.batches.list(limit=100):
            if listed.created_at < moment:
                return
            yield listed

    def _results(self, number: str) -> list[Any]:
        """The entries of a batch that has ended, in any order; none if they are gone."""
        import httpx2

        if self._client.messages.batches.retrieve(number).results_url is None:
            return []
        try:
            return list(self._client.messages.batches.results(number))
        except httpx2.TransportError as error:  # in the middle of the results, where the client does not translate it
            raise self._errors.APIConnectionError(request=error.request) from error

    def _wait_for(self, number: str) -> None:
        """Wait until a batch has ended."""
        for turn in count():
            batch = self._reachable(lambda: self._client.messages.batches.retrieve(number))
            if batch.processing_status == "ended":
                return
            time.sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 1.5 ** min(turn, 20)))

    def _finish(self, batch: Batch, forms: Mapping[str, type[BaseModel]], keep: Keep) -> None:
        """Wait for a batch and keep what it answers; one that was never taken is forgotten."""
        if not batch.id:
            self._ledger.release(batch=batch.name)
            return
        self._wait_for(batch.id)
        left = set(batch.keys)
        for entry in self._reachable(lambda: self._results(batch.id)):
            if entry.custom_id in left:
                keep(self._entry(entry, forms.get(entry.custom_id)))
                left.discard(entry.custom_id)
        for key in left:
            keep(Completion(key, "", "missing in what the service returned", True))
        self._ledger.end(batch.name)

    def _entry(self, entry: Any, form: type[BaseModel] | None) -> Completion:
        """What came of an entry of a batch."""
        result = entry.result
        if result.type == "succeeded":
            return self._read(entry.custom_id, form, result.message, _BATCH_SHARE)
        if result.type == "errored":
            error = result.error.error
            again = error.type in ("api_error", "overloaded_error", "rate_limit_error", "timeout_error")
            return Completion(entry.custom_id, "", f"error in a batch: {error.type}", again)
        return Completion(entry.custom_id, "", f"{result.type} in a batch", True)

    # both

    def _reachable(self, call: Callable[[], _T]) -> _T:
        """Make a call that changes nothing at the service, or say that it cannot be reached."""
        try:
            return self._patiently(
                call, lambda error: self._nothing_came(error) or isinstance(error, self._errors.APITimeoutError)
            )
        except self._errors.APIError as error:
            raise self._unusable(error) from error

    def _read(self, key: str, form: type[BaseModel] | None, message: "Message", share: float) -> Completion:
        """An answer, held against the form that it was to have, if that is still known."""
        usage, number = self._usage(message, share), message.id
        if message.stop_reason == "refusal":
            return Completion(key, "", REFUSED, True, usage, number)
        if message.stop_reason == "max_tokens":
            return Completion(key, "", TRUNCATED, True, usage, number)
        text = "".join(block.text for block in message.content if block.type == "text")
        try:
            valid = form.model_validate_json(text).model_dump_json() if form else text
        except ValidationError:
            return Completion(key, "", INVALID, True, usage, number)
        return Completion(key, valid, usage=usage, message=number)

    def _usage(self, message: "Message", share: float) -> Usage:
        """Tokens and dollars of an answer."""
        usage, settings = message.usage, self._settings
        read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        for_an_hour = usage.cache_creation.ephemeral_1h_input_tokens if usage.cache_creation else 0
        weighted = usage.input_tokens + _CACHE_READ * read + _CACHE_WRITE * (written - for_an_hour)
        weighted += _CACHE_WRITE_HOUR * for_an_hour
        cost = share * (weighted * settings.input_price + usage.output_tokens * settings.output_price) / _MILLION
        return Usage(usage.input_tokens + read + written, usage.output_tokens, cost)

    def _unusable(self, error: Exception) -> GenretError:
        """What to do about an answer that no further try will change."""
        status = getattr(error, "status_code", 0)
        if status in (401, 403):
            return GenretError(f"the service does not accept the key in {KEY}: {_said(error)}")
        if status == 404:
            return GenretError(f"the service knows no model {self._model!r}: correct its name in genret.toml")
        where = self._settings.base_url or "the service"
        return GenretError(f"{where} cannot be used ({_said(error)}): what was answered is kept; try again later")


def _rejected(error: Exception) -> bool:
    """Whether an error says for sure that nothing was taken."""
    import httpx2

    return getattr(error, "status_code", 0) in _REJECTED or isinstance(error.__cause__, httpx2.ConnectError)


def _is_invalid(completion: Completion) -> bool:
    return completion.reason.startswith("error 4") and not completion.retry


def _said(error: Exception) -> str:
    """What an error says, in one line and without its body's JSON."""
    body = getattr(error, "body", None)
    inner = body.get("error") if isinstance(body, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else None
    return " ".join(str(message or error).split())[:200]
