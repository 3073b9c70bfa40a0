"""The registry of docids: append-only, never renumbers, never reuses."""

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genret_ops.errors import GenretError
from genret_ops.identifiers.docids import assign, forget, same_docids
from genret_ops.records import SCHEMAS

Passages = list[tuple[str, str, str]]
passage = st.sampled_from("abcdefgh").map(lambda name: (name, f"words about {name * 3} and goals", "A title"))
deltas = st.lists(st.lists(passage, max_size=8), min_size=1, max_size=5)


def grow(deltas: list[Passages]) -> list[pa.Table]:
    """The registry after each delta."""
    tables: list[pa.Table] = []
    for number, passages in enumerate(deltas):
        new = assign(tables[-1] if tables else None, passages, f"delta-{number:05}")
        tables.append(pa.concat_tables([tables[-1], new]) if tables else new)
    return tables


@settings(max_examples=50, deadline=None)
@given(deltas)
def test_no_delta_renumbers_or_reuses(deltas: list[Passages]) -> None:
    tables = grow(deltas)
    for before, after in pairwise(tables):
        assert after.slice(0, before.num_rows).equals(before)
    last = tables[-1]
    assert last.schema.equals(SCHEMAS["docids"])
    assert last["docid"].to_pylist() == list(range(last.num_rows))
    assert last["passage_id"].to_pylist() == list(dict.fromkeys(p for delta in deltas for p, _, _ in delta))
    assert len(set(last["label"].to_pylist())) == last.num_rows
    born = {p: f"delta-{i:05}" for i in reversed(range(len(deltas))) for p, _, _ in deltas[i]}
    assert dict(zip(last["passage_id"].to_pylist(), last["delta"].to_pylist(), strict=True)) == born


@settings(max_examples=25, deadline=None)
@given(deltas)
def test_the_same_deltas_give_the_same_registry(deltas: list[Passages]) -> None:
    assert grow(deltas)[-1].equals(grow(deltas)[-1])


def test_numbers_go_on_from_the_highest_whatever_the_order_and_gaps() -> None:
    existing = pa.table(
        {"docid": [9, 2], "passage_id": ["x", "y"], "label": ["goal", "match"], "delta": ["delta-00000"] * 2},
        schema=SCHEMAS["docids"],
    )
    new = assign(existing, [("z", "goal", ""), ("x", "goal", ""), ("z", "other", "")], "delta-00001")
    assert new.to_pylist() == [{"docid": 10, "passage_id": "z", "label": "goal-2", "delta": "delta-00001"}]


def test_nothing_new_gives_no_row() -> None:
    first = assign(None, [("a", "goal", "")], "delta-00000")
    again = assign(first, [("a", "goal", "")], "delta-00001")
    assert again.num_rows == 0 and again.schema.equals(SCHEMAS["docids"])
    assert assign(None, [], "delta-00000").num_rows == 0


@pytest.mark.parametrize("column", ["docid", "passage_id", "label"])
def test_a_registry_that_contradicts_itself_is_refused(column: str) -> None:
    rows = assign(None, [("a", "goal", ""), ("b", "match", "")], "delta-00000").to_pylist()
    rows[1][column] = rows[0][column]
    with pytest.raises(GenretError, match=column):
        assign(pa.Table.from_pylist(rows, schema=SCHEMAS["docids"]), [("c", "match", "")], "delta-00001")


def test_what_is_forgotten_leaves_its_number_alone_and_comes_back_under_another() -> None:
    passages = [(name, f"words about {name * 3} and goals", "A title") for name in ("aa", "bb", "cc")]
    (table,) = grow([passages])
    left = forget(table, {"aa", "cc"})
    assert left["docid"].to_pylist() == [0, 1, 2] and left.schema.equals(table.schema)
    assert left.take([0, 2]).equals(table.take([0, 2]))
    assert left["passage_id"][1].as_py() == left["label"][1].as_py() == "erased-1"
    assert forget(left, {"aa", "cc"}).equals(left)
    again = assign(left, passages, "delta-00001")
    assert again["passage_id"].to_pylist() == ["bb"] and again["docid"].to_pylist() == [3]


def test_docids_are_the_same_but_for_what_was_forgotten_since() -> None:
    assert same_docids(["aa", "bb"], ["aa", "bb"]) and same_docids(["aa", "bb"], ["aa", "erased-1"])
    assert not same_docids(["aa", "bb"], ["bb", "aa"]) and not same_docids(["aa", "bb"], ["aa"])
    assert not same_docids(["aa", "erased-1"], ["aa", "bb"])
