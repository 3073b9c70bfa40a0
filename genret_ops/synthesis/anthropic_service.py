"""Anthropic's API as messages and batches share it: a request's form, what an answer says and costs, and patience."""

import math
import os
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from genret_ops.errors import GenretError
from genret_ops.progress import announce
from genret_ops.settings import GenerationSettings
from genret_ops.synthesis.language_model import (
    ANTHROPIC,
    INVALID,
    REFUSED,
    TRUNCATED,
    Completion,
    Request,
    Usage,
)

if TYPE_CHECKING:
    from anthropic.types import Message

KEY = "ANTHROPIC_API_KEY"
BATCH_SHARE = 0.5
"""What a token costs in a batch, as a share of its price."""
TRANSPORT_TRIES = 6
_LOOKS = 16
"""Tries of a call that changes nothing: ten minutes, with their pauses."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
ALIKE = 5
"""So many requests that nothing came of, all for the same reason, end a run."""
_T = TypeVar("_T")
_MILLION = 1_000_000
_CACHE_READ, _CACHE_WRITE, _CACHE_WRITE_HOUR = 0.1, 1.25, 2.0
"""Factors on the price of input."""
_HIDDEN_TOKENS = 1000
"""More tokens than a service adds to a request on its own account, such as for the form of the answer."""
_BUSY = (408, 409, 429, 500, 502, 503, 504, 529)
_REJECTED = (429, 529)
"""Of these answers, the ones that say for sure that nothing was done."""
_LONGEST_WAIT, _SILENT_WAIT = 120.0, 10.0
"""Seconds that the service may have us wait, and those that nobody is told of."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars for a million tokens that are read, and that are written."""

    input: float
    output: float

    def usage(self, message: "Message", share: float) -> Usage:
        """Tokens and dollars of an answer.

        Args:
            message: the answer.
            share: what a token costs, as a share of its price.
        """
        usage = message.usage
        read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        for_an_hour = usage.cache_creation.ephemeral_1h_input_tokens if usage.cache_creation else 0
        weighted = usage.input_tokens + _CACHE_READ * read + _CACHE_WRITE * (written - for_an_hour)
        weighted += _CACHE_WRITE_HOUR * for_an_hour
        cost = share * (weighted * self.input + usage.output_tokens * self.output) / _MILLION
        return Usage(usage.input_tokens + read + written, usage.output_tokens, cost)

    def most(self, request: Request, share: float) -> float:
        """The most dollars that a request can cost: no text has more tokens than bytes."""
        said = len(f"{request.system}{request.prompt}".encode()) + len(str(request.output.model_json_schema()))
        read = self.input * (said + _HIDDEN_TOKENS) * (_CACHE_WRITE if share == 1 else _CACHE_WRITE_HOUR)
        return share * (self.output * request.max_tokens + read) / _MILLION


