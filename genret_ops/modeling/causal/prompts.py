"""What a causal model reads before it writes an identifier: a question (Query2ID) or a passage (Context2ID).

A prompt is three runs of tokens, each tokenised alone: what stands before the text, the text itself, cut to a limit,
and what stands after it. The identifier's tokens follow. No token spans two runs, so a model is asked exactly what it
was trained on, however long the text and whatever the tokenizer merges.
"""

import tomllib
from collections.abc import Sequence
from importlib import resources
from typing import Any

QUERY, CONTEXT = "query", "context"
_FILE: dict[str, Any] = tomllib.loads((resources.files(__package__) / "prompts.toml").read_text("utf-8"))
VERSION: int = _FILE["version"]
"""Goes up when a prompt changes; a model answers the prompts that it was trained on."""


class Prompts:
    """The prompts of a tokenizer.

    Args:
        tokenizer: a tokenizer of transformers.
        limit: most tokens of a text; what is longer loses its end.

    Example:
        >>> Prompts(tokenizer, limit=256).of(QUERY, ["Who smokes the bees?"])[0][:3]
        [17872, 42, 198]
    """

    def __init__(self, tokenizer: Any, limit: int) -> None:
        self._tokenizer, self._limit = tokenizer, limit
        start = [token for token in tokenizer("")["input_ids"] if token != tokenizer.eos_token_id]
        self._frames = dict[str, tuple[list[int], list[int]]]()
        for kind in (QUERY, CONTEXT):
            before, after = map(self._tokens, _FILE[kind].split("{text}"))
            self._frames[kind] = ([*start, *before], after)

    def of(self, kind: str, texts: Sequence[str]) -> list[list[int]]:
        """The prompt of each text as token ids.

        Args:
            kind: `QUERY` or `CONTEXT`.
            texts: questions, or passages with their titles.
        """
        before, after = self._frames[kind]
        return [[*before, *self._tokens(text)[: self._limit], *after] for text in texts]

    def _tokens(self, text: str) -> list[int]:
        """The tokens of a text, in which the name of a special token is text like any other."""
        tokens: list[int] = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return tokens
