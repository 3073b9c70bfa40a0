"""The trace of a search says what was written, what could have been, and what the model wanted and may not write."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from genret_ops.evaluation.decoding_trace import CROWDED_OUT, HOPELESS, KEPT, DecodingTrace, trace
from genret_ops.modeling.causal.model import CausalModel, WritableDocids
from genret_ops.settings import CausalSettings
from tests.support.tiny_causal import TinyCorpus, write_tiny_model

CORPUS = TinyCorpus.of(60)
QUERY = "baker kettle spring"
Traced = Callable[[Sequence[int], int], DecodingTrace]


@pytest.fixture(scope="module")
def folder(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    return made_once("tiny-causal", write_tiny_model)


@pytest.fixture(scope="module")
def model(folder: Path) -> CausalModel:
    return CausalModel.load(CausalSettings(model=str(folder), prompt_tokens=32))


@pytest.fixture(scope="module")
def writable(folder: Path) -> WritableDocids:
    return WritableDocids.of(CORPUS.identifiers(folder))


@pytest.fixture(scope="module")
def traced(model: CausalModel, writable: WritableDocids) -> Traced:
    return lambda allowed, beams: trace(model, QUERY, writable, np.array(allowed), beams, beams)


def test_the_answer_is_that_of_a_search_that_nobody_watches(
    model: CausalModel, writable: WritableDocids, traced: Traced
) -> None:
    everything = np.arange(len(CORPUS.words))
    (answer,) = model.generate([QUERY], writable, everything, 4, 4)
    seen = traced(everything.tolist(), 4)
    assert list(seen.answer) == answer
    assert (seen.identifiers, seen.allowed, seen.beams) == (60, 60, 4)


def test_each_step_goes_on_with_what_the_one_before_kept(traced: Traced) -> None:
    seen = traced(range(60), 4)
    assert [beginning.text for beginning in seen.steps[0]] == [""]
    for before, after in zip(seen.steps, seen.steps[1:], strict=False):
        kept = [
            (beginning.probability * token.probability, place, token.text)
            for place, beginning in enumerate(before)
            for token in beginning.following
            if token.fate == KEPT
        ]
        assert len(after) == len(kept) <= 4
        parents = [before[beginning.parent] for beginning in after]
        grown = [
            (beginning.probability, beginning.parent, beginning.text.removeprefix(parent.text))
            for beginning, parent in zip(after, parents, strict=True)
        ]
        for (probability, *written), (expected, *continued) in zip(sorted(grown), sorted(kept), strict=True):
            assert written == continued
            assert probability == pytest.approx(expected, rel=1e-4)
    assert not any(token.fate == KEPT for beginning in seen.steps[-1] for token in beginning.following)


def test_what_is_written_to_its_end_is_the_identifier_of_a_docid(traced: Traced) -> None:
    seen = traced(range(60), 4)
    complete = {
        beginning.completes: (beginning.text.split(), beginning.probability * beginning.end_probability)
        for step in seen.steps
        for beginning in step
        if beginning.completes is not None
    }
    assert complete.keys() >= dict(seen.answer).keys()
    for docid, score in seen.answer:
        words, probability = complete[docid]
        assert words == list(CORPUS.words[docid])
        assert probability == pytest.approx(np.exp(score), rel=1e-4)


def test_every_token_is_allowed_closed_or_dead(traced: Traced) -> None:
    baker = [docid for docid, words in enumerate(CORPUS.words) if words[0] == "baker"]
    for allowed in (list(range(60)), baker):
        for step in traced(allowed, 3).steps:
            for beginning in step:
                open_now = sum(token.probability for token in beginning.following)
                open_now += beginning.end_probability if beginning.completes is not None else 0
                assert open_now + beginning.dead.probability + beginning.closed.probability == pytest.approx(
                    1, abs=1e-5
                )


def test_without_a_filter_nothing_is_closed_and_a_filter_closes_what_identifiers_go_on_with(traced: Traced) -> None:
    free, filtered = traced(range(60), 4), traced([3, 5], 4)
    assert all(beginning.closed.probability == 0 for step in free.steps for beginning in step)
    (start,) = filtered.steps[0]
    assert {token.text for token in start.following} == {CORPUS.words[3][0], CORPUS.words[5][0]}
    firsts = {words[0] for words in CORPUS.words}
    assert len(start.closed.likeliest) == 3 and {token.text for token in start.closed.likeliest} <= firsts
    assert not {token.text for token in start.dead.likeliest} & firsts
    assert start.dead.likeliest == free.steps[0][0].dead.likeliest
    assert {docid for docid, _ in filtered.answer} == {3, 5}
    assert (filtered.identifiers, filtered.allowed) == (60, 2)


def test_an_end_where_no_identifier_ends_is_dead_and_the_likeliest_dead_tokens_come_first(traced: Traced) -> None:
    for beginning in traced(range(60), 2).steps[1]:
        assert beginning.completes is None
        assert beginning.dead.probability > beginning.end_probability > 0
        shares = [token.probability for token in beginning.dead.likeliest]
        assert shares == sorted(shares, reverse=True)
        assert any(token.ends for token in beginning.dead.likeliest) == (beginning.end_probability >= shares[-1])


def test_what_is_crowded_out_was_less_probable_than_all_that_stays(traced: Traced) -> None:
    fates = set[str]()
    for step in traced(range(60), 2).steps:
        totals: dict[str, list[float]] = {KEPT: [], CROWDED_OUT: [], HOPELESS: []}
        for beginning in step:
            for token in beginning.following:
                totals[token.fate].append(beginning.probability * token.probability)
        fates |= {fate for fate, values in totals.items() if values}
        assert not totals[CROWDED_OUT] or max(totals[CROWDED_OUT]) <= min(totals[KEPT]) * (1 + 1e-4)
    assert fates == {KEPT, CROWDED_OUT}  # identifiers of one length are complete together: none is hopeless before


def test_what_cannot_beat_complete_identifiers_is_hopeless(model: CausalModel, folder: Path) -> None:
    short = [(who,) for who in ("baker", "sailor", "miller", "tailor", "hunter", "doctor")]
    writable = WritableDocids.of(
        TinyCorpus([*short, *((*word, "near", "castle") for word in short)]).identifiers(folder)
    )
    seen = trace(model, QUERY, writable, np.arange(12), beams=6, k=1)
    best, fates = 0.0, set[str]()
    for step in seen.steps:
        complete = (b.probability * b.end_probability for b in step if b.completes is not None)
        best = max(best, *complete, 0.0)
        for beginning in step:
            for token in beginning.following:
                fates.add(token.fate)
                total = beginning.probability * token.probability
                assert total <= best * (1 + 1e-4) if token.fate == HOPELESS else total >= best * (1 - 1e-4)
    assert fates == {KEPT, HOPELESS}
