"""Constrained decoding: a causal language model writes identifiers of a trie, and nothing else.

`beam_search` is how a release answers. `TrieLogitsProcessor` gives the same constraint to `generate` of transformers.
An identifier is written as its tokens and then the end token, so that one which begins another can be told from it. Its
score is the sum of the model's log probabilities of these tokens, over the whole vocabulary and not only over what is
allowed (docs/method.md, "Identifiers"). What may be written (filters, access, what is withdrawn) is an `AllowedSet` and
acts at every step. Nothing is ever written without the constraint: where nothing may follow, there is an error.

On a CPU the trie's arrays stay numpy's, whose calls are quicker; for another device, move the trie there once
(`Trie.to`) and make allowed sets of that. This module does not know what an identifier names, or how the model learned.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from genret_ops.errors import GenretError
from genret_ops.identifiers.trie import DEAD, ROOT, AllowedSet, Array, Trie, array_library

Constraint = Trie | AllowedSet

_FINISHED = -2
"""The node of a row that has written an identifier and the end token."""
_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class BeamStep:
    """A step of `beam_search` as an observer sees it: the beginnings of all prompts, and the continuations that stay.

    The beginnings of the first step are empty, one for each prompt; those of every other are what the step before kept.

    Attributes:
        prompts: the prompt of each beginning, ascending, shape (beginnings,).
        scores: log probability of each, shape (beginnings,).
        log_probs: log probability of every token after each, shape (beginnings, vocabulary).
        following: tokens that may follow each, padded with -1, shape (beginnings, most).
        ending: the identifier that each completes if the end token follows, or -1, shape (beginnings,).
        bound: what the log probability of a continuation must exceed to be among the k best, shape (prompts,).
        kept: the beginnings that are continued, once for each continuation that stays, shape (continuations,).
        tokens: the tokens with which they are, shape (continuations,).
    """

    prompts: torch.Tensor
    scores: torch.Tensor
    log_probs: torch.Tensor
    following: torch.Tensor
    ending: torch.Tensor
    bound: torch.Tensor
    kept: torch.Tensor
    tokens: torch.Tensor


Observer = Callable[[BeamStep], None]


@torch.inference_mode()
def beam_search(
    model: Any,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    constraint: Constraint | Sequence[Constraint],
    *,
    beams: int,
    k: int,
    end_token: int,
    observe: Observer | None = None,
) -> list[list[tuple[int, float]]]:
    """The identifiers to which a model gives the highest probability after each prompt.

    Each step keeps the best `beams` beginnings of a prompt. An identifier that is complete takes no beam from the
    others, and a prompt is done as soon as none of its beginnings can come among its k best.

    Args:
        model: a causal language model of transformers that takes `position_ids`, with a LoRA adapter of peft or
            without, in eval mode.
        input_ids: prompts, padded on the left, shape (prompts, length), on the device of the model.
        attention_mask: 1 for the tokens of a prompt, 0 for padding, shape (prompts, length).
        constraint: what may be written; or a sequence of what may be written after each prompt.
        beams: beginnings to keep, at least k.
        k: identifiers wanted for each prompt.
        end_token: what the model writes after an identifier.
        observe: called with each step, for whoever shows how an answer comes about; it changes nothing.

    Returns:
        For each prompt (identifier, log probability), best first: k of them, or as many as there are.

    Raises:
        GenretError: nothing is allowed; identifiers use the end token, or tokens that the model lacks; a prompt ends in
            padding; the model computes something that is no number, or gives no allowed identifier any probability.
        ValueError: `beams`, `k` or the number of constraints makes no sense, or the model is in training mode.
    """
    if not 1 <= k <= beams:
        raise ValueError(f"k lies in 1 to the number of beams, and {k} does not lie in 1 to {beams}")
    if model.training:
        raise ValueError("a model in training mode drops units at random: call its eval() before a search")
    constraints = _for_each(constraint, input_ids)
    if not bool((attention_mask[:, -1] == 1).all()):
        raise GenretError("a prompt ends in padding: pad prompts on the left, and give each at least one token")
    prompts = torch.arange(len(input_ids), device=input_ids.device)
    best = _Best(len(input_ids), k, input_ids.device)
    nodes, scores = torch.full_like(prompts, ROOT), torch.zeros(len(prompts), device=input_ids.device)
    tokens, mask, cache = input_ids, attention_mask, None
    while len(nodes):
        log_probs, cache = _next_log_probs(model, tokens, mask, cache)
        for allowed in constraints:
            _check_vocabulary(allowed, log_probs.shape[1], end_token)
        following, children, ending = _step(constraints, prompts, nodes)
        _check_end_token(bool((following == end_token).any()), end_token)
        best.add(prompts, ending, scores + log_probs[:, end_token])
        totals = scores[:, None] + log_probs.gather(1, following.clamp(min=0))
        totals = totals.masked_fill((following < 0) | (totals <= best.bound[prompts, None]), _NEVER)
        rows, columns = _highest(totals, prompts, len(input_ids), beams)
        tokens = following[rows, columns, None]
        if observe is not None:
            observe(BeamStep(prompts, scores, log_probs, following, ending, best.bound, rows, tokens[:, 0]))
        prompts, nodes, scores = prompts[rows], children[rows, columns], totals[rows, columns]
        mask = torch.cat([mask[rows], mask.new_ones(len(rows), 1)], dim=1)
        cache.reorder_cache(rows)
    return best.lists()


class TrieLogitsProcessor:
    """What `generate` of transformers takes in `logits_processor`, to write identifiers of a trie and nothing else.

    Give `generate` at least `len(trie.largest) + 1` new tokens, and `length_penalty=0.0` if the scores of its beams
    are to be log probabilities. If fewer identifiers are allowed than there are beams, `generate` fills the rest of its
    answer with sequences scored -1e9 or lower, which are to be dropped.

    Example:
        >>> processor = TrieLogitsProcessor(trie, prompts.input_ids.shape[1], tokenizer.eos_token_id, beams=10)
        >>> model.generate(**prompts, logits_processor=[processor], num_beams=10, length_penalty=0.0)
    """

    def __init__(self, constraint: Constraint, prompt_length: int, end_token: int, beams: int = 1) -> None:
        """Keep what may be written.

        Args:
            constraint: what may be written.
            prompt_length: tokens of each row before the first that is generated, padding included.
            end_token: what the model writes after an identifier.
            beams: rows of a prompt, which follow each other and may change places between calls.

        Raises:
            GenretError: nothing is allowed.
        """
        _check_not_empty([constraint])
        self._constraint = constraint
        self._prompt_length, self._end_token, self._beams = prompt_length, end_token, beams
        self._vocabulary = 0
        self._written: Array = None
        self._nodes: Array = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The scores of tokens that may follow, and -inf for all others.

        Args:
            input_ids: shape (rows, length): the prompts and what was written so far.
            scores: shape (rows, vocabulary).

        Raises:
            GenretError: identifiers use the end token, or tokens that the model lacks; or no row of a prompt can go on,
                because it has left the trie or whatever may follow is impossible, and none is complete.
            ValueError: the rows are not a multiple of the beams.
        """
        if len(input_ids) % self._beams:
            raise ValueError(f"{len(input_ids)} rows are not those of prompts with {self._beams} beams each")
        if input_ids.device.type != "cpu":
            self._constraint = self._constraint.to(input_ids.device)
        if scores.shape[1] != self._vocabulary:
            _check_vocabulary(self._constraint, scores.shape[1], self._end_token)
            self._vocabulary = scores.shape[1]
        xp = array_library(_trie(self._constraint).edges)
        nodes = self._reached(xp.asarray(input_ids[:, self._prompt_length :]))
        everywhere = len(nodes) > 0 and bool((nodes == nodes[0]).all())
        goes_on = nodes == _FINISHED
        if everywhere:
            may_end = goes_on | (self._constraint.ends(nodes) >= 0)
            mask = torch.as_tensor(self._constraint.next_mask(nodes[:1], scores.shape[1]))[0]
            _check_end_token(bool(mask[self._end_token]), self._end_token)
            mask[self._end_token] = bool(may_end[0])
            result = torch.where(mask, scores, _NEVER)
            goes_on |= xp.asarray(result.amax(dim=1) > _NEVER)
        else:
            following, _, ending = self._constraint.successors(nodes)
            _check_end_token(bool((following == self._end_token).any()), self._end_token)
            (rows, columns), (ends,) = xp.where(following >= 0), xp.where(goes_on | (ending >= 0))
            allowed = xp.concatenate([following[rows, columns], xp.full_like(ends, self._end_token)])
            rows = xp.concatenate([rows, ends])
            places, tokens = torch.as_tensor(rows), torch.as_tensor(allowed)
            values, result = scores[places, tokens], torch.full_like(scores, _NEVER)
            result[places, tokens] = values
            goes_on[rows[xp.asarray(values > _NEVER)]] = True
        if not bool(goes_on.reshape(-1, self._beams).any(1).all()):
            raise GenretError(
                "no allowed identifier can be written any more: what was generated is no beginning of one, or the "
                "model or another logits processor rules out every token that may follow"
            )
        return result

    def _reached(self, written: Array) -> Array:
        """The node of each row, shape (rows,): one step from that of the row it grew from, whichever that was."""
        xp, rows, length = array_library(written), len(written), written.shape[1]
        nodes: Array = None
        if self._written is not None and self._written.shape == (rows, length - 1):
            prompts = rows // self._beams
            grown = written[:, :-1].reshape(prompts, self._beams, 1, length - 1)
            same = (grown == self._written.reshape(prompts, 1, self._beams, length - 1)).all(3)
            if bool(same.any(2).all()):
                first = xp.arange(0, rows, self._beams, device=written.device)
                origin = first[:, None] + (same * 1).argmax(2)
                nodes = self._after(self._nodes[origin.reshape(-1)], written[:, -1])
        if nodes is None:
            nodes = xp.full((rows,), ROOT, dtype=xp.int64, device=written.device)
            for column in written.T:
                nodes = self._after(nodes, column)
        self._written, self._nodes = xp.asarray(written, copy=True), nodes
        return nodes

    def _after(self, nodes: Array, tokens: Array) -> Array:
        xp = array_library(nodes)
        finished, ends = nodes == _FINISHED, tokens == self._end_token
        if bool(ends.any()):
            finished |= ends & (self._constraint.ends(nodes) >= 0)
        return xp.where(finished, _FINISHED, self._constraint.advance(nodes, tokens))