class AnthropicService:
    """A connection to the service, for one of its models.

    Args:
        model: the service's name of the model.
        settings: address, prices and patience.

    Attributes:
        client: the client of the SDK.
        errors: the SDK, for its errors.
        prices: those of the settings.
        stopped: set when a run ends; whoever waits to send a request again gives up.

    Raises:
        GenretError: the package, the key or the prices are missing.
    """

    def __init__(self, model: str, settings: GenerationSettings) -> None:
        try:
            import anthropic
        except ImportError as error:
            raise GenretError(
                f"{ANTHROPIC}:{model} needs the package anthropic: run `pip install 'genret-ops[llm]'`"
            ) from error
        if not (key := os.environ.get(KEY, "").strip()):
            raise GenretError(
                f"{ANTHROPIC}:{model} needs a key: set {KEY} in the environment, or name no language model"
            )
        if not (settings.input_price and settings.output_price):
            raise GenretError(
                f"nobody has said what {model} costs: set generation.input_price and generation.output_price, in "
                "dollars for a million tokens"
            )
        self._model, self._settings = model, settings
        self.prices = Prices(settings.input_price, settings.output_price)
        self.errors = anthropic
        self.client = anthropic.Anthropic(
            api_key=key, base_url=settings.base_url or None, timeout=settings.timeout_seconds, max_retries=0
        )
        self.stopped = threading.Event()

    def parameters(self, request: Request, in_batch: bool) -> dict[str, Any]:
        """A request as the service reads it; what requests share is cached there, for an hour if it is in a batch."""
        cached = {"type": "ephemeral", "ttl": "1h"} if in_batch else {"type": "ephemeral"}
        schema = self.errors.transform_schema(request.output)
        return {
            "model": self._model,
            "max_tokens": request.max_tokens,
            "system": [{"type": "text", "text": request.system, "cache_control": cached}],
            "messages": [{"role": "user", "content": request.prompt}],
            "output_config": {"format": {"type": "json_schema", "schema": schema}},
        }

    def read(self, key: str, form: type[BaseModel] | None, message: "Message", usage: Usage) -> Completion:
        """What came of a request that was answered.

        Args:
            key: the request's.
            form: what its answer was to look like, if that is still known.
            message: the answer.
            usage: what it took.
        """
        if message.stop_reason == "refusal":
            return Completion(key, reason=REFUSED, usage=usage, message=message.id)
        if message.stop_reason == "max_tokens":
            return Completion(key, reason=TRUNCATED, usage=usage, message=message.id)
        text = "".join(block.text for block in message.content if block.type == "text")
        try:
            valid = form.model_validate_json(text).model_dump_json() if form else text
        except ValidationError:
            return Completion(key, reason=INVALID, usage=usage, message=message.id)
        return Completion(key, valid, usage=usage, message=message.id)

    def patiently(self, call: Callable[[], _T], again: Callable[[Exception], bool], tries: int = TRANSPORT_TRIES) -> _T:
        """Make a call again, after pauses that the service asks for or that grow, as long as an error lets it be.

        Args:
            call: the call.
            again: whether it may be made again after an error.
            tries: how often it is made at most.

        Raises:
            GenretError: the service asks for a pause that is too long to wait here.
        """
        for number in count():
            try:
                return call()
            except self.errors.APIError as error:
                response = getattr(error, "response", None)
                if number == tries - 1 or not again(error):
                    raise
                if self.pause(number, response.headers if response is not None else {}):
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    def reachable(self, call: Callable[[], _T]) -> _T:
        """Make a call that changes nothing at the service, for some minutes if need be.

        Raises:
            GenretError: the service cannot be reached, or lets nobody in.
        """
        try:
            return self.patiently(
                call,
                lambda error: (
                    isinstance(error, self.errors.APIConnectionError) or getattr(error, "status_code", 0) in _BUSY
                ),
                _LOOKS,
            )
        except self.errors.APIError as error:
            raise self.unusable(error) from error

    def nothing_came(self, error: Exception) -> bool:
        """Whether an error says for sure that there is no answer to pay for, and another try may bring one.

        The service says so itself, or it was never reached; a proxy between may not know.
        """
        status = getattr(error, "status_code", 0)
        return never_arrived(error) or status in _REJECTED or (status in _BUSY and bool(_service_error(error)))

    def pause(self, number: int, headers: Mapping[str, str]) -> bool:
        """Wait before a call is made again; returns whether the run was stopped meanwhile.

        Raises:
            GenretError: the service asks for a pause that is too long to wait here.
        """
        try:
            seconds = float(headers.get("retry-after", ""))
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2**number)
        if seconds > _LONGEST_WAIT:
            raise GenretError(
                f"the service asks for a pause of {math.ceil(seconds / 60)} minutes: what was answered is kept; run "
                "the same command again after that"
            )
        if seconds > _SILENT_WAIT:
            announce(f"The service is busy: next try in {seconds:.0f} s.")
        return self.stopped.wait(seconds * random.uniform(1.0, 1.25))

    def unusable(self, error: Exception) -> GenretError:
        """What to do about an answer that no further try will change."""
        status, url = getattr(error, "status_code", 0), self._settings.base_url
        where = f"{url} (generation.base_url)" if url else "the service"
        if status in (401, 403):
            return GenretError(f"the service does not accept the key in {KEY}: {said(error)}")
        if status == 404:
            return GenretError(f"{where} knows no model {self._model!r}: correct its name in genret.toml")
        return GenretError(f"{where} cannot be used ({said(error)}): what was answered is kept; try again later")


def fruitless(count: int, reason: str) -> GenretError:
    """What to say of a run in which requests came to nothing, all for the same reason."""
    return GenretError(
        f"the service answers none of {count} requests in a row: {reason}. What was answered before is kept: run the "
        "same command again when that is mended"
    )


def never_arrived(error: Exception) -> bool:
    """Whether the service was not reached, so that it took nothing."""
    import httpx2

    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)


def rejected(error: Exception) -> bool:
    """Whether an error says for sure that nothing was taken."""
    return never_arrived(error) or getattr(error, "status_code", 0) in _REJECTED


def maybe_taken(error: Exception) -> bool:
    """Whether the service may have taken what it was sent, in spite of an error."""
    return not rejected(error) and getattr(error, "status_code", 500) in _BUSY


def said(error: Exception) -> str:
    """What an error says, in one line and without its body's JSON."""
    return " ".join(str(_service_error(error) or error).split())[:200]


def _service_error(error: Exception) -> str:
    """The service's own words, if an error has them."""
    body = getattr(error, "body", None)
    inner = body.get("error") if isinstance(body, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else None
    return message if isinstance(message, str) else ""
