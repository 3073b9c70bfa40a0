"""Queries out of the store: what they claim is verified, what fails is counted, and each split has what it may have."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.records import SyntheticQuery
from genret_ops.settings import SynthesisSettings
from genret_ops.synthesis.extractive import SourcePassage
from genret_ops.synthesis.generated import (
    COPIED,
    LENGTH,
    REPEATED,
    UNANSWERED,
    UNNAMED,
    GeneratedGenerator,
    WrittenQueries,
    names,
    supported,
    written_keywords,
    written_queries,
)
from genret_ops.synthesis.generation import Generation, Topic
from genret_ops.synthesis.generation_store import FILE, GenerationStore
from genret_ops.synthesis.kinds import KINDS
from genret_ops.synthesis.language_model import Completion

BEES = ("Smoke calms the bees before the honey is harvested in July.", "They sleep in winter.")
FERRY = ("The ferry leaves at high tide.", "It never hurries in the morning.")
PASSAGES = [
    SourcePassage(
        "bees",
        frozenset({"a"}),
        "The hives",
        " ".join(BEES),
        BEES,
        {"team": "Green Team", "day": "2023-10-05"},
        (1,),
        "a",
    ),
    SourcePassage("ferry", frozenset({"b"}), "The harbour", " ".join(FERRY), FERRY, {"team": "Red Team"}, (0, 2), "b"),
    SourcePassage("gone", frozenset(), "", "", (), {}),
]


def settings(*kinds: str) -> SynthesisSettings:
    return SynthesisSettings.model_validate({"language_model": "anthropic:m", "written": kinds})


def answered(store: GenerationStore, generation: Generation, answers: Mapping[str, Any]) -> list[Topic]:
    """Keep an answer to the topic about each first passage that `answers` names."""
    topics = generation.topics([range(len(PASSAGES))])
    store.note(generation.subject(topic) for topic in topics)
    for topic in topics:
        if (answer := answers.get(topic.passages[0].passage_id)) is not None:
            store.keep(Completion(topic.key, json.dumps(answer)))
    return topics


def read(tmp_path: Path, kind: str, answers: Mapping[str, Any]) -> WrittenQueries:
    store = GenerationStore(tmp_path / FILE)
    try:
        generation = Generation(PASSAGES, settings(kind), store)
        answered(store, generation, answers)
        return written_queries(generation, PASSAGES, store, seed=5)
    finally:
        store.close()


def query(text: str, **more: object) -> dict[str, object]:
    return {"style": "question", "text": text, **more}


def test_a_constraint_has_to_be_named_as_the_document_has_it(tmp_path: Path) -> None:
    texts = [
        "what does the Green Team do before harvest",
        "what does the green team do before harvest",
        "what calmed them on October 5, 2023",
        "what calmed them in October of that year",
        "what does the Red Team do before harvest",
    ]
    written = read(tmp_path, "constraint", {"bees": {"queries": [query(text) for text in texts]}})
    assert {row.text: dict(row.constraints) for row in written.queries} == {
        texts[0]: {"team": "Green Team"},
        texts[2]: {"day": "2023-10-05"},
    }
    assert written.refused == {UNNAMED: 3}


def test_a_hard_question_has_to_be_answered_by_its_passage(tmp_path: Path) -> None:
    questions = [
        {"question": "when do keepers take what was gathered", "answer": "in July"},
        {"question": "what makes insects peaceful beforehand", "answer": "Smoke."},
        {"question": "how many colonies stand on the roof", "answer": "eleven colonies"},
        {"question": "what is said without a word here", "answer": "the"},
    ]
    written = read(tmp_path, "hard", {"bees": {"questions": questions}})
    assert [row.text for row in written.queries] == [each["question"] for each in questions[:2]]
    assert written.refused == {UNANSWERED: 2} and {row.kind for row in written.queries} == {"hard"}


def test_a_sentence_query_withholds_its_sentence(tmp_path: Path) -> None:
    answer = {"queries": [query("what soothes insects", sentence=1), query("what soothes animals", sentence=7)]}
    first, second = read(tmp_path, "sentence", {"bees": answer}).queries
    assert first.withheld == (BEES[0],) and second.withheld == ()


def test_what_is_no_query_of_its_kind_is_counted(tmp_path: Path) -> None:
    texts = ["bees", "? ! -", " ".join(["word"] * 41), "who  calms bees", "Who calms bees", " ".join(FERRY)]
    written = read(tmp_path, "chunk", {"ferry": {"queries": [query(text) for text in texts]}})
    assert [row.text for row in written.queries] == ["who calms bees"]
    assert written.refused == {LENGTH: 3, REPEATED: 1, COPIED: 1}
    (row,) = written.queries
    assert row.generator.startswith("anthropic:m:chunk@1:") and row.generator.endswith(":question")
    assert (row.seed, row.split, row.positives) == (5, "", ("ferry",))


def test_keywords_are_read_without_repetitions(tmp_path: Path) -> None:
    store = GenerationStore(tmp_path / FILE)
    generation = Generation(PASSAGES, settings("keywords", "chunk"), store)
    answers = {"bees": {"keywords": ["bee smoke", "Honey", "honey", "  bee  smoke ", ""]}, "ferry": {"keywords": []}}
    for topic in generation.topics([range(len(PASSAGES))]):
        store.note([generation.subject(topic)])
        if topic.prompt.name == "keywords":
            store.keep(Completion(topic.key, json.dumps(answers[topic.passages[0].passage_id])))
    assert written_keywords(generation, PASSAGES, store) == {"bees": ("bee smoke", "Honey"), "ferry": ()}
    assert written_queries(generation, PASSAGES, store, 0).queries == ()
    store.close()


def test_multi_hop_queries_join_neighbours_of_a_group_and_stay_joined(tmp_path: Path) -> None:
    near = [tuple((number + step) % 30 for step in range(1, 6)) for number in range(30)]
    many = [
        SourcePassage(f"{number:08x}", frozenset({f"d{number}"}), "", f"text {number}", (), {}, near[number])
        for number in range(30)
    ]
    store = GenerationStore(tmp_path / FILE)
    generation = Generation(many, settings("multihop"), store)
    groups = [range(0, 20), range(20, 30)]
    topics = generation.topics(groups)
    assert {len(topic.passages) for topic in topics} == {2, 3, 4}
    for topic in topics:
        sides = {int(passage.passage_id, 16) < 20 for passage in topic.passages}
        assert len(sides) == 1, "tuning and training are never joined"
    store.note(map(generation.subject, topics))
    moved = [replace(passage, neighbours=passage.neighbours[::-1]) for passage in many]
    again = Generation(moved, settings("multihop"), store).topics(groups)
    assert {topic.key for topic in again} == {topic.key for topic in topics}, "paid for once, though neighbours moved"
    store.close()


def rows(*kinds: str) -> list[SyntheticQuery]:
    positives = {"multihop": ("bees", "ferry")}
    return [SyntheticQuery(f"{kind} query", kind, positives.get(kind, ("bees",)), "", "x", 0) for kind in kinds]


def kinds_of(queries: Sequence[SyntheticQuery]) -> list[str]:
    return sorted(query.kind for query in queries)


def test_each_split_has_what_it_may_have() -> None:
    generator = GeneratedGenerator(PASSAGES, rows("chunk", "multihop", "hard"), seed=0)
    assert kinds_of(generator.epoch(0, [0, 1], "train")) == ["chunk", "multihop"]
    assert kinds_of(generator.epoch(0, [0], "train")) == ["chunk"], "a query joins no passage that is not asked about"
    assert kinds_of(generator.epoch(0, [0, 1], "hard", hard=True)) == ["hard"]
    assert kinds_of(generator.epoch(3, [0, 1], "train")) == ["chunk", "multihop"]
    assert generator.epoch(0, [0], "gate") and generator.epoch(1, [0], "gate") == [], "what measures is held once"
    assert {row.split for row in generator.epoch(0, [0, 1], "tuning")} == {"tuning"}


def test_the_order_follows_seed_and_epoch() -> None:
    many = [SyntheticQuery(f"query {number}", "chunk", ("bees",), "", "x", 0) for number in range(20)]
    first = GeneratedGenerator(PASSAGES, many, seed=0)
    assert first.epoch(0, [0], "train") == GeneratedGenerator(PASSAGES, many, seed=0).epoch(0, [0], "train")
    assert first.epoch(0, [0], "train") != first.epoch(1, [0], "train")


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("as Wired wrote", "Wired", True),
        ("as wired wrote", "Wired", False),
        ("a Wiredish thing", "Wired", False),
        ("by C++ (2nd ed.)", "C++ (2nd ed.)", True),
        ("on 5 October 2023", "2023-10-05", True),
        ("on Oct. 5th, 2023", "2023-10-05T10:00:00", True),
        ("on 2023-10-05", "2023-10-05", True),
        ("in October 2023", "2023-10-05", False),
        ("on 15 October 2023", "2023-10-05", False),
    ],
)
def test_what_counts_as_naming_a_value(text: str, value: str, expected: bool) -> None:
    assert names(text, value) is expected


@given(st.lists(st.sampled_from(BEES[0].rstrip(".").split()), min_size=1))
def test_an_answer_of_the_passages_words_is_supported(words: list[str]) -> None:
    said = set(words) - {"the", "is", "in"}
    assert supported(" ".join(words), PASSAGES[0]) == bool(said)
    assert not supported(" ".join([*words, "zeppelin"]), PASSAGES[0])


def test_every_kind_is_in_the_table() -> None:
    assert all(1 <= kind.passages[0] <= kind.passages[1] and kind.words[0] <= kind.words[1] for kind in KINDS.values())