class _Best:
    """The best complete identifiers of each prompt so far."""

    def __init__(self, prompts: int, k: int, device: torch.device) -> None:
        self.scores = torch.full((prompts, k), _NEVER, device=device)
        self.identifiers = torch.full((prompts, k), DEAD, dtype=torch.int64, device=device)

    @property
    def bound(self) -> torch.Tensor:
        """The score that an identifier must exceed to come in, shape (prompts,)."""
        return self.scores[:, -1]

    def add(self, prompts: torch.Tensor, identifiers: torch.Tensor, scores: torch.Tensor) -> None:
        """Take in identifiers; those that are -1 are none.

        Args:
            prompts: the prompt of each row, ascending, shape (rows,).
            identifiers: shape (rows,).
            scores: shape (rows,).
        """
        complete = identifiers >= 0
        if not bool(complete.any()):
            return
        prompts, identifiers, scores = prompts[complete], identifiers[complete], scores[complete]
        count, k = self.scores.shape
        slots = _slots(prompts, count)
        most = int(slots.max()) + 1
        more = self.scores.new_full((count, most), _NEVER)
        names = self.identifiers.new_full((count, most), DEAD)
        more[prompts, slots], names[prompts, slots] = scores, identifiers
        self.scores, order = torch.cat([self.scores, more], dim=1).topk(k)
        self.identifiers = torch.cat([self.identifiers, names], dim=1).gather(1, order)

    def lists(self) -> list[list[tuple[int, float]]]:
        """(identifier, log probability) of each prompt, best first."""
        rows = zip(self.identifiers.tolist(), self.scores.tolist(), strict=True)
        lists = [
            [(identifier, score) for identifier, score in zip(identifiers, scores, strict=True) if score > _NEVER]
            for identifiers, scores in rows
        ]
        for number, pairs in enumerate(lists):
            if not pairs:
                raise GenretError(f"the model gives no allowed identifier any probability after prompt {number}")
        return lists


