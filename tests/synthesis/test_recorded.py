"""Queries that others wrote: read from a file, given to the passage they are about, and kept apart when held out."""

import json
from pathlib import Path

import pytest

from genret_ops.corpus.view import CorpusView
from genret_ops.errors import GenretError
from genret_ops.records import SyntheticQuery
from genret_ops.retrieval.index import build_lexical
from genret_ops.settings import Settings, SynthesisSettings, TrainingSettings
from genret_ops.synthesis.extractive import GENERATOR, SourcePassage
from genret_ops.synthesis.filters import Refusal
from genret_ops.synthesis.generated import GeneratedQueries
from genret_ops.synthesis.generators import Generators
from genret_ops.synthesis.queries import (
    heldout_docids,
    least_extractive,
    lexical_neighbours,
    write_queries,
    written_queries,
)
from genret_ops.synthesis.recorded import ABSENT, OTHER_SIDE, RECORDED, RecordedQueries, place, read_recorded
from genret_ops.synthesis.written import WrittenGenerator
from tests.support.small_head import head_of

WORDS = [
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "heath",
    "islet",
    "jetty",
    "knoll",
    "lagoon",
    "marsh",
]
DOCUMENTS = {
    f"doc-{number}": (
        f"{word} letters",
        {},
        [
            [f"The {word} ferry waits for high tide near the harbour wall.", "It never hurries in the morning."],
            [f"Bees of the {word} hive need smoke before anyone opens the lid.", "They calm down in a minute."],
        ],
    )
    for number, word in enumerate(WORDS)
}
RECORDED_QUERIES = {
    doc_id: (f"when do boats leave {word}, given the tide", f"opening a hive of {word} without being stung")
    for doc_id, word in zip(DOCUMENTS, WORDS, strict=True)
}


@pytest.fixture(scope="module")
def head() -> CorpusView:
    return head_of(DOCUMENTS)


