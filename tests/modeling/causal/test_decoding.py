"""Constrained decoding: the best allowed identifiers of a language model, exactly as scoring every one would say."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genret_ops.errors import GenretError
from genret_ops.identifiers.trie import Trie
from genret_ops.modeling.causal.decoding import BeamStep, Constraint, TrieLogitsProcessor, beam_search

VOCABULARY, PAD, END, FIRST = 11, 0, 1, 2
"""Tokens from FIRST on are words; END closes an identifier."""
word = st.integers(FIRST, VOCABULARY - 1)
identifiers = st.lists(st.lists(word, min_size=1, max_size=4), min_size=1, max_size=20, unique_by=tuple)
prompts = st.lists(st.lists(word, min_size=1, max_size=4), min_size=1, max_size=3)
ENOUGH = 20
"""Beams for every beginning of twenty identifiers."""


@cache
def language_model() -> Any:
    """A causal language model of two small layers with random weights, far from uniform."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=32,
        initializer_range=0.8,
        pad_token_id=PAD,
        bos_token_id=None,
        eos_token_id=END,
    )
    return LlamaForCausalLM(config).eval()


def left_padded(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """(input ids, attention mask) of prompts."""
    longest = max(map(len, rows))
    tokens = torch.tensor([[PAD] * (longest - len(row)) + [*row] for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return tokens, mask


@torch.inference_mode()
def log_probability(prompt: Sequence[int], sequence: Sequence[int]) -> float:
    """What the model says of an identifier and the end token after a prompt, in one pass without padding or cache."""
    tokens = torch.tensor([[*prompt, *sequence, END]])
    log_probs = language_model()(tokens).logits[0].log_softmax(dim=1)
    return float(sum(log_probs[i - 1, tokens[0, i]] for i in range(len(prompt), tokens.shape[1])))


def exact(prompt: Sequence[int], sequences: Sequence[Sequence[int]], chosen: Sequence[int]) -> list[tuple[int, float]]:
    """Every chosen identifier with its log probability, best first."""
    scores = [(i, log_probability(prompt, sequences[i])) for i in chosen]
    return sorted(scores, key=lambda pair: -pair[1])


def search(
    constraint: Constraint | Sequence[Constraint], rows: Sequence[Sequence[int]], beams: int = ENOUGH, k: int = 5
) -> list[list[tuple[int, float]]]:
    return beam_search(language_model(), *left_padded(rows), constraint, beams=beams, k=k, end_token=END)


def assert_same(left: Sequence[tuple[int, float]], right: Sequence[tuple[int, float]]) -> None:
    assert [score for _, score in left] == pytest.approx([score for _, score in right], abs=1e-4)
    distinct = np.diff([score for _, score in right], prepend=np.inf, append=-np.inf) < -1e-3
    for i in range(len(right)):
        if distinct[i] and distinct[i + 1]:
            assert left[i][0] == right[i][0]


@settings(deadline=None, max_examples=40)
@given(identifiers, prompts, st.integers(1, 6), st.data())
def test_with_enough_beams_the_best_are_those_of_scoring_every_identifier(
    sequences: list[list[int]], rows: list[list[int]], k: int, data: st.DataObject
) -> None:
    chosen = sorted(data.draw(st.sets(st.integers(0, len(sequences) - 1), min_size=1)))
    constraint = Trie.build(sequences).allowed(chosen)
    for prompt, pairs in zip(rows, search(constraint, rows, k=k), strict=True):
        assert_same(pairs, exact(prompt, sequences, chosen)[:k])


@settings(deadline=None, max_examples=40)
@given(identifiers, prompts, st.integers(1, 4), st.data())
def test_whatever_the_beams_only_allowed_identifiers_come_each_once_with_its_own_score(
    sequences: list[list[int]], rows: list[list[int]], beams: int, data: st.DataObject
) -> None:
    trie = Trie.build(sequences)
    sets = [sorted(data.draw(st.sets(st.integers(0, len(sequences) - 1), min_size=1))) for _ in rows]
    answers = search([trie.allowed(chosen) for chosen in sets], rows, beams, k=beams)
    for prompt, chosen, pairs in zip(rows, sets, answers, strict=True):
        scores = dict(exact(prompt, sequences, chosen))
        assert 1 <= len(pairs) <= beams and len(dict(pairs)) == len(pairs) and dict(pairs).keys() <= set(chosen)
        assert [score for _, score in pairs] == pytest.approx([scores[i] for i, _ in pairs], abs=1e-4)
        assert pairs == sorted(pairs, key=lambda pair: -pair[1])


@settings(deadline=None, max_examples=20)
@given(identifiers, prompts, st.integers(1, 4), st.data())
def test_a_batch_answers_as_its_prompts_would_alone_with_numpy_and_torch(
    sequences: list[list[int]], rows: list[list[int]], beams: int, data: st.DataObject
) -> None:
    trie = Trie.build(sequences)
    sets = [trie.allowed(data.draw(st.lists(st.integers(0, len(sequences) - 1), min_size=1))) for _ in rows]
    together = search(sets, rows, beams, k=beams)
    for prompt, allowed, pairs in zip(rows, sets, together, strict=True):
        (alone,) = search(allowed, [prompt], beams, k=beams)
        assert_same(pairs, alone)
    assert search([allowed.to("cpu") for allowed in sets], rows, beams, k=beams) == together


@settings(deadline=None, max_examples=20)
@given(identifiers, prompts, st.integers(1, 4), st.data())
def test_an_observer_sees_every_beginning_and_changes_no_answer(
    sequences: list[list[int]], rows: list[list[int]], beams: int, data: st.DataObject
) -> None:
    trie = Trie.build(sequences)
    sets = [sorted(data.draw(st.sets(st.integers(0, len(sequences) - 1), min_size=1))) for _ in rows]
    constraints, steps = [trie.allowed(chosen) for chosen in sets], list[BeamStep]()
    answers = beam_search(
        language_model(),
        *left_padded(rows),
        constraints,
        beams=beams,
        k=beams,
        end_token=END,
        observe=steps.append,
    )
    assert answers == search(constraints, rows, beams, k=beams)
    complete: list[dict[int, float]] = [{} for _ in rows]
    beginnings: list[list[int]] = [[] for _ in rows]
    for step in steps:
        for number, beginning in enumerate(beginnings):
            prompt, goes_on = int(step.prompts[number]), list[int]()
            for identifier in sets[prompt]:
                if sequences[identifier] == beginning:
                    assert int(step.ending[number]) == identifier
                    complete[prompt][identifier] = float(step.scores[number] + step.log_probs[number, END])
                elif sequences[identifier][: len(beginning)] == beginning:
                    goes_on.append(sequences[identifier][len(beginning)])
            assert [token for token in step.following[number].tolist() if token >= 0] == sorted(set(goes_on))
            assert step.log_probs[number].exp().sum() == pytest.approx(1, abs=1e-4)
        for prompt in set(step.prompts.tolist()):
            best = sorted(complete[prompt].values(), reverse=True)
            assert float(step.bound[prompt]) == (best[beams - 1] if len(best) >= beams else float("-inf"))
        kept = zip(step.kept.tolist(), step.tokens.tolist(), strict=True)
        beginnings = [[*beginnings[number], token] for number, token in kept]
    assert beginnings == []
    for pairs, scores in zip(answers, complete, strict=True):
        assert_same(pairs, sorted(scores.items(), key=lambda pair: -pair[1])[:beams])


@settings(deadline=None, max_examples=20)
@given(identifiers, prompts, st.data())
def test_generate_with_the_processor_finds_what_the_search_finds(
    sequences: list[list[int]], rows: list[list[int]], data: st.DataObject
) -> None:
    chosen = sorted(data.draw(st.sets(st.integers(0, len(sequences) - 1), min_size=1)))
    trie = Trie.build(sequences)
    input_ids, attention_mask = left_padded(rows)
    beams, k = ENOUGH, 4
    output = language_model().generate(
        input_ids=input_ids,
        attention_mask=attention_mask,
        logits_processor=[TrieLogitsProcessor(trie.allowed(chosen), input_ids.shape[1], END, beams)],
        num_beams=beams,
        num_return_sequences=k,
        length_penalty=0.0,
        do_sample=False,
        max_new_tokens=len(trie.largest) + 1,
        return_dict_in_generate=True,
        output_scores=True,
    )
    written = output.sequences[:, input_ids.shape[1] :].view(len(rows), k, -1).tolist()
    scores = output.sequences_scores.view(len(rows), k).tolist()
    for answer, row_scores, pairs in zip(written, scores, search(trie.allowed(chosen), rows, beams, k), strict=True):
        generated = [
            (trie.decode(tokens[: tokens.index(END)]), score)
            for tokens, score in zip(answer, row_scores, strict=True)
            if score > -1e8
        ]
        assert_same(generated, pairs)
        assert {identifier for identifier, _ in generated} <= set(chosen)


@pytest.mark.parametrize("on", ["numpy", "torch"])
@settings(deadline=None, max_examples=40)
@given(identifiers, st.integers(1, 3), st.integers(1, 4), st.integers(0, 2**32 - 1), st.data())
def test_rows_may_change_places_and_be_doubled_between_the_calls(
    on: str, sequences: list[list[int]], count: int, beams: int, seed: int, data: st.DataObject
) -> None:
    chosen = sorted(data.draw(st.sets(st.integers(0, len(sequences) - 1), min_size=1)))
    trie = Trie.build(sequences) if on == "numpy" else Trie.build(sequences).to("cpu")
    processor = TrieLogitsProcessor(trie.allowed(chosen), 2, END, beams)
    allowed = {(*sequences[i], END)[:length] for i in chosen for length in range(1, len(sequences[i]) + 2)}
    random = np.random.default_rng(seed)
    written: list[list[tuple[int, ...]]] = [[()] * beams for _ in range(count)]
    for _ in range(len(trie.largest) + 2):
        flat = [row for group in written for row in group]
        scores = torch.from_numpy(random.normal(size=(len(flat), VOCABULARY)))
        input_ids = torch.tensor([[PAD, FIRST, *row] for row in flat])
        result = processor(input_ids, scores)
        for row, before, after in zip(flat, scores, result, strict=True):
            over = END in row
            may = {END} if over else {t for t in range(VOCABULARY) if (*row, t) in allowed}
            kept = torch.isfinite(after)
            assert set(torch.nonzero(kept).flatten().tolist()) == may
            assert torch.equal(after[kept], before[kept])
        written = [
            [
                (*(parent := group[random.integers(beams)]), int(random.choice(following(parent, allowed))))
                for _ in range(beams)
            ]
            for group in written
        ]


def following(row: tuple[int, ...], allowed: set[tuple[int, ...]]) -> list[int]:
    """Tokens that may follow; after the end nothing counts, and padding comes."""
    return [PAD] if END in row else [t for t in range(VOCABULARY) if (*row, t) in allowed]


def test_a_row_that_left_the_trie_is_forbidden_everything_and_alone_it_is_an_error() -> None:
    trie = Trie.build([[2, 3], [4]])
    scores = torch.zeros(2, VOCABULARY)
    written = torch.tensor([[PAD, 2], [PAD, 5]])
    result = TrieLogitsProcessor(trie, 1, END, beams=2)(written, scores)
    assert torch.isfinite(result).nonzero().tolist() == [[0, 3]]
    with pytest.raises(GenretError, match="can be written any more"):
        TrieLogitsProcessor(trie, 1, END, beams=1)(written, scores)
    with pytest.raises(ValueError, match="3 beams"):
        TrieLogitsProcessor(trie, 1, END, beams=3)(written, scores)


def test_what_another_processor_rules_out_is_a_dead_end_and_no_free_choice() -> None:
    for sequences, written in (([[2, 3], [4]], [[PAD], [PAD]]), ([[2, 3], [4, 5]], [[PAD, 2], [PAD, 4]])):
        processor = TrieLogitsProcessor(Trie.build(sequences), 1, END, beams=2)
        for value in (float("-inf"), float("nan")):
            with pytest.raises(GenretError, match="rules out every token"):
                processor(torch.tensor(written), torch.full((2, VOCABULARY), value))


def test_a_prompt_that_is_complete_is_no_dead_end_while_others_go_on() -> None:
    processor = TrieLogitsProcessor(Trie.build([[2], [3, 4]]), 1, END)
    scores = torch.zeros(2, VOCABULARY)
    scores[0] = float("-inf")
    result = processor(torch.tensor([[PAD, 2, END], [PAD, 3, 4]]), scores)
    assert torch.isfinite(result).nonzero().tolist() == [[1, END]]


def test_nothing_allowed_is_an_error() -> None:
    with pytest.raises(GenretError, match="no identifier is allowed"):
        search(Trie.build([]), [[2]])
    with pytest.raises(GenretError, match="no identifier is allowed"):
        TrieLogitsProcessor(Trie.build([]), 1, END)
    trie = Trie.build([[2]])
    with pytest.raises(ValueError, match="at least one"):
        trie.allowed([])


@pytest.mark.parametrize(("sequences", "fault"), [([[2], [3, VOCABULARY]], "vocabulary"), ([[2, END]], "ends them")])
def test_identifiers_of_another_model_are_refused(sequences: list[list[int]], fault: str) -> None:
    trie = Trie.build(sequences)
    with pytest.raises(GenretError, match=fault):
        search(trie, [[2]])
    with pytest.raises(GenretError, match=fault):
        processor = TrieLogitsProcessor(trie, 1, END)
        processor(torch.tensor([[PAD, 2]]), torch.zeros(1, VOCABULARY))


def test_an_end_token_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(GenretError, match="end token"):
        beam_search(language_model(), *left_padded([[2]]), Trie.build([[2]]), beams=1, k=1, end_token=VOCABULARY)


def test_prompts_padded_on_the_right_are_refused() -> None:
    tokens, mask = left_padded([[2, 3], [4]])
    with pytest.raises(GenretError, match="on the left"):
        beam_search(language_model(), tokens.flip(1), mask.flip(1), Trie.build([[2]]), beams=1, k=1, end_token=END)


def test_searches_that_make_no_sense_are_refused() -> None:
    trie = Trie.build([[2]])
    for beams, k in ((1, 2), (1, 0)):
        with pytest.raises(ValueError, match="number of beams"):
            search(trie, [[2]], beams, k)
    with pytest.raises(ValueError, match="2 constraints"):
        search([trie, trie], [[2]])
    model = language_model()
    model.train()
    try:
        with pytest.raises(ValueError, match="eval"):
            search(trie, [[2]])
    finally:
        model.eval()


def test_a_model_that_computes_no_numbers_or_leaves_no_chance_is_an_error() -> None:
    model, trie = language_model(), Trie.build([[2], [3]])
    for value, fault in ((float("nan"), "not numbers"), (float("-inf"), "any probability")):
        bias = torch.zeros(VOCABULARY)
        bias[[2, 3]] = value
        hook = model.lm_head.register_forward_hook(lambda *call, bias=bias: call[2] + bias)
        try:
            with pytest.raises(GenretError, match=fault):
                search(trie, [[2]])
        finally:
            hook.remove()
