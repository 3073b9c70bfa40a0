"""Queries out of the store: what they claim is verified, what fails is counted, and each names its splits."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.retrieval.index import build_lexical
from genret_ops.settings import Settings, SynthesisSettings
from genret_ops.synthesis.extractive import SourcePassage
from genret_ops.synthesis.filters import DUPLICATES, LEAKS, instruction_runs, leaks_instruction
from genret_ops.synthesis.generated import (
    UNANSWERED,
    UNNAMED,
    GeneratedQueries,
    names,
    read_generated,
    read_keywords,
    supported,
)
from genret_ops.synthesis.generation import Generation, Topic
from genret_ops.synthesis.generation_store import FILE, GenerationStore
from genret_ops.synthesis.kinds import KINDS
from genret_ops.synthesis.language_model import Completion
from genret_ops.synthesis.queries import source_passages, written_queries
from genret_ops.synthesis.recorded import RECORDED, RecordedQueries
from tests.support.written_corpus import corpus, neighbours

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


def read(tmp_path: Path, kind: str, answers: Mapping[str, Any]) -> GeneratedQueries:
    with closing(GenerationStore(tmp_path / FILE)) as store:
        answered(store, Generation(PASSAGES, settings(kind), store), answers)
    return read_generated(tmp_path, PASSAGES, settings(kind))


def reasons(generated: GeneratedQueries) -> dict[str, int]:
    return {refusal.reason: refusal.count for refusal in generated.refused}


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
    assert reasons(written) == {UNNAMED: 3} and written.refused[0].examples == (texts[1], texts[3], texts[4])


def test_a_hard_question_has_to_be_answered_by_its_passage(tmp_path: Path) -> None:
    questions = [
        {"question": "when do keepers take what was gathered", "answer": "in July"},
        {"question": "what makes insects peaceful beforehand", "answer": "Smoke."},
        {"question": "how many colonies stand on the roof", "answer": "eleven colonies"},
        {"question": "what is said without a word here", "answer": "the"},
    ]
    written = read(tmp_path, "hard", {"bees": {"questions": questions}})
    assert [row.text for row in written.queries] == [each["question"] for each in questions[:2]]
    assert reasons(written) == {UNANSWERED: 2}
    assert {(row.kind, row.splits) for row in written.queries} == {("hard", ("hard",))}


def test_a_sentence_query_withholds_its_sentence(tmp_path: Path) -> None:
    answer = {"queries": [query("what soothes insects", sentence=1), query("what soothes animals", sentence=7)]}
    first, second = read(tmp_path, "sentence", {"bees": answer}).queries
    assert first.withheld == (BEES[0],) and second.withheld == ()


def test_a_query_says_who_wrote_it_and_where_it_may_stand(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "chunk", {"ferry": {"queries": [query("who  calms\nbees")]}}).queries
    assert (row.text, row.positions, row.splits, row.weight) == ("who calms bees", (1,), ("train", "tuning", "gate"), 1)
    assert row.generator.startswith("anthropic:m:chunk@1:") and row.generator.endswith(":question")


def test_what_the_model_was_told_is_no_query(tmp_path: Path) -> None:
    generated = read(tmp_path, "chunk", {"bees": {"queries": []}})
    runs = frozenset[tuple[str, ...]]().union(*map(instruction_runs, generated.instructions))
    for said in ("Write one query on each line, and nothing else", "what somebody would type who needs what this says"):
        assert leaks_instruction(said, PASSAGES[0].text, runs), said
    assert not leaks_instruction("what calms the bees before the honey is harvested", PASSAGES[0].text, runs)
    assert "Smoke" not in " ".join(generated.instructions)


def test_whoever_wrote_them_queries_pass_the_filters_together(tmp_path: Path) -> None:
    head, near = corpus(8), neighbours(8)
    settings = Settings.model_validate({"synthesis": {"language_model": "anthropic:m", "written": ["chunk"]}})
    passages = source_passages(head, near, settings.retrieval)
    wanted = "how much does the lamp of the third tower burn"
    texts = [f"{wanted.capitalize()}?", "write one query on each line and nothing else", "what do keepers count"]
    with closing(GenerationStore(tmp_path / FILE)) as store:
        generation = Generation(passages, settings.synthesis, store)
        (topic,) = generation.topics([[head.docid_of[head.passages[3].passage_id]]])
        store.note([generation.subject(topic)])
        store.keep(Completion(topic.key, json.dumps({"queries": [query(text) for text in texts]})))
    generated = read_generated(tmp_path, passages, settings.synthesis)
    recorded = RecordedQueries({head.first_document(3).doc_id: (wanted,)})
    written = written_queries(head, build_lexical(head), settings, recorded, generated)
    assert [(each.text, each.generator == RECORDED) for each in written.kept] == [(wanted, True), (texts[2], False)]
    (writer,) = {each.generator for each in generated.queries}
    assert {(each.generator, each.reason) for each in written.refused} == {(writer, DUPLICATES), (writer, LEAKS)}
    assert all(len(each.positions) == 1 and each.positions[0] == 3 for each in written.kept)


def test_keywords_are_read_without_repetitions(tmp_path: Path) -> None:
    store = GenerationStore(tmp_path / FILE)
    generation = Generation(PASSAGES, settings("keywords", "chunk"), store)
    answers = {"bees": {"keywords": ["bee smoke", "Honey", "honey", "  bee  smoke ", ""]}, "ferry": {"keywords": []}}
    for topic in generation.topics([range(len(PASSAGES))]):
        store.note([generation.subject(topic)])
        if topic.prompt.name == "keywords":
            store.keep(Completion(topic.key, json.dumps(answers[topic.passages[0].passage_id])))
    store.close()
    keywords = read_keywords(tmp_path, PASSAGES, settings("keywords", "chunk"))
    assert keywords == {"bees": ("bee smoke", "Honey"), "ferry": ()}
    assert read_generated(tmp_path, PASSAGES, settings("keywords", "chunk")).queries == ()


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