def _for_each(constraint: Constraint | Sequence[Constraint], input_ids: torch.Tensor) -> list[Constraint]:
    """The constraint of all prompts, or that of each, where the prompts are."""
    constraints = [constraint] if isinstance(constraint, Constraint) else list(constraint)
    if not isinstance(constraint, Constraint) and len(constraints) != len(input_ids):
        raise ValueError(f"{len(constraints)} constraints do not go with {len(input_ids)} prompts")
    _check_not_empty(constraints)
    if input_ids.device.type == "cpu":
        return constraints
    return [constraint.to(input_ids.device) for constraint in constraints]


def _check_not_empty(constraints: Sequence[Constraint]) -> None:
    if not all(map(len, constraints)):
        raise GenretError("no identifier is allowed, so that none can be written: relax the filters")


def _trie(constraint: Constraint) -> Trie:
    return constraint.trie if isinstance(constraint, AllowedSet) else constraint


def _check_vocabulary(constraint: Constraint, vocabulary: int, end_token: int) -> None:
    if (largest := int(_trie(constraint).largest.max())) >= vocabulary:
        raise GenretError(
            f"identifiers use token {largest}, but the model's vocabulary has only {vocabulary}: "
            "it is not the model that they were made for"
        )
    if not 0 <= end_token < vocabulary:
        raise GenretError(f"the end token {end_token} lies outside the model's vocabulary of {vocabulary}")


