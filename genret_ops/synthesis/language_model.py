"""What a language model is asked and what it answers, whoever runs it: a service that costs money, or this machine.

Nothing here knows passages or prompts. `anthropic_model` and `transformers_model` are the two that exist.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel

from genret_ops.settings import Settings

if TYPE_CHECKING:
    from genret_ops.synthesis.generation_store import GenerationStore

ANTHROPIC, TRANSFORMERS = "anthropic", "transformers"
REFUSED = "refused by the model"
TRUNCATED = "cut off before its end"
INVALID = "not in the form that was asked for"
_PERHAPS_PAID = "; it may have been paid for, so it is not sent again"
TIMED_OUT = "no answer in time" + _PERHAPS_PAID
BROKEN = "the connection broke before the answer came" + _PERHAPS_PAID
LOST = "under way when a run was killed" + _PERHAPS_PAID
GONE = "its answer is gone at the service" + _PERHAPS_PAID
CHARACTERS_A_TOKEN = 4
"""For estimates: about so many characters make a token."""


@dataclass(frozen=True, slots=True)
class Request:
    """One thing that a model is asked.

    Attributes:
        key: what it is known by, 32 hex digits.
        system: what it shares with other requests: the beginning, which a service may cache.
        prompt: what is its alone.
        output: the form of an answer.
        max_tokens: most tokens of an answer.
    """

    key: str
    system: str
    prompt: str
    output: type[BaseModel]
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer took: tokens, and dollars (`uncertain` are those that may have been spent, at most)."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    uncertain: float = 0.0


@dataclass(frozen=True, slots=True)
class Completion:
    """What came of a request.

    Attributes:
        key: the request's.
        text: the answer as JSON, valid under the request's `output`; "" if there is none.
        reason: why there is no answer.
        usage: what it took.
        message: the service's id of the answer, if it gave one.
    """

    key: str
    text: str = ""
    reason: str = ""
    usage: Usage = Usage()
    message: str = ""

    @property
    def empty(self) -> bool:
        """Whether nothing came at all: no answer, and none that was bad."""
        return not self.text and not (self.usage.cost or self.usage.output_tokens)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What requests will take.

    Attributes:
        requests: how many.
        input_tokens: about how many tokens they hold.
        output_tokens: about how many tokens will be written.
        cost: about how many dollars that costs.
        most: what it can cost at most, each asked once, in dollars.
    """

    requests: int
    input_tokens: int
    output_tokens: int
    cost: float = 0.0
    most: float = 0.0


Keep = Callable[[Completion], None]
"""Takes what came of a request, and keeps it for good before it returns."""


class LanguageModel(Protocol):
    """A language model, wherever it runs."""

    name: str
    """What it is known by, such as `anthropic:NAME`."""

    def estimate(self, requests: Sequence[Request], tokens_per_answer: float) -> Estimate:
        """What these requests will take, if an answer has so many tokens."""

    def complete(self, requests: Sequence[Request], keep: Keep) -> None:
        """Ask each request once, and call `keep` with what comes of it, as it comes.

        A request that may not be paid for any more is left out.
        """

    def close(self) -> None:
        """Let go of what it holds."""


def open_language_model(name: str, settings: Settings, ledger: "GenerationStore") -> LanguageModel:
    """A language model.

    Args:
        name: `anthropic:NAME` or `transformers:NAME`.
        settings: settings of the run.
        ledger: keeps account of what is under way and of what was spent.

    Raises:
        GenretError: it cannot be used; the message says what is missing.
    """
    provider, _, model = name.partition(":")
    if provider == ANTHROPIC:
        from genret_ops.synthesis.anthropic_model import AnthropicModel

        return AnthropicModel(model, settings.generation, ledger)
    from genret_ops.synthesis.transformers_model import TransformersModel

    return TransformersModel(model, settings.synthesis.temperature, settings.training.seed)
