"""Keyword identifiers: unique as tokens, made the same way each time, and never moved by what comes later."""

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genret_ops.errors import GenretError
from genret_ops.identifiers import slugs
from genret_ops.identifiers.keywords import assign
from genret_ops.identifiers.written import SCHEMA, forget, spelt, trie_of

keyword = st.sampled_from(["jury", "Jury", "trial", " trial ", "witness, first", "FTX", "Café", "cafe\u0301", "2"])
passages = st.lists(st.tuples(st.integers(0, 30), st.lists(keyword, min_size=1, max_size=4)), max_size=12)


def tokenize(text: str) -> list[int]:
    """A token for each character, blind to case: different texts may be spelled alike."""
    return [ord(character) for character in text.lower()]


def grow(deltas: list[list[tuple[int, list[str]]]], most: int = 2) -> list[pa.Table]:
    """The table after each delta."""
    tables: list[pa.Table] = [SCHEMA.empty_table()]
    for number, delta in enumerate(deltas):
        new = assign(tables[-1], delta, f"delta-{number:05}", tokenize, most)
        tables.append(pa.concat_tables([tables[-1], new]))
    return tables


@settings(deadline=None)
@given(st.lists(passages, max_size=4))
def test_identifiers_are_unique_and_no_delta_moves_any(deltas: list[list[tuple[int, list[str]]]]) -> None:
    tables = grow(deltas)
    for before, after in pairwise(tables):
        assert after.slice(0, before.num_rows).equals(before)
    last = tables[-1]
    assert last.schema.equals(SCHEMA)
    assert last["docid"].to_pylist() == list(dict.fromkeys(docid for delta in deltas for docid, _ in delta))
    sequences = list(spelt(last))
    assert len(set(sequences)) == last.num_rows
    assert sequences == [tuple(tokenize(text)) for text in last["identifier"].to_pylist()]
    assert grow(deltas)[-1].equals(last)
    trie, docids = trie_of(last)
    assert [docids[trie.decode(sequence)] for sequence in sequences] == last["docid"].to_pylist()


@pytest.mark.parametrize(
    ("lists", "identifiers"),
    [
        ([["jury", "trial", "FTX"]], ["jury, trial"]),
        ([["jury"], ["jury"], ["Jury"]], ["jury", "jury, 2", "Jury, 3"]),
        ([["jury", "trial"], ["jury", "trial", "FTX", "bail"]], ["jury, trial", "jury, trial, FTX"]),
        ([["jury", "2"], ["jury"], ["jury"]], ["jury, 2", "jury", "jury, 3"]),
        ([["jury", "JURY", " ", "trial"]], ["jury, trial"]),
        ([["witness,  first"]], ["witness first"]),
        ([["cafe\u0301"], ["caf\u00e9"]], ["caf\u00e9", "caf\u00e9, 2"]),
    ],
)
def test_what_tells_passages_apart(lists: list[list[str]], identifiers: list[str]) -> None:
    rows = assign(None, list(enumerate(lists)), "delta-00000", tokenize, most=2)
    assert rows["identifier"].to_pylist() == identifiers


def test_extractive_keywords_have_spare_ones_for_passages_that_are_alike() -> None:
    texts = ["The jury heard the first witness, and the judge spoke.", "The jury heard the first witness, and left."]
    lists = slugs.keywords(texts, ["", ""], words=2, spare=4)
    assert all(len(words) > 2 for words in lists)
    assert [words[:2] for words in lists] == slugs.keywords(texts, ["", ""], words=2)
    rows = assign(None, list(enumerate(lists)), "delta-00000", tokenize, most=2)
    assert rows["identifier"].to_pylist() == [", ".join(words[:2]) for words in lists]


def test_many_equal_lists_cost_little() -> None:
    calls = list[str]()

    def counted(text: str) -> list[int]:
        calls.append(text)
        return tokenize(text)

    rows = assign(None, [(docid, ["jury"]) for docid in range(2000)], "delta-00000", counted)
    assert rows["identifier"][-1].as_py() == "jury, 2000" and len(calls) < 5000


def test_a_passage_without_keywords_and_a_tokenizer_that_sees_nothing_are_refused() -> None:
    with pytest.raises(GenretError, match="docid 4 has no keywords"):
        assign(None, [(4, ["", " , "])], "delta-00000", tokenize)
    for blind in (lambda text: [], lambda text: [7]):
        with pytest.raises(GenretError, match="does not tell"):
            assign(None, [(0, ["jury"]), (1, ["trial"])], "delta-00000", blind)
    with pytest.raises(ValueError, match="at least one keyword"):
        assign(None, [], "delta-00000", tokenize, most=0)


def test_a_table_that_contradicts_itself_is_refused() -> None:
    rows = assign(None, [(0, ["jury"]), (1, ["trial"])], "delta-00000", tokenize).to_pylist()
    for column, fault in (("docid", "docid twice"), ("tokens", "alike")):
        twice = [rows[0], rows[1] | {column: rows[0][column]}]
        with pytest.raises(GenretError, match=fault):
            assign(pa.Table.from_pylist(twice, schema=SCHEMA), [], "delta-00001", tokenize)


def test_of_an_erased_passage_only_its_number_stays() -> None:
    (_, table) = grow([[(0, ["jury"]), (1, ["trial"]), (2, ["bail"])]])
    left = forget(table, {1})
    assert left.schema.equals(SCHEMA) and left.take([0, 2]).equals(table.take([0, 2]))
    assert left.slice(1, 1).to_pylist() == [
        {"docid": 1, "identifier": "erased-1", "tokens": [], "delta": "delta-00000"}
    ]
    assert forget(left, {1}).equals(left)
    trie, docids = trie_of(left)
    assert docids.tolist() == [0, 2] and trie.decode(tokenize("trial")) == -1
    assert assign(left, [(1, ["trial"])], "delta-00001", tokenize).num_rows == 0