def _check_end_token(used: bool, end_token: int) -> None:
    if used:
        raise GenretError(f"identifiers use token {end_token}, which ends them: make them without it")


def _step(
    constraints: Sequence[Constraint], prompts: torch.Tensor, nodes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(tokens that may follow, their nodes, identifiers that end) at each node: shapes (n, most) twice, and (n,)."""
    if len(constraints) == 1:
        (constraint,), rows = constraints, len(nodes)
        nodes = nodes[:1] if bool((nodes == ROOT).all()) else nodes
        tokens, children, ending = map(torch.as_tensor, constraint.successors(nodes))
        return tokens.expand(rows, -1), children.expand(rows, -1), ending.expand(rows)
    parts = [
        _step([constraints[number]], prompts, nodes[prompts == number]) for number in sorted(set(prompts.tolist()))
    ]
    most = max(tokens.shape[1] for tokens, _, _ in parts)
    tokens, children = (
        torch.cat([torch.nn.functional.pad(part[kind], (0, most - part[kind].shape[1]), value=DEAD) for part in parts])
        for kind in (0, 1)
    )
    return tokens, children, torch.cat([ending for _, _, ending in parts])


def _next_log_probs(
    model: Any, tokens: torch.Tensor, attention_mask: torch.Tensor, cache: Any
) -> tuple[torch.Tensor, Any]:
    """(log probabilities of the token after each row, shape (rows, vocabulary), in float32; the cache)."""
    positions = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
    output = model(
        input_ids=tokens,
        attention_mask=attention_mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    log_probs = output.logits[:, -1].float().log_softmax(dim=1)
    if bool(log_probs.isnan().any()):
        raise GenretError("the model's logits are not numbers: its weights, or their precision, are not fit for use")
    if output.past_key_values is None:
        raise GenretError("the model keeps no key-value cache, which a beam search needs: choose another model")
    return log_probs, output.past_key_values


def _slots(prompts: torch.Tensor, count: int) -> torch.Tensor:
    """The place of each row among those of its prompt; `prompts` ascends."""
    first = torch.searchsorted(prompts, torch.arange(count, device=prompts.device))
    return torch.arange(len(prompts), device=prompts.device) - first[prompts]


def _highest(totals: torch.Tensor, prompts: torch.Tensor, count: int, beams: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(row, column) of the highest totals of each prompt, at most `beams`, without those that are -inf."""
    slots = _slots(prompts, count)
    most = int(slots.max()) + 1
    table = totals.new_full((count, most, totals.shape[1]), _NEVER)
    table[prompts, slots] = totals
    values, places = table.flatten(1).topk(min(beams, most * totals.shape[1]))
    chosen, ranks = torch.nonzero(values > _NEVER, as_tuple=True)
    places = places[chosen, ranks]
    first = torch.searchsorted(prompts, chosen)
    return first + places // totals.shape[1], places % totals.shape[1]
