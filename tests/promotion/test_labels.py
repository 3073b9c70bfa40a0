"""Judgements of users: kept once, read from lines, and still worth something after the corpus changed."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from genret_ops.cli import app
from genret_ops.corpus.labels import add_labels, parse_labels, read_labels
from genret_ops.errors import GenretError
from genret_ops.promotion.judgments import label_questions
from genret_ops.registry.home import Home, make_home
from genret_ops.storage.commits import places_path, record_path
from tests.support.small_head import head_of

DOCUMENTS = {
    "tea": ("Tea", {}, [["Tea is brewed."], ["It is drunk hot."]]),
    "cups": ("Cups", {}, [["Cups are small."]]),
}


def test_a_judgment_is_kept_once(tmp_path: Path) -> None:
    assert read_labels(tmp_path) == []
    assert add_labels(tmp_path, [("how to brew", "tea"), ("how to brew", "tea"), ("größe", "cups")]) == 2
    assert add_labels(tmp_path, [("how to brew", "tea"), ("how to brew", "cups")]) == 1
    assert read_labels(tmp_path) == [("how to brew", "tea"), ("größe", "cups"), ("how to brew", "cups")]


@pytest.mark.parametrize(
    "line", ["x", "[]", '{"query": "q"}', '{"query": " ", "document": "d"}', '{"query": 1, "document": "d"}']
)
def test_a_line_that_is_none_is_named(line: str) -> None:
    with pytest.raises(GenretError, match="labels, line 3"):
        list(parse_labels([b'{"query": "q", "document": "d"}', b"", line.encode()], "labels"))


def test_labels_follow_edits_and_are_dropped_with_their_document() -> None:
    labels = [("how to brew", "tea"), ("which cups", "cups"), ("which cups", "tea"), ("gone", "left")]
    questions = label_questions(head_of(DOCUMENTS), labels)
    assert [(one.text, set(one.right), one.document) for one in questions] == [
        ("how to brew", {0, 1}, "tea"),
        ("which cups", {0, 1, 2}, "cups"),
    ]
    edited = head_of({"tea": ("Tea", {}, [["Tea is steeped now."]])}, gone=["Tea is brewed."])
    assert [(one.text, set(one.right)) for one in label_questions(edited, labels)] == [
        ("how to brew", {0}),
        ("which cups", {0}),
    ]


def test_judgments_of_a_benchmark_become_labels(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "beir"
    record_path(home, "delta-00000").parent.mkdir(parents=True)
    record_path(home, "delta-00000").write_text('{"posted": {}}')
    make_home(home)
    places_path(home, "delta-00000").write_text('{"passages": {"tea": ["p"], "cups": ["q"]}, "metadata": {}}')
    folder.mkdir()
    (folder / "corpus.jsonl").write_text("")
    (folder / "queries.jsonl").write_text('{"_id": "1", "text": "how to brew"}\n{"_id": "2", "text": "unjudged"}\n')
    (folder / "qrels.tsv").write_text("1\ttea\t1\n1\tcups\t2\n")
    done = CliRunner().invoke(app, ["label", "--qrels", str(folder), "--home", str(home)])
    assert done.exit_code == 0, done.output
    assert read_labels(home) == [("how to brew", "tea"), ("how to brew", "cups")]
    both = CliRunner().invoke(app, ["label", "a", "tea", "--qrels", str(folder), "--home", str(home)])
    assert both.exit_code == 2


@pytest.mark.parametrize("label", [("", "bees.md"), ("  ", "bees.md"), ("what calms bees", "")])
def test_a_label_without_text_is_refused_before_it_is_kept(tmp_path: Path, label: tuple[str, str]) -> None:
    add_labels(tmp_path, [("who smokes", "bees.md")])
    with pytest.raises(GenretError, match="must be non-empty texts"):
        add_labels(tmp_path, [("what calms bees", "bees.md"), label])
    assert read_labels(tmp_path) == [("who smokes", "bees.md")]


def test_new_labels_are_in_the_trail_by_their_number_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    record_path(home, "delta-00000").parent.mkdir(parents=True)
    record_path(home, "delta-00000").write_text('{"posted": {}}')
    make_home(home)
    places_path(home, "delta-00000").write_text('{"passages": {"tea": ["p"]}, "metadata": {}}')

    def label(query: str) -> None:
        done = CliRunner().invoke(app, ["label", query, "tea", "--home", str(home)])
        assert done.exit_code == 0, done.output

    label("how to brew")
    assert not list(home.glob("registry.*")), "before the first release there is no trail, and none is made"
    registry = Home(home).registry
    registry.create()
    label("how to brew")
    label("how to steep")
    (event,) = registry.events()
    assert (event.kind, event.release, event.facts) == ("labels added", None, {"count": 1})
    assert registry.problems() == []
