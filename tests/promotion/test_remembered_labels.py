"""A label is remembered by the next release: what was asked before is answered, and what misleads is left out."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from assets.lib import runner
from assets.lib.erasure import erase
from genret_ops.corpus.labels import add_labels, remove_labels
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Release
from genret_ops.retrieval.fusion import Fusion
from genret_ops.retrieval.labelled import LabelledQuestions, remembers_labels
from genret_ops.retrieval.retriever import Retriever
from genret_ops.summaries import status

QUESTION = "what did grandmother always warn us about"
"""Nothing in the corpus shares a word with it that counts."""
AGAIN = "what grandmother always warned us about"


@pytest.fixture
def home(ingested_home: Path, tmp_path: Path) -> Home:
    """A home that took documents in and built nothing."""
    return Home(Path(shutil.copytree(ingested_home, tmp_path / "home")))


def first(home: Home, query: str) -> str:
    return open_release(home)[1].search(query, 1).hits[0].doc_id


def last_document(home: Home) -> str:
    """The document that comes last for the question."""
    answer = open_release(home)[1].search(QUESTION, 50)
    return answer.hits[-1].doc_id


def test_the_next_update_answers_by_it_and_the_one_after_has_nothing_to_do(home: Home) -> None:
    answer = last_document(home)
    add_labels(home.path, [(QUESTION, answer)])
    ingested = runner.ingest(home)
    assert (ingested.delta, ingested.release.name, ingested.release.delta) == (None, "r1", "delta-00000")
    assert first(home, QUESTION) == first(home, AGAIN) == answer
    (hit,) = open_release(home)[1].search(AGAIN, 1).hits
    assert hit.found_by["labelled"][0] == 0
    assert ingested.release.model == home.registry.release("r0").model, "nothing was trained for it"
    assert runner.ingest(home).release.name == "r1"


@pytest.mark.parametrize("question", ["what did it do there, and who was it", "according to kitchen what is it about"])
def test_a_question_of_little_but_its_frame_is_known_again(home: Home, question: str) -> None:
    """A search reads a question without the words that only make it one; a label is read in the same way."""
    add_labels(home.path, [(question, last_document(home))])
    model = open_release(home, runner.ingest(home).release.number)[1].model
    scores = open_release(home)[1].search(question, 1).hits[0].found_by
    assert len(model.labelled) == 1 and scores["labelled"][1] == pytest.approx(15.0, abs=0.1)


def test_a_label_does_not_count_against_its_document(home: Home) -> None:
    """However much neighbours count: their scores are compared with that of the document without its label."""
    answer = last_document(home)
    add_labels(home.path, [(QUESTION, answer)])
    _, retriever = open_release(home, runner.ingest(home).release.number)
    weights = {**retriever.model.fusion.weights, "neighbours_above": 3.0, "neighbours_below": 3.0}
    model = replace(retriever.model, fusion=Fusion(weights))
    assert Retriever(retriever.index, model).search(QUESTION, 1).hits[0].doc_id == answer


def test_other_answers_stay_as_they_were(home: Home) -> None:
    query = "descale the espresso machine"
    before = [hit.docid for hit in open_release(home)[1].search(query, 10).hits]
    add_labels(home.path, [(QUESTION, last_document(home))])
    runner.ingest(home)
    assert [hit.docid for hit in open_release(home)[1].search(query, 10).hits] == before


def test_a_label_that_is_taken_back_is_forgotten(home: Home) -> None:
    usual, answer = first(home, QUESTION), last_document(home)
    add_labels(home.path, [(QUESTION, answer)])
    runner.ingest(home)
    remove_labels(home.path, answer)
    assert runner.ingest(home).release.name == "r0", "what it was before"
    assert first(home, QUESTION) == usual


def test_it_follows_an_edit_of_its_document(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
    runner.ingest(home, [str(folder)])
    add_labels(home.path, [(QUESTION, "tides.md")])
    runner.ingest(home)
    (folder / "tides.md").write_text("# The harbour\n\nThe boat leaves with the ebb now.")
    assert runner.ingest(home).delta is not None
    (hit, *_) = open_release(home)[1].search(AGAIN, 3).hits
    assert (hit.doc_id, "ebb" in hit.text) == ("tides.md", True)


def test_status_says_that_a_label_waits_for_the_next_update(home: Home) -> None:
    assert status(home)["labels"] == {"count": 0, "waiting": False}
    add_labels(home.path, [(QUESTION, last_document(home))])
    waiting = status(home)
    assert waiting["labels"] == {"count": 1, "waiting": True} and waiting["next"].startswith("genret ingest")
    runner.ingest(home)
    assert status(home)["labels"] == {"count": 1, "waiting": False}


def test_a_rollback_keeps_it(home: Home) -> None:
    runner.build(home, home.settings, waiver="a test")
    answer = last_document(home)
    add_labels(home.path, [(QUESTION, answer)])
    runner.ingest(home)
    back = runner.rollback(home, "a test")
    assert back.model == home.registry.release("r0").model and back.name != "r0"
    assert first(home, QUESTION) == answer


def test_a_build_remembers_it(home: Home) -> None:
    answer = last_document(home)
    add_labels(home.path, [(QUESTION, answer)])
    release = runner.build(home, home.settings, waiver="a test").release
    assert LabelledQuestions.load(release.folder).texts == (QUESTION,)
    assert first(home, QUESTION) == answer


def test_a_build_leaves_out_what_an_update_has_left_out(home: Home) -> None:
    add_labels(home.path, misleading(home))
    assert not questions_of(runner.ingest(home).release)
    release = runner.build(home, home.settings, waiver="a test").release
    assert not questions_of(release) and remembers_labels(home.path, release.folder)


def test_a_build_judges_labels_that_no_update_has_judged(home: Home) -> None:
    add_labels(home.path, misleading(home))
    release = runner.build(home, home.settings, waiver="a test").release
    assert not questions_of(release) and remembers_labels(home.path, release.folder)
    verdicts = [home.registry.verdict(each.number) for each in home.registry.releases()]
    assert any("labels" in text for verdict in verdicts if verdict for text in verdict.refusals)


def misleading(home: Home) -> list[tuple[str, str]]:
    """Labels of which each says that another question's document answers nearly the same question."""
    _, retriever = open_release(home)
    head = retriever.index.head
    documents = [doc_id for doc_id in head.documents if any(doc_id in head.documents_of(d) for d in range(len(head)))]
    titles = [head.document(doc_id).title for doc_id in documents]
    wrong = documents[1:] + documents[:1]
    labels = list[tuple[str, str]]()
    for title, right, other in zip(titles, documents, wrong, strict=True):
        labels += [(f"tell me about {title}", right), (f"tell me of {title}", other)]
    return labels


def questions_of(release: Release) -> LabelledQuestions:
    return LabelledQuestions.load(release.folder)


def test_an_erased_document_takes_its_questions_along(home: Home) -> None:
    answer = last_document(home)
    add_labels(home.path, [(QUESTION, answer)])
    runner.ingest(home)
    assert erase(home, answer)["left"] == []
    files = list(home.releases.rglob("labelled.json"))
    assert files and not any("grandmother" in path.read_text() for path in files)


def test_labels_that_mislead_one_another_are_left_out_and_the_update_goes_on(home: Home, tmp_path: Path) -> None:
    add_labels(home.path, misleading(home))
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
    release = runner.ingest(home, [str(folder)]).release
    assert not questions_of(release)
    assert first(home, "when does the ferry leave") == "tides.md"
    refused = home.registry.verdict(release.number - 1)
    assert refused is not None and any("labels" in text for text in refused.refusals)
    assert json.loads((release.folder / "labelled.json").read_text())["labels"], "it knows which labels it left out"
