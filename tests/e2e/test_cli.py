"""The command line as a user meets it: ingest, build, search, status, releases, show; and both of its no-ops."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.lib.execution import instance_of
from genret_ops.cli import app
from genret_ops.errors import BrokenRelease, GenretError, NothingToSearch
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from genret_ops.retrieval.artifacts import read_search
from genret_ops.settings import Settings
from genret_ops.storage.home import settings_text
from tests.support.commands import call, result

Genret = Callable[..., subprocess.CompletedProcess[str]]
MODES = ("hybrid", "generative", "lexical", "dense")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("query", "doc_id"),
    [
        ("descale the espresso machine with citric acid", "coffee.md"),
        ("where do visitors park behind the warehouse", "parking.md"),
        ("smoke calms bees before honey is harvested", "bees.md"),
        ("kettle whistles when water boils", "kettle"),
    ],
)
def test_every_mode_finds_the_right_document(small_home: Path, mode: str, query: str, doc_id: str) -> None:
    answer = result("search", query, "--mode", mode, home=small_home)
    assert answer["mode"] == mode
    assert answer["hits"][0]["doc_id"] == doc_id


@pytest.mark.parametrize("mode", MODES)
def test_a_filter_is_a_guarantee(small_home: Path, mode: str) -> None:
    arguments = ("search", "how are the bees calmed", "-k", "50", "--mode", mode, "--filter", "team=Red Team")
    answer = result(*arguments, home=small_home)
    of_the_team = {"coffee.md", "fire.md", "printer.md", "twice-again.md"}
    assert {hit["doc_id"] for hit in answer["hits"]} == (set() if mode == "lexical" else of_the_team)  # no word of it
    assert result("search", "bees", "--mode", mode, "--filter", "team=No Team", home=small_home)["hits"] == []


def test_a_value_that_no_document_has_is_answered_with_those_that_are_like_it(small_home: Path) -> None:
    def message(value: str, *options: str) -> str:
        arguments = ["search", "bees", "--filter", f"team={value}", *options, "--home", str(small_home)]
        return CliRunner().invoke(app, arguments, catch_exceptions=False).stderr

    assert "No passage matches team=red team. Did you mean: Red Team" in message("red team")
    assert re.search("No passage matches team=7. Did you mean: .*Green Team", message("7", "--json"))
    assert "No passage" not in message("Red Team")


def test_a_hit_carries_its_account(small_home: Path) -> None:
    answer = result("search", "when does the alarm ring", "-k", "3", home=small_home)
    assert set(answer) == {"query", "release", "mode", "plan", "seconds", "hits"}
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3]
    first = answer["hits"][0]
    assert first["evidence"] in first["text"] and not first["evidence"].startswith("#"), "no heading"
    assert first["label"] and isinstance(first["docid"], int) and first["state"] == "learned"
    assert first["metadata"]["team"] == "Red Team"
    assert all(by["rank"] >= 1 for by in first["found_by"].values()) and first["found_by"]


def test_search_for_people_shows_plan_evidence_and_label(small_home: Path) -> None:
    shown = call("search", "who calms the bees, according to the Green Team", "-k", "1", home=small_home)
    label = result("search", "who calms the bees", "-k", "1", home=small_home)["hits"][0]["label"]
    assert "team=Green Team" in shown
    assert "Smoke calms the bees" in shown and "bees.md" in shown and label in shown
    assert "found by words" in call("search", "who calms the bees", "-k", "1", home=small_home)


def test_status_counts_what_was_read(small_home: Path) -> None:
    facts = result("status", home=small_home)
    assert (facts["documents"], facts["learned"], facts["fresh"]) == (62, facts["passages"], 0)
    assert [delta["added"] for delta in facts["deltas"]] == [62]
    assert facts["champion"] == {"release": "r1", "delta": "delta-00000"}
    assert facts["next"].startswith("genret search")
    with Home(small_home).lock("training"):
        assert result("status", home=small_home)["next"] == "genret status    # a build is under way"
    assert "62" in call("status", home=small_home)


def test_show_and_releases_report_the_same_release(small_home: Path) -> None:
    untrained, listed = result("releases", home=small_home)
    assert untrained["release"] == "r0" and not untrained["metrics"]
    assert "not trained" in call("show", "r0", home=small_home)
    shown = result("show", "champion", home=small_home)
    assert listed.items() <= shown.items()
    assert shown["verified"] and shown["steps"] == 8 and shown["aliases"] == ["champion"]
    assert shown["head"]["tables"].keys() == {"documents", "quarantine", "passages", "occurrences", "docids"}
    assert shown["content_hash"] in call("show", "r1", home=small_home).replace("\n", "").replace(" ", "")
    assert "r1" in call("releases", home=small_home)


def test_the_runs_of_the_commands_are_in_the_dagster_instance(small_home: Path) -> None:
    with instance_of(Home(small_home).dagster) as instance:
        runs = {run.job_name: run for run in instance.get_runs()}
        assert {name: run.status.value for name, run in runs.items()} == {
            "update_stages": "SUCCESS",
            "build_stages": "SUCCESS",
        }
        assert instance.get_dynamic_partitions("deltas") == ["delta-00000"]
    assert result("show", "r1", home=small_home)["run_id"] == runs["build_stages"].run_id
    recorded = runs["build_stages"].run_config["resources"]["home"]["config"]["settings_json"]
    assert Settings.model_validate_json(recorded).training.steps == 8


def test_ingesting_and_building_again_change_nothing(home_copy: Path) -> None:
    home = Home(home_copy)
    before = {name: home.store.read(name).to_pylist() for name in ("documents", "passages", "docids", "quarantine")}
    versions = {name: home.store._table(name).version for name in before}
    ingested = result("ingest", home=home_copy)
    assert ingested["delta"] is None and not any(ingested["changes"].values())
    assert ingested["quarantined"]["empty"] == 1
    assert result("build", home=home_copy)["release"] == "r1"
    assert "Nothing to build" in call("build", home=home_copy)
    assert home.store.snapshots() == ["delta-00000"]
    assert {name: home.store._table(name).version for name in before} == versions
    assert {name: home.store.read(name).to_pylist() for name in before} == before
    with instance_of(home.dagster) as instance:
        assert instance.get_runs_count() == 2
        assert instance.get_dynamic_partitions("deltas") == ["delta-00000"]


def test_an_edit_is_the_next_delta_and_is_served_at_once(home_copy: Path, documents: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(documents, tmp_path / "more"))
    (folder / "coffee.md").write_text("# The espresso machine\n\nIt was sold.\n")
    (folder / "fire.md").unlink()
    (folder / "new.txt").write_text("The new lift stops at every floor.\n")
    ingested = result("ingest", str(folder), "--only", home=home_copy)
    assert ingested["delta"] == "delta-00001"
    changes = ingested["changes"]
    assert (changes["added"], changes["changed"], changes["removed"]) == (1, 1, 1)
    facts = result("status", home=home_copy)
    assert facts["sources"] == [str(folder)]
    assert facts["fresh"] == 2 and facts["next"] == "genret build    # learns 2 fresh passages"
    docids = Home(home_copy).store.read("docids").sort_by("docid")
    assert docids["docid"].to_pylist() == list(range(docids.num_rows))
    assert docids["delta"].to_pylist().count("delta-00001") == 2
    assert ingested["release"] == "r2" == result("search", "espresso", home=home_copy)["release"]


def test_an_ingest_that_ended_before_its_commit_is_done_again(home_copy: Path, documents: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(documents, tmp_path / "more"))
    (folder / "new.txt").write_text("The new lift stops at every floor.\n")
    first = result("ingest", str(folder), "--only", home=home_copy)
    docids = Home(home_copy).store.read("docids").sort_by("docid")
    (home_copy / "commits" / "delta-00001.json").unlink()
    again = result("ingest", str(folder), "--only", home=home_copy)
    assert {**again, "release": first["release"]} == first, "only a release for the snapshot as it is now is new"
    assert Home(home_copy).store.read("docids").sort_by("docid").equals(docids)


def test_a_tampered_release_is_refused(home_copy: Path) -> None:
    file = Registry(home_copy).release("r1").folder / "docids.json"
    file.chmod(0o644)
    file.write_text(file.read_text().replace("0", "1", 1))
    for command in (("search", "bees"), ("show", "r1")):
        with pytest.raises(BrokenRelease, match=r"docids\.json differs"):
            call(*command, home=home_copy)


def test_a_champion_whose_files_are_gone_is_named(home_copy: Path) -> None:
    shutil.rmtree(Registry(home_copy).release("r1").folder)
    for command in (("search", "bees"), ("status",)):
        with pytest.raises(BrokenRelease, match=r"\.json is missing"):
            call(*command, home=home_copy)


def test_a_search_needs_neither_the_database_nor_its_import(home_copy: Path) -> None:
    call("search", "descale the espresso machine", home=home_copy)
    shutil.rmtree(home_copy / "lance")
    arguments = ["search", "descale the espresso machine", "--json", "--home", str(home_copy)]
    script = (
        "import sys; from genret_ops.cli import app; app(sys.argv[1:], standalone_mode=False); "
        "heavy = {'lancedb', 'dagster', 'peft'} & sys.modules.keys(); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["hits"][0]["doc_id"] == "coffee.md"


def test_a_release_of_another_version_says_so(home_copy: Path) -> None:
    file = Registry(home_copy).release("champion").folder / "search.json"
    search = json.loads(file.read_text())
    file.chmod(0o644)
    file.write_text(json.dumps({name: value for name, value in search.items() if name != "retrieval"}))
    with pytest.raises(BrokenRelease, match="another version of genret-ops"):
        read_search(file.parent)


def test_an_error_is_one_message_without_a_traceback(genret_process: Genret, tmp_path: Path) -> None:
    done = genret_process("search", "anything", home=tmp_path / "nowhere", code=1)
    assert done.stdout == ""
    assert re.fullmatch(r"genret: no home at .*genret init.*\n", done.stderr)
    assert genret_process("search", "x", "--filter", "team", home=tmp_path, code=2).stdout == ""


def test_without_a_source_no_home_is_made(tmp_path: Path) -> None:
    with pytest.raises(GenretError, match=r"no home at .*nowhere: run `genret init`"):
        call("ingest", home=tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_what_lies_between_two_releases_is_named(home_copy: Path, tmp_path: Path) -> None:
    """Documents that came, by name as far as that helps, and when each event was, also where lines are short."""
    for number in range(7):
        (tmp_path / f"tide-{number}.md").write_text(f"# Tide {number}\n\nThe ferry waits for tide {number}.")
    call("ingest", *(str(tmp_path / f"tide-{number}.md") for number in range(7)), home=home_copy)
    shown = call("diff", "r1", "champion", home=home_copy)
    assert "7 added" in shown and "tide-4.md" in shown and "tide-5.md" not in shown and "2 more" in shown
    at = Registry(home_copy).events("promoted")[-1].at[:19].replace("T", " ")
    assert at in call("history", home=home_copy)


def test_ctrl_c_ends_in_one_message_too() -> None:
    script = """
