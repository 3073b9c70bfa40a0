"""Searches answered together: each gets what it gets alone, whatever the others are, and nothing unread is computed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genret_ops.lexical.bm25 import tokenize
from genret_ops.lexical.index import LexicalIndex
from genret_ops.modeling.encoder import Encoder
from genret_ops.records import MODES
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.retrieval.ranking import candidates
from genret_ops.retrieval.retriever import Answer, Retriever, Search

QUERIES = (
    "where do visitors park",
    "according to Red Team, how is toner changed",
    "bees",
    "the archive in Lisbon " * 9,
)
searches = st.tuples(
    st.sampled_from(QUERIES),
    st.integers(1, 20),
    st.sampled_from(MODES),
    st.sampled_from([{}, {"team": "Red Team"}, {"team": "nobody"}]),
)


@pytest.fixture(scope="module")
def retriever(small_home: Path) -> Retriever:
    return open_release(Home(small_home))[1]


def same(ours: Answer, theirs: Answer) -> None:
    assert [hit.docid for hit in ours.hits] == [hit.docid for hit in theirs.hits]
    np.testing.assert_allclose([hit.score for hit in ours.hits], [hit.score for hit in theirs.hits], atol=1e-5)
    assert [list(hit.found_by) for hit in ours.hits] == [list(hit.found_by) for hit in theirs.hits]
    assert (ours.mode, ours.plan) == (theirs.mode, theirs.plan)


@settings(max_examples=20)
@given(batch=st.lists(searches, min_size=1, max_size=6))
def test_a_search_in_a_batch_is_answered_as_alone(
    retriever: Retriever, batch: list[tuple[str, int, str, dict[str, str]]]
) -> None:
    together = retriever.answer([retriever.plan(*arguments) for arguments in batch])
    for arguments, answer in zip(batch, together, strict=True):
        same(answer, retriever.search(*arguments))


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("mode", ["generative", "lexical"])
def test_what_a_mode_does_not_read_changes_nothing(retriever: Retriever, mode: str, query: str) -> None:
    """The same candidates, made with all scores as hybrid makes them, are ranked the same."""
    search = retriever.plan(query, 10, mode)
    index, model = retriever.index, retriever.model
    vectors = model.encoder.encode(search.plan.texts)
    scores = index.scores(search.plan.texts, model.scorer.scores(vectors))
    filtered = index.filtered({}, retriever.live())
    clauses = candidates(index, model, search.plan, scores, vectors, filtered, index.pool)
    full = retriever.ranked(clauses, mode, 10)
    (answer,) = retriever.answer([search])
    assert [hit.docid for hit in answer.hits] == [item.docid for item in full]
    np.testing.assert_allclose([hit.score for hit in answer.hits], [item.score for item in full], atol=1e-5)
    for hit, item in zip(answer.hits, full, strict=True):
        assert {name: rank for name, (rank, _) in hit.found_by.items()} == {
            name: rank for name, (rank, _) in item.found_by.items()
        }


def test_nothing_unread_is_computed(retriever: Retriever, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded, scored = list[str](), list[Sequence[str]]()
    encode, score = Encoder.encode, LexicalIndex.scores
    monkeypatch.setattr(Encoder, "encode", lambda self, texts: (encoded.extend(texts), encode(self, texts))[1])
    monkeypatch.setattr(LexicalIndex, "scores", lambda self, words: (scored.append(words), score(self, words))[1])
    monkeypatch.setattr(LexicalIndex, "shared_words", lambda self, words, *others: scored.append(words))
    planned: list[Search] = [retriever.plan(QUERIES[0], 5, mode) for mode in ("generative", "dense", "generative")]
    retriever.answer(planned)
    assert (encoded, scored) == ([QUERIES[0]], [])
    encoded.clear()
    monkeypatch.undo()
    monkeypatch.setattr(Encoder, "encode", lambda self, texts: (encoded.extend(texts), encode(self, texts))[1])
    monkeypatch.setattr(LexicalIndex, "scores", lambda self, words: (scored.append(words), score(self, words))[1])
    retriever.search(QUERIES[0], 5, "lexical")
    assert (encoded, scored) == ([], tokenize([planned[0].plan.text]))