def lines(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def written(head: CorpusView, seed: int = 0) -> list[SyntheticQuery]:
    settings = Settings(
        synthesis=SynthesisSettings(heldout=0.4, heldout_queries=60),
        training=TrainingSettings(steps=3, batch=64, rpo_steps=1, seed=seed),
    )
    lexical = build_lexical(head)
    kept = written_queries(head, lexical, settings, RecordedQueries(RECORDED_QUERIES), GeneratedQueries()).kept
    return write_queries(head, lexical_neighbours(head, lexical), settings, None, kept)


def test_a_file_is_read_and_what_makes_no_sense_is_counted(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "queries.jsonl",
        "\ufeff" + json.dumps({"_id": "c", "queries": ["first of the file"]}),
        {"_id": "a", "queries": ["how do I  calm bees", "how do I calm bees", "why", 7], "keywords": ["smoke"]},
        "",
        "{not JSON",
        {"queries": ["whose document is this"]},
        ["a", "list"],
        {"_id": "b", "queries": [" ".join(["word"] * 101), "where is the ferry"]},
        {"_id": "a", "queries": ["does smoke hurt them", "?? -- !!"]},
        {"_id": 17, "queries": ["what is seventeen"]},
    )
    recorded = read_recorded(path)
    assert recorded.by_document == {
        "c": ("first of the file",),
        "a": ("how do I calm bees", "why", "does smoke hurt them"),
        "b": (" ".join(["word"] * 101), "where is the ferry"),
        "17": ("what is seventeen",),
    }
    assert recorded.refused == {
        "duplicates": 1,
        "queries without a word": 2,
        "lines that are not JSON": 1,
        "lines without _id and queries": 2,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the recorded queries"),
        (b"", "holds no recorded queries: expected lines like"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"_id": 1, "queries": 2}', r"\(1 lines? without _id and queries\)"),
    ],
)
def test_a_file_of_nothing_says_what_is_expected(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "queries.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GenretError, match=message):
        read_recorded(path)


def test_a_query_is_about_the_passage_that_says_most_of_its_words() -> None:
    passages = [
        SourcePassage("one", frozenset({"a"}), "", "the tide turns and the ferry leaves", (), {}),
        SourcePassage("two", frozenset({"a", "b"}), "", "the bees and the tide", (), {}),
        SourcePassage("gone", frozenset(), "", "", (), {}),
    ]
    queries = {
        "a": ["the bees here", "the ferry here", "nothing of it", "The bees and the tide!"],
        "b": ["ferry leaves"],
        "c": ["the bees"],
    }
    idf = {"the": 0.0, "tide": 0.1, "bees": 1.0, "ferry": 1.0, "leaves": 1.0}
    written, refused = place(RecordedQueries(queries, refused={"duplicates": 3}), passages, idf)
    assert refused == [Refusal(RECORDED, "duplicates", 3)]
    generator = WrittenGenerator(passages, written, seed=7)
    rows = generator.epoch(0, [0, 1, 2], "train")
    assert {row.text: row.positives for row in rows} == {
        "the ferry here": ("one",),
        "nothing of it": ("one",),
        "the bees here": ("two",),
        "The bees and the tide!": ("two",),
        "ferry leaves": ("two",),
    }
    assert {(row.kind, row.generator, row.seed, row.split) for row in rows} == {(RECORDED, RECORDED, 7, "train")}
    again = {row.text for row in generator.epoch(1, [0, 1], "train")}
    assert again == {row.text for row in rows} and len(rows) == 5, "a training has them in every epoch"
    assert generator.epoch(0, [1], "tuning") and not generator.epoch(1, [1], "tuning"), "a measurement has each once"


def test_they_are_spread_among_the_others(head: CorpusView) -> None:
    class Numbered:
        def __init__(self, count: int, mark: str) -> None:
            self._texts = [f"{mark}{number}" for number in range(count)]

        def epoch(self, number: int, members: object, split: str, hard: bool = False) -> list[SyntheticQuery]:
            return [SyntheticQuery(text, "chunk", ("p",), split, "test", 0) for text in self._texts]

    def texts(*generators: Numbered) -> list[str]:
        return [row.text for row in Generators(generators).epoch(0, [0], "train")]

    assert texts(Numbered(4, "a"), Numbered(2, "b")) == ["a0", "b0", "a1", "a2", "b1", "a3"]
    assert texts(Numbered(3, "a"), Numbered(0, "b")) == ["a0", "a1", "a2"]


@pytest.mark.parametrize("seed", [0, 1])
def test_queries_about_held_out_documents_are_never_trained_on(head: CorpusView, seed: int) -> None:
    queries = written(head, seed)
    settings = Settings(synthesis=SynthesisSettings(heldout=0.4), training=TrainingSettings(seed=seed))
    tuning, gate = heldout_docids(head, settings)
    recorded = [query for query in queries if query.kind == RECORDED]
    assert {query.split for query in recorded} >= {"train", "hard", "tuning", "gate"}
    for query in recorded:
        docid = head.docid_of[query.positives[0]]
        assert bool((tuning | gate)[docid]) == (query.split in ("tuning", "gate"))
        assert query.text in RECORDED_QUERIES[head.first_document(docid).doc_id]
    for split in ("tuning", "gate"):
        texts = [query.text for query in recorded if query.split == split]
        assert len(texts) == len(set(texts))
    ferries = [query for query in recorded if "tide" in query.text]
    assert all("ferry" in head.passages[head.docid_of[query.positives[0]]].text for query in ferries)


def test_nothing_changes_without_them(head: CorpusView) -> None:
    near = lexical_neighbours(head, build_lexical(head))
    settings = Settings(training=TrainingSettings(steps=2, batch=32))
    another = written_queries(
        head, build_lexical(head), settings, RecordedQueries({"another": ("a b",)}), GeneratedQueries()
    )
    assert (another.kept, another.refused) == ((), ())
    assert write_queries(head, near, settings) == write_queries(head, near, settings, None, another.kept)


def test_they_judge_a_training_alone_if_they_are_enough() -> None:
    def query(kind: str, number: int) -> SyntheticQuery:
        generator = GENERATOR if kind == "chunk" else RECORDED
        return SyntheticQuery(f"{kind} {number}", kind, ("p",), "tuning", generator, 0)

    made, few = [query("chunk", number) for number in range(60)], [query(RECORDED, number) for number in range(49)]
    assert least_extractive([*made, *few]) == [*made, *few]
    many = [*few, query(RECORDED, 49)]
    assert least_extractive([*made, *many]) == many


def test_a_row_of_a_folder_keeps_its_kind_passages_and_split() -> None:
    passages = [
        SourcePassage("one", frozenset({"a"}), "", "the tide turns", (), {}),
        SourcePassage("two", frozenset({"b"}), "", "the bees sleep", (), {}),
        SourcePassage("gone", frozenset(), "", "", (), {}),
    ]

    def row(text: str, split: str, *positives: str, kind: str = "chunk") -> SyntheticQuery:
        return SyntheticQuery(text, kind, positives, split, "pen", 3, ("a sentence",), {"team": "Red"})

    rows = (
        row("which way does it go", "train", "one"),
        row("which way does it go", "hard", "one"),
        row("do they sleep", "gate", "two"),
        row("do they turn and sleep", "hard", "one", "two", kind="multihop"),
        row("held out there, trained on here", "tuning", "one"),
        row("trained on there, held out here", "train", "two"),
        row("it tuned there and judges here", "tuning", "two"),
        row("it has left", "train", "gone"),
        row("half of it was never here", "train", "one", "nowhere"),
    )
    recorded = RecordedQueries(rows=rows)
    trained, judged, nothing = [True, False, True], [False, True, False], [False, False, False]
    asks = {"train": trained, "hard": trained, "tuning": nothing, "gate": judged}
    written, refused = place(recorded, passages, {}, asks)
    assert [query.text for query in written] == [rows[0].text, rows[1].text, rows[2].text]
    assert {(each.reason, each.count) for each in refused} == {(OTHER_SIDE, 4), (ABSENT, 2)}
    assert len(written) + sum(each.count for each in refused) == len(rows)
    generator = WrittenGenerator(passages, written, seed=7)
    assert generator.epoch(0, [0], "train") == [
        SyntheticQuery(rows[0].text, "chunk", ("one",), "train", "pen", 7, ("a sentence",), {"team": "Red"})
    ]
    assert [query.text for query in generator.epoch(0, [0], "hard")] == [rows[1].text]
    assert [query.text for query in generator.epoch(0, [1], "gate")] == [rows[2].text]
    assert not generator.epoch(0, [1], "tuning") and not generator.epoch(0, [1], "train")
    both, _ = place(recorded, passages, {})
    assert rows[3].text in [query.text for query in both]
    joined = WrittenGenerator(passages, both, seed=7)
    assert [query.positives for query in joined.epoch(0, [0, 1], "hard") if query.kind == "multihop"] == [
        ("one", "two")
    ]
    assert not [query for query in joined.epoch(0, [0], "hard") if query.kind == "multihop"], "one of them is no member"