import sys
from genret_ops import cli

@cli.app.command()
def works() -> None:
    raise KeyboardInterrupt

sys.argv = ["genret", "works"]
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "Stopped.\n"


def test_nothing_to_search_or_to_build_says_what_to_do(tmp_path: Path) -> None:
    call("init", home=tmp_path)
    assert result("status", home=tmp_path)["next"] == "genret ingest SOURCE"
    with pytest.raises(NothingToSearch, match="genret ingest SOURCE"):
        call("search", "bees", home=tmp_path)
    for command in ("build", "ingest"):
        with pytest.raises(GenretError, match="genret ingest"):
            call(command, home=tmp_path)
    assert not (tmp_path / "dagster").exists()


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "genret.toml").write_text("[training]\nsteps = 0\n")
    with pytest.raises(GenretError, match=r"training\.steps: .*greater than or equal to 1"):
        call("status", home=tmp_path)
    (tmp_path / "genret.toml").write_text("[training\n")
    with pytest.raises(GenretError, match="cannot be read"):
        call("status", home=tmp_path)


def test_the_settings_file_names_every_default(tmp_path: Path) -> None:
    (tmp_path / "genret.toml").write_text(settings_text())
    assert Settings.load(tmp_path).hash() == Settings().hash()
    (tmp_path / "genret.toml").write_text(re.sub(r"(?m)^# (\w+ = )", r"\1", settings_text()))
    assert Settings.load(tmp_path).hash() == Settings().hash()
    (tmp_path / "genret.toml").write_text(settings_text().replace("# steps = 200", "steps = 7"))
    assert Settings.load(tmp_path).training.steps == 7


def test_help_is_there_at_once() -> None:
    script = "import sys, genret_ops.cli; print(' '.join({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "typer" in loaded
    assert not {"torch", "dagster", "lancedb", "pydantic", "numpy", "transformers"}.intersection(loaded)
    assert "genret ingest SOURCE" in CliRunner().invoke(app, ["--help"]).stdout
