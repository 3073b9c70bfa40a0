"""`genret dataset` exports the training set of a build, and compares what two generators wrote."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genret_ops.cli import app
from genret_ops.errors import GenretError
from tests.support.commands import call, result


def test_an_export_says_what_it_wrote(small_home: Path, tmp_path: Path) -> None:
    summary = result("dataset", "export", "delta-00000", str(tmp_path / "queries"), home=small_home)
    assert summary["written"] and summary["folder"] == str(tmp_path / "queries")
    assert set(summary["queries"]) >= {"train", "hard", "tuning", "gate"}
    again = call("dataset", "export", "delta-00000", str(tmp_path / "queries"), home=small_home)
    assert f"{tmp_path / 'queries'} holds the" in again and "queries of r1 already." in again
    assert f"{summary['queries']['train']['chunk']:,}" in again and "multihop" in again


def test_two_files_are_compared(small_home: Path, tmp_path: Path) -> None:
    def file(name: str, **queries: str) -> str:
        rows = [json.dumps({"_id": doc_id.replace("_", "."), "queries": [text]}) for doc_id, text in queries.items()]
        (tmp_path / name).write_text("\n".join(rows))
        return str(tmp_path / name)

    good = file("good.jsonl", bees_md="smoke calms the bees", coffee_md="descale the espresso machine")
    bad = file("bad.jsonl", bees_md="what is it about", coffee_md="what is it for", fire_md="what is it")
    report = result("dataset", "compare", good, bad, "--release", "r1", home=small_home)
    assert (report["release"], report["passages"], report["files"]) == ("r1", 2, [good, bad])
    assert report["win_rate"][0] > 0.5 and report["first"]["MRR"] > report["second"]["MRR"]
    shown = call("dataset", "compare", good, bad, home=small_home)
    assert "queries about 2 passages" in shown and "The first wins" in shown and "Jaccard with the passage" in shown
    other = file("other.jsonl", parking_md="where do visitors park", holiday_md="when are days off")
    with pytest.raises(GenretError, match=r"no passage of r1 has queries in both .*: nothing to compare"):
        result("dataset", "compare", good, other, home=small_home)
    few = call("dataset", "compare", good, file("few.jsonl", bees_md="bees and smoke"), home=small_home)
    assert "Too few documents have queries of both for a win rate." in few


@pytest.mark.parametrize("command", ["export", "compare"])
def test_help_shows_examples(command: str) -> None:
    shown = CliRunner().invoke(app, ["dataset", command, "--help"]).stdout
    assert f"genret dataset {command} " in shown and "--json" in shown and "--home" in shown
