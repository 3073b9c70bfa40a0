"""How a causal model came to its answer: the steps of one constrained beam search, in words and probabilities.

It watches the search that answers (`modeling/causal/decoding.py`) and decides nothing. It knows no document.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genret_ops.identifiers.trie import ROOT, Trie
from genret_ops.modeling.causal.decoding import BeamStep
from genret_ops.modeling.causal.model import CausalModel, WritableDocids

KEPT, CROWDED_OUT, HOPELESS = "kept", "crowded out", "hopeless"
"""What becomes of a continuation: it stays among the beams; others are more probable; or k complete identifiers are."""
_SHOWN = 3
"""So many tokens of those that may not follow are named."""


@dataclass(frozen=True, slots=True)
class NextToken:
    """A token after a beginning.

    Attributes:
        text: what it adds to the text of the beginning; its number in brackets if that is nothing that can be read.
        probability: what the model gives it after the beginning.
        fate: what becomes of it: `KEPT`, `CROWDED_OUT` or `HOPELESS`; "" if it may not follow.
        ends: whether it ends the identifier.
    """

    text: str
    probability: float
    fate: str = ""
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The tokens that may not follow a beginning: how probable all of them are together, and the likeliest."""

    probability: float
    likeliest: tuple[NextToken, ...]


@dataclass(frozen=True, slots=True)
class Beginning:
    """What one beam had written before a step.

    Attributes:
        text: what it had written.
        parent: its place among the beginnings of the step before.
        probability: of all that it had written.
        following: the tokens that may follow, the most probable first.
        completes: the docid whose identifier it is, if it may end here; else None.
        end_probability: what the model gives to the token that ends it.
        dead: tokens that no identifier goes on with.
        closed: tokens that identifiers go on with which are not allowed.
    """

    text: str
    parent: int
    probability: float
    following: tuple[NextToken, ...]
    completes: int | None
    end_probability: float
    dead: Refused
    closed: Refused


@dataclass(frozen=True, slots=True)
class DecodingTrace:
    """A search as it went.

    Attributes:
        query: the question.
        beams: how many beginnings a step kept at most.
        identifiers: how many identifiers there are.
        allowed: how many of them could be written.
        steps: the beginnings of each step, in the order of the search.
        answer: (docid, log probability), the most probable first.
    """

    query: str
    beams: int
    identifiers: int
    allowed: int
    steps: tuple[tuple[Beginning, ...], ...]
    answer: tuple[tuple[int, float], ...]


def trace(
    model: CausalModel, query: str, writable: WritableDocids, allowed: np.ndarray, beams: int, k: int
) -> DecodingTrace:
    """Answer a question and keep every step of it.

    Args:
        model: the model.
        query: the question.
        writable: the docids and their identifiers.
        allowed: docids that may be written.
        beams: how many identifiers are written side by side, at least k.
        k: most docids of the answer.

    Example:
        >>> trace(job.learned("rpo"), "copy a folder", job.writable, job.live, beams=5, k=5).answer[0]
        (3, -1.2)
    """
    seen = list[BeamStep]()
    answer = model.generate([query], writable, allowed, beams, k, observe=seen.append)[0]
    written, parents, steps = [list[int]()], [0], list[tuple[Beginning, ...]]()
    for step in seen:
        reader = _Reader(step, model.tokenizer, writable)
        steps.append(tuple(reader.beginning(*row) for row in zip(range(len(written)), written, parents, strict=True)))
        parents = step.kept.tolist()
        written = [[*written[row], token] for row, token in zip(parents, step.tokens.tolist(), strict=True)]
    count = int(np.isin(writable.docids, allowed).sum())
    return DecodingTrace(query, beams, len(writable.trie), count, tuple(steps), tuple(answer))


class _Reader:
    """Puts a step into words."""

    def __init__(self, step: BeamStep, tokenizer: Any, writable: WritableDocids) -> None:
        self._step, self._tokenizer, self._writable = step, tokenizer, writable
        self._end, self._known = int(tokenizer.eos_token_id), len(tokenizer)
        self._kept = set(zip(step.kept.tolist(), step.tokens.tolist(), strict=True))

    def beginning(self, row: int, written: Sequence[int], parent: int) -> Beginning:
        """The beginning in a row of the step.

        Args:
            row: its place.
            written: its tokens.
            parent: its place in the step before.
        """
        step = self._step
        probabilities = step.log_probs[row].double().exp().cpu().numpy()
        score, bound = float(step.scores[row]), float(step.bound[int(step.prompts[row])])
        open_tokens = [token for token in step.following[row].tolist() if token >= 0]
        ending = int(step.ending[row])

        def fate(token: int) -> str:
            if (row, token) in self._kept:
                return KEPT
            return HOPELESS if score + float(step.log_probs[row, token]) <= bound else CROWDED_OUT

        following = [
            self._next(written, token, float(probabilities[token]), fate(token))
            for token in sorted(open_tokens, key=lambda token: -probabilities[token])
        ]
        may = [*open_tokens, *([self._end] if ending >= 0 else [])]
        known = _continuing(self._writable.trie, written, self._end)
        return Beginning(
            text=self._text(written),
            parent=parent,
            probability=float(np.exp(score)),
            following=tuple(following),
            completes=int(self._writable.docids[ending]) if ending >= 0 else None,
            end_probability=float(probabilities[self._end]),
            dead=self._refused(written, np.setdiff1d(np.arange(len(probabilities)), known), probabilities),
            closed=self._refused(written, np.setdiff1d(known, may), probabilities),
        )

    def _refused(self, written: Sequence[int], tokens: np.ndarray, probabilities: np.ndarray) -> Refused:
        likeliest = tokens[np.argsort(-probabilities[tokens], kind="stable")[:_SHOWN]].tolist()
        named = tuple(self._next(written, token, float(probabilities[token])) for token in likeliest)
        return Refused(float(probabilities[tokens].sum()), named)

    def _next(self, written: Sequence[int], token: int, probability: float, fate: str = "") -> NextToken:
        if token == self._end:
            return NextToken("", probability, fate, ends=True)
        text = self._text([*written, token]).removeprefix(self._text(written))
        return NextToken(text or f"[{token}]", probability, fate)

    def _text(self, tokens: Sequence[int]) -> str:
        """Tokens as people read them; a reserved token (identifiers/codes.py) as its number."""
        if all(token < self._known for token in tokens):
            return str(self._tokenizer.decode(tokens, clean_up_tokenization_spaces=False))
        return "".join(self._text([token]) if token < self._known else f"[{token}]" for token in tokens)


def _continuing(trie: Trie, written: Sequence[int], end: int) -> list[int]:
    """The tokens with which any identifier goes on after these, with the end token if these are one."""
    node = [ROOT]
    for token in written:
        node = trie.advance(node, [token])
    following, _, ending = trie.successors(node)
    return [token for token in following[0].tolist() if token >= 0] + ([end] if int(ending[0]) >= 0 else [])
