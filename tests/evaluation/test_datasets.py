"""A benchmark in BEIR layout: what is read, what is left out, and that a malformed file says where."""

import json
from pathlib import Path

import pytest

from genret_ops.errors import GenretError
from genret_ops.evaluation.datasets import read_benchmark

HEADER = "query-id\tcorpus-id\tscore\n"
EVIDENCE = {"question_type": "comparison_query", "evidence": [{"fact": "The yacht was sold."}, {"title": "no fact"}]}


def query(number: int, **more: object) -> str:
    return json.dumps({"_id": f"q{number}", "text": f"Question {number}?", **more})


def folder(tmp_path: Path, queries: str, qrels: str) -> Path:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "title": "", "text": "The yacht was sold."}\n')
    (tmp_path / "queries.jsonl").write_text(queries, encoding="utf-8")
    (tmp_path / "qrels.tsv").write_text(qrels, encoding="utf-8")
    return tmp_path


def test_queries_come_with_their_graded_documents_facts_and_type(tmp_path: Path) -> None:
    lines = [query(1, metadata=EVIDENCE), "", query(2, metadata={"question_type": None})]
    benchmark = read_benchmark(folder(tmp_path, "\n".join(lines), HEADER + "q1\td1\t2\nq1\td 2\t1\n\nq2\td3\t1\n"))
    first, second = benchmark.queries
    assert (first.query_id, first.text) == ("q1", "Question 1?")
    assert first.relevant == {"d1": 2, "d 2": 1} and second.relevant == {"d3": 1}
    assert first.facts == ("The yacht was sold.",) and first.kind == "comparison_query"
    assert second.facts == () and second.kind == ""
    assert benchmark.name == tmp_path.name and benchmark.corpus == tmp_path / "corpus.jsonl"


def test_null_queries_are_left_out(tmp_path: Path) -> None:
    lines = [query(1), query(2, metadata={"evidence": []}), query(3)]
    benchmark = read_benchmark(folder(tmp_path, "\n".join(lines), HEADER + "q1\td1\t1\nq3\td1\t0\nq9\td1\t1\n"))
    assert [item.query_id for item in benchmark.queries] == ["q1"]


@pytest.mark.parametrize(("second", "official"), [({"metadata": EVIDENCE}, True), ({}, False)])
def test_scoring_is_official_where_every_query_has_facts(
    tmp_path: Path, second: dict[str, object], official: bool
) -> None:
    lines = [query(1, metadata=EVIDENCE), query(2, **second)]
    benchmark = read_benchmark(folder(tmp_path, "\n".join(lines), HEADER + "q1\td1\t1\nq2\td1\t1\n"))
    assert len(benchmark.queries) == 2 and benchmark.official is official


def test_a_file_of_judgments_without_a_header_loses_none(tmp_path: Path) -> None:
    benchmark = read_benchmark(folder(tmp_path, query(1), "q1\td1\t1\nq1\td2\t1\n"))
    assert benchmark.queries[0].relevant == {"d1": 1, "d2": 1}


def test_a_quotation_mark_is_part_of_an_id(tmp_path: Path) -> None:
    benchmark = read_benchmark(folder(tmp_path, query(1) + "\n" + query(2), HEADER + 'q1\t"d1\t1\nq2\td2"\t1\n'))
    assert [item.relevant for item in benchmark.queries] == [{'"d1': 1}, {'d2"': 1}]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "17",
        '"text"',
        '{"_id": "q2"}',
        '{"text": "?"}',
        '{"_id": 2, "text": "?"}',
        '{"_id": "q1", "text": "?"}',
    ],
)
def test_a_broken_query_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(GenretError, match=r"queries\.jsonl, line 3: "):
        read_benchmark(folder(tmp_path, query(1) + "\n\n" + line + "\n", HEADER + "q1\td1\t1\n"))


@pytest.mark.parametrize("line", ["q1\td1", "q1", "q1\td1\tgood", "q1\td1\t0.5", "q1 d1 1", "q1\td1\t1\textra"])
def test_a_broken_judgment_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(GenretError, match=r"qrels\.tsv, line 3: "):
        read_benchmark(folder(tmp_path, query(1), HEADER + f"q1\td1\t1\n{line}\n"))


@pytest.mark.parametrize("metadata", ["text", 3, [1], {"evidence": "text"}, {"evidence": ["text", {"fact": ""}]}])
def test_metadata_of_another_shape_gives_no_facts(tmp_path: Path, metadata: object) -> None:
    benchmark = read_benchmark(folder(tmp_path, query(1, metadata=metadata), HEADER + "q1\td1\t1\n"))
    assert benchmark.queries[0].facts == () and not benchmark.official


@pytest.mark.parametrize("name", ["queries.jsonl", "qrels.tsv"])
def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path, name: str) -> None:
    (folder(tmp_path, query(1), HEADER + "q1\td1\t1\n") / name).write_bytes(b"caf\xe9\n")
    with pytest.raises(GenretError, match=rf"{name} is not UTF-8"):
        read_benchmark(tmp_path)


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels.tsv"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (folder(tmp_path, query(1), HEADER + "q1\td1\t1\n") / name).unlink()
    with pytest.raises(GenretError, match=f"not a folder in BEIR layout: it has no {name}"):
        read_benchmark(tmp_path)


@pytest.mark.parametrize("queries", ["", query(1)])
def test_a_benchmark_without_gold_is_refused(tmp_path: Path, queries: str) -> None:
    with pytest.raises(GenretError, match="has a relevant document"):
        read_benchmark(folder(tmp_path, queries, HEADER))
