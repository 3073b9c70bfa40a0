"""The suites of a build: good data holds, and each expectation is broken by data that breaks it and nothing else."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from genret_ops.records import PreferencePair, SyntheticQuery, to_arrow
from genret_ops.storage.check_results import Finding
from genret_ops.training.hard_negatives import row_similarity
from tests.support.small_head import head_of
from validations.runner import validate
from validations.suites import evaluation, preferences, queries

LONG = " ".join(f"word{number}" for number in range(40)) + "."
HEAD = head_of(
    {
        "tea.md": ("Tea", {"team": "Red Team"}, [["Leaves and water.", "Both are hot."], [LONG]]),
        "cup.md": ("Cups", {"team": "Blue Team"}, [["A cup has a handle."]]),
        "pot.md": ("Pots", {"team": "Blue Team"}, [["A pot has a lid."]]),
    },
    gone=["It has left."],
)
TEA, LONG_TEA, CUP, POT, GONE = (passage.passage_id for passage in HEAD.passages)
HELDOUT = np.array([False, False, False, True, False])
RED_TEAM, HOT = {"team": "Red Team"}, ("Both are hot.",)
QUERIES = [
    SyntheticQuery("hot leaves, says the Red Team", "constraint", (TEA,), "train", "x", 0, HOT, RED_TEAM),
    SyntheticQuery("handle of a cup", "sentence", (CUP,), "train", "x", 0),
    SyntheticQuery("fresh leaves in a cup, and also its handle", "multihop", (TEA, CUP), "hard", "x", 0),
    SyntheticQuery(LONG, "context", (LONG_TEA,), "train", "x", 0),
    SyntheticQuery("lid of a pot", "chunk", (POT,), "gate", "x", 0, ("A pot has a lid.",)),
]
ROWS = [json.dumps(dict(query.constraints)) for query in QUERIES]


def failed(findings: Sequence[Finding]) -> set[str]:
    return {finding.name for finding in findings if not finding.passed}


def of_queries(rows: Sequence[SyntheticQuery], constraints: Sequence[str] | None = None) -> list[Finding]:
    """The findings about queries, whose `constraints` may be given as they are stored."""
    table = to_arrow("queries", rows, delta="delta-00000")
    if constraints is not None:
        column = pa.array(constraints, pa.string())
        table = table.set_column(table.schema.get_field_index("constraints"), "constraints", column)
    frame = queries.frame(table, HEAD, HELDOUT, HEAD.live & ~HELDOUT)
    return list(validate(frame, queries.suite(), queries.KEY, queries.figures(frame)).findings)


RED, CUPS, BOTH, WHOLE, HELD = QUERIES
PAIRS = [PreferencePair(QUERIES[2].text, TEA, POT, 0), PreferencePair(QUERIES[2].text, CUP, POT, 9)]
APART = np.eye(len(HEAD), 8, dtype=np.float32)
"""Body rows of which no two are near-duplicates."""


def of_pairs(rows: Sequence[PreferencePair], bodies: np.ndarray = APART) -> list[Finding]:
    """The findings about pairs that were mined with the query `BOTH`."""
    frame = preferences.frame(to_arrow("pairs", rows, delta="delta-00000"), [BOTH], HEAD, row_similarity(bodies))
    return list(validate(frame, preferences.suite(), preferences.KEY, preferences.figures(frame)).findings)


MANY = head_of({f"{number}.md": ("", {}, [[f"Text of number {number}."]]) for number in range(9)})
QUESTIONS = [
    SyntheticQuery(f"number {number} of the texts", "sentence", (passage.passage_id,), split, "x", 0)
    for split, number, passage in zip(
        ["train"] * 3 + ["tuning"] * 3 + ["gate"] * 3, range(9), MANY.passages, strict=True
    )
]
WITHHELD = np.array([False] * 3 + [True] * 6)
FUSIONS = {name: {"weights": {"one": 0.5, "other": -2.0}} for name in ("fusion", "lexical_fusion")}
TUNED = {"mrr": {"hybrid": 0.5, "lexical": 0.25}, **FUSIONS}


def of_evaluation(rows: Sequence[SyntheticQuery], tuned: Mapping[str, Any] = TUNED) -> list[Finding]:
    """The findings about an evaluation of `MANY`, of which the first three passages are trained on."""
    frame = evaluation.frame(rows, MANY, WITHHELD, tuned)
    return list(validate(frame, evaluation.suite(), evaluation.KEY, evaluation.figures(frame, tuned)).findings)


def test_good_data_holds() -> None:
    for findings in (of_queries(QUERIES), of_pairs(PAIRS), of_evaluation(QUESTIONS)):
        assert failed(findings) == set()
        assert {finding.critical for finding in findings} == {True, False}
        assert len({finding.name for finding in findings}) == len(findings)


def test_empty_tables_fail_where_something_must_be() -> None:
    assert "the queries table is not empty" in failed(of_queries([]))
    assert "the evaluation table is not empty" in failed(of_evaluation([]))
    first, *_ = of_pairs([])
    assert (first.passed, first.observed) == (True, 0)
    assert first.name.startswith(
        "the preferences table may be empty, since a model that ranks every right passage first"
    )
    assert failed(of_pairs([])) == set()


MANY_CUPS = [replace(CUPS, text=f"handle of cup {number}") for number in range(20)]
LEAK = "training queries ask for no held-out passage, all others only for those"
HOPS = "multi-hop queries ask for several documents, all others for one passage"
LENGTH = "at most 10 % of the queries are too short or too long for their kind"
LETTERS = "at most 10 % of the queries are written in letters that are not Latin"
OF_QUERIES: list[tuple[str, list[SyntheticQuery]]] = [
    ("every query has words", [replace(CUPS, text=" ?! - ...")]),
    ("every query has at most 200 words", [*MANY_CUPS, replace(CUPS, text="a cup " * 101)]),
    ("every query is of a known kind", [replace(CUPS, kind="riddle")]),
    ("every query is in a known split", [replace(HELD, split="later")]),
    ("no query is a copy of its passage", [replace(WHOLE, kind="chunk", text=LONG.upper())]),
    ("every positive is a live passage", [replace(CUPS, positives=(CUP, GONE))]),
    ("every positive is a live passage", [replace(CUPS, positives=(CUP, "0" * 32))]),
    ("every positive is a live passage", [replace(CUPS, positives=())]),
    (HOPS, [replace(CUPS, positives=(CUP, TEA))]),
    (HOPS, [replace(BOTH, positives=(TEA, LONG_TEA))]),
    (HOPS, [replace(BOTH, positives=(TEA,))]),
    (LEAK, [replace(BOTH, positives=(CUP, POT))]),
    (LEAK, [replace(CUPS, split="tuning")]),
    ("every withheld sentence is from a positive", [replace(CUPS, withheld=("A pot has a lid.",))]),
    ("every constraint is true of a document with a positive", [replace(RED, positives=(CUP,), withheld=())]),
    ("every constraint is true of a document with a positive", [replace(RED, constraints={"colour": "Red Team"})]),
    ("every query names its constraints", [replace(RED, text="hot leaves, says nobody")]),
    (LENGTH, [*MANY_CUPS, *(replace(CUPS, text=f"cup {number}") for number in range(4))]),
    (LENGTH, [*MANY_CUPS, *(replace(CUPS, text=f"cup {number} " * 21) for number in range(4))]),
    (LETTERS, [*MANY_CUPS, *(replace(CUPS, text=f"η λαβή του φλιτζανιού {number}") for number in range(4))]),
    ("at least 80 % of the queries are distinct", [CUPS] * 3),
    ("training queries ask for every passage that is to be learned", []),
]


@pytest.mark.parametrize(("name", "rows"), OF_QUERIES)
def test_queries(name: str, rows: list[SyntheticQuery]) -> None:
    """A case that adds no query leaves one out."""
    assert failed(of_queries([*QUERIES, *rows] if rows else [RED, BOTH, WHOLE, HELD])) == {name}


@pytest.mark.parametrize("stored", ["{", "[]", '"team"'])
def test_constraints_are_a_json_object(stored: str) -> None:
    assert failed(of_queries(QUERIES, [*ROWS[:-1], stored])) == {
        "every constraint is true of a document with a positive"
    }


@pytest.mark.parametrize(("names", "fault"), [(24, ""), (31, "its whole passage")])
def test_a_dotted_name_is_a_word_of_a_copied_passage(names: int, fault: str) -> None:
    """A generator takes up to 24 words in a row, and a short passage may have no more."""
    text = " ".join(f"os.path.name_{number}" for number in range(names))
    head = head_of({"names": ("", {}, [[text]])})
    copy = text.replace(".", " ")
    query = SyntheticQuery(copy, "chunk", (head.passages[0].passage_id,), "train", "x", 0)
    table = to_arrow("queries", [query], delta="delta-00000")
    frame = queries.frame(table, head, np.zeros(1, dtype=bool), head.live)
    assert frame["copy_fault"].tolist() == [fault]


def test_what_a_generator_may_do_now_and_then_is_tolerated() -> None:
    odd = [replace(CUPS, text="cup 1"), replace(CUPS, text="η λαβή του φλιτζανιού"), CUPS]
    assert failed(of_queries([*QUERIES, *MANY_CUPS, *odd])) == set()


def test_what_no_training_query_asks_for_is_told_as_a_share() -> None:
    (finding,) = [finding for finding in of_queries([RED, WHOLE, HELD, BOTH]) if not finding.passed]
    assert not finding.critical and finding.observed == pytest.approx(2 / 3)
    assert finding.message.endswith("(66.67 % measured)")


OF_PAIRS: list[tuple[str, list[PreferencePair], np.ndarray]] = [
    ("every pair belongs to a query", [PAIRS[1], replace(PAIRS[0], query="never asked")], APART),
    ("both passages of every pair are live", [PAIRS[1], replace(PAIRS[0], rejected=GONE)], APART),
    ("every chosen passage answers its query", [PAIRS[1], replace(PAIRS[0], chosen=LONG_TEA)], APART),
    ("no rejected passage answers its query", [PAIRS[1], replace(PAIRS[0], rejected=CUP)], APART),
    (
        "the two passages of every pair are in different documents",
        [PAIRS[1], replace(PAIRS[0], rejected=LONG_TEA)],
        APART,
    ),
    ("no pair has two near-duplicates", PAIRS, np.ones((len(HEAD), 1), dtype=np.float16)),
    (
        "every rejected passage ranks among the first 10, above the chosen one",
        [PAIRS[1], replace(PAIRS[0], rank=10)],
        APART,
    ),
    (
        "every rejected passage ranks among the first 10, above the chosen one",
        [PAIRS[1], replace(PAIRS[0], rank=-1)],
        APART,
    ),
    ("at least 90 % of the pairs occur only once", PAIRS * 2, APART),
]


@pytest.mark.parametrize(("name", "rows", "bodies"), OF_PAIRS)
def test_pairs(name: str, rows: list[PreferencePair], bodies: np.ndarray) -> None:
    assert failed(of_pairs(rows, bodies)) == {name}


def fusion_of(weight: float) -> dict[str, Any]:
    return {**TUNED, "lexical_fusion": {"weights": {"one": weight}}}


OF_EVALUATION: list[tuple[str, list[SyntheticQuery], Mapping[str, Any]]] = [
    ("every positive is a live passage", [replace(QUESTIONS[-1], text="new", positives=("0" * 32,))], TUNED),
    ("every positive is a live passage", [replace(QUESTIONS[-1], text="new", positives=())], TUNED),
    (
        "every positive is held out from training",
        [replace(QUESTIONS[-1], text="new", positives=QUESTIONS[0].positives)],
        TUNED,
    ),
    (
        "at most 5 % of the questions have the same words as a training query",
        [replace(QUESTIONS[0], text=f"{QUESTIONS[-1].text.upper()}?")],
        TUNED,
    ),
    ("every score is a number from 0 to 1", [], {**TUNED, "mrr": {"hybrid": 0.5, "lexical": math.nan}}),
    ("every score is a number from 0 to 1", [], {**TUNED, "mrr": {"hybrid": 1.01}}),
    ("every fusion weight is a finite number", [], fusion_of(math.inf)),
    ("at least 90 % of the questions are distinct", [QUESTIONS[-1]] * 2, TUNED),
]


@pytest.mark.parametrize(("name", "rows", "tuned"), OF_EVALUATION)
def test_evaluation(name: str, rows: list[SyntheticQuery], tuned: Mapping[str, Any]) -> None:
    assert failed(of_evaluation([*QUESTIONS, *rows], tuned)) == {name}


SPLITS = "the questions come from 2 splits, tuning and gate"
FEW = "the questions are about at least 6 documents"


def test_an_evaluation_needs_questions_of_both_kinds_and_about_enough_documents() -> None:
    findings = {finding.name: finding for finding in of_evaluation(QUESTIONS[:6])}
    assert failed(findings.values()) == {SPLITS, FEW}
    assert findings[SPLITS].critical and not findings[FEW].critical
    assert (findings[SPLITS].observed, findings[FEW].observed) == (1, 3)
    assert failed(of_evaluation([*QUESTIONS[:5], *QUESTIONS[6:]])) == {FEW}


def test_every_expectation_is_broken_by_something() -> None:
    cases = {
        "queries": (of_queries(QUERIES), {name for name, *_ in OF_QUERIES}),
        "preferences": (of_pairs(PAIRS), {name for name, *_ in OF_PAIRS}),
        "evaluation": (of_evaluation(QUESTIONS), {SPLITS, FEW, *(name for name, *_ in OF_EVALUATION)}),
    }
    for table, (findings, broken) in cases.items():
        _, *expectations = findings  # the first counts the rows, and has a test of its own
        assert {finding.name for finding in expectations} == broken, table


def test_a_passage_that_two_documents_share_may_be_joined_with_a_passage_of_one_of_them() -> None:
    head = head_of({"a.md": ("", {}, [["Both say this."]]), "b.md": ("", {}, [["Both say this."], ["One says that."]])})
    shared, single = (passage.passage_id for passage in head.passages)
    row = SyntheticQuery("what both say and what one says", "multihop", (shared, single), "train", "x", 0)
    held = np.zeros(len(head), dtype=bool)
    frame = queries.frame(to_arrow("queries", [row], delta="delta-00000"), head, held, head.live)
    assert list(frame["hops_fault"]) == [""]
