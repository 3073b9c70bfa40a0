"""A file of JSON lines: line feeds alone end a line, and one that was cut short is neither read nor in the way."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from genret_ops.cli import app
from genret_ops.corpus.labels import LABELS, read_labels
from genret_ops.errors import GenretError
from genret_ops.promotion.judgments import FEEDBACK, Judgment, accept_feedback, add_feedback, read_feedback
from genret_ops.registry.home import Home
from genret_ops.storage import jsonl
from genret_ops.storage.commits import places_path, record_path
from genret_ops.storage.home import make_home
from serving.shadow import summary

BREAKS = "a\u2028b\u2029c\u0085d\x1ce"
"""Characters at which Python ends lines and JSON does not."""


def judged(query: str) -> Judgment:
    return Judgment(query, "tea", True, "ann", "2026-11-23T10:00:00+00:00", None)


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    add_feedback(tmp_path, judged(BREAKS))
    assert accept_feedback(tmp_path)["added"] == 1
    assert read_labels(tmp_path) == [(BREAKS, "tea")]
    by_hand = f'{{"query": "{BREAKS[:-2]}", "document": "tea"}}'
    (tmp_path / LABELS).write_text(by_hand, encoding="utf-8")
    assert read_labels(tmp_path) == [(BREAKS[:-2], "tea")], "as JSON allows it, and without an end"


def test_a_file_of_judgments_is_taken_as_json_has_it(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "judgments.jsonl"
    record = record_path(home, "delta-00000")
    record.parent.mkdir(parents=True)
    record.write_text('{"posted": {}}')
    make_home(home)
    places_path(home, "delta-00000").write_text('{"passages": {"tea": ["p"]}, "metadata": {}}')
    file.write_bytes(f'{{"query": "{BREAKS[:-2]}", "document": "tea"}}\r\n'.encode())
    done = CliRunner().invoke(app, ["label", "--file", str(file), "--json", "--home", str(home)])
    assert done.exit_code == 0, done.output
    file.write_bytes(b'{"query": "q", "document": "tea"}\n{"query": "cut sho')
    done = CliRunner().invoke(app, ["label", "--file", str(file), "--json", "--home", str(home)])
    assert isinstance(done.exception, GenretError) and "line 2" in str(done.exception)
    assert read_labels(home) == [(BREAKS[:-2], "tea")]


@pytest.mark.parametrize("kept", [b'{"query": "cut sho', '{"query": "größ'.encode()[:-1], b" "])
def test_a_line_that_was_cut_short_was_never_written(tmp_path: Path, kept: bytes) -> None:
    add_feedback(tmp_path, judged("first"))
    with (tmp_path / FEEDBACK).open("ab") as file:
        file.write(kept)
    assert [one.query for one in read_feedback(tmp_path)] == ["first"]
    add_feedback(tmp_path, judged("second"))
    assert [one.query for one in read_feedback(tmp_path)] == ["first", "second"]


def test_a_line_that_lacks_its_end_alone_is_whole(tmp_path: Path) -> None:
    jsonl.append(tmp_path / "x", {"n": 1})
    (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes()[:-1])
    assert jsonl.read(tmp_path / "x") == [{"n": 1}]
    jsonl.append(tmp_path / "x", {"n": 2})
    assert jsonl.read(tmp_path / "x") == [{"n": 1}, {"n": 2}]


def test_what_is_wrong_elsewhere_is_named(tmp_path: Path) -> None:
    home = Home(tmp_path)
    log = home.shadow / "r2.jsonl"
    log.parent.mkdir()
    for line in ('{"overlap": 1.0, "first_changed": false}\n', '{"overlap": 0.5, "first_\n', "{}\n"):
        with log.open("a") as file:
            file.write(line)
    with pytest.raises(GenretError, match=r"r2\.jsonl, line 2"):
        summary(home.shadow, "r2")
    log.write_text('{"overlap": 1.0, "first_changed": false}\n{"overlap": 0.5, "fir')
    assert summary(home.shadow, "r2") == {"candidate": "r2", "compared": 1, "overlap": 1.0, "first_changed": 0.0}
