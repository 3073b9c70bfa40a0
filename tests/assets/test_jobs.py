"""The jobs to launch, run as the UI runs them: they do what the verbs do, and no two of them collide."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.definitions import defs
from assets.lib.execution import instance_of
from assets.lib.runs import mentions
from genret_ops.corpus.erased import Erased
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from tests.support.locks import held_by_another

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def launched(home: Path, job: str, delta: str | None = None, **config: Any) -> tuple[bool, str, dict[str, Any]]:
    """(whether a run ended well, what it told when it did not, metadata of its output)."""
    ops = {f"{defs.resolve_job_def(job).nodes[0].name}": {"config": config}} if config else {}
    run_config = {"ops": ops, "resources": {"home": {"config": {"path": str(home)}}}, **QUIET}
    with instance_of(Home(home).dagster) as instance:
        done = defs.resolve_job_def(job).execute_in_process(
            run_config=run_config, instance=instance, partition_key=delta, raise_on_error=False
        )
    failures = [str(event.event_specific_data) for event in done.all_events if event.is_failure]
    outputs = [event.step_output_data.metadata for event in done.all_events if event.is_successful_output]
    output = {name: entry.value for metadata in outputs for name, entry in metadata.items()}
    ended_well = any(event.event_type is dg.DagsterEventType.RUN_SUCCESS for event in done.all_events)
    return ended_well, " ".join(failures), output


def test_an_update_with_nothing_new_ends_well_says_so_and_leaves_nothing(home_copy: Path) -> None:
    home = Home(home_copy)
    ended_well, _, output = launched(home_copy, "update")
    assert ended_well and output["delta"] == "nothing is new since delta-00000" and output["release"] == "r1"
    with instance_of(home.dagster) as instance:
        assert instance.get_dynamic_partitions("deltas") == ["delta-00000"] == home.store.snapshots()


def test_an_update_makes_the_next_delta_and_leaves_what_is_still_written(home_copy: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide. It never hurries.")
    ended_well, failure, output = launched(home_copy, "update", sources=[str(tmp_path / "more")])
    assert ended_well, failure
    assert (output["delta"], output["added"], output["release"]) == ("delta-00001", 1, "r2")
    assert open_release(Home(home_copy))[1].search("the ferry waits for high tide", 1).hits[0].doc_id == "tides.md"
    with instance_of(Home(home_copy).dagster) as instance:
        check = instance.get_latest_asset_check_evaluation_record(
            dg.AssetCheckKey(dg.AssetKey("champion"), "learned_in_time")
        )
        assert check is not None and isinstance(check.evaluation, dg.AssetCheckEvaluation)
        assert check.evaluation.passed and check.evaluation.metadata["fresh passages"].value == 1
    (tmp_path / "more" / "tides.md").write_text("# The harb")
    (tmp_path / "more" / "half.md").write_text("Half of a sen")
    ended_well, failure, output = launched(home_copy, "update", settle_seconds=3600.0)
    assert ended_well, failure
    assert output["delta"] == "nothing is new since delta-00001", "what is still written stays as it was"


@pytest.mark.parametrize(("job", "lock"), [("update", "corpus"), ("build", "training"), ("evaluate", "evaluation")])
def test_a_job_that_finds_a_command_at_work_is_told_to_wait(home_copy: Path, job: str, lock: str) -> None:
    message = f"another command or run holds the {lock} lock"
    with held_by_another(home_copy, lock):
        for name, delta in ((job, None), (f"{job}_stages", "delta-00000")):
            ended_well, failure, _ = launched(home_copy, name, delta)
            assert not ended_well and message in failure and "wait until it ends" in failure


def test_a_thread_holds_a_lock_once_and_others_do_not(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert not home.is_locked("corpus")
    with home.lock("corpus"), home.lock("corpus"):
        assert home.is_locked("corpus")
    assert not home.is_locked("corpus")
    with held_by_another(tmp_path, "corpus"):
        assert home.is_locked("corpus") and not home.is_locked("training")


def test_an_evaluation_leaves_a_report(home_copy: Path) -> None:
    (home_copy / "labels.jsonl").write_text('{"query": "descale it", "document": "coffee.md"}\n')
    ended_well, failure, output = launched(home_copy, "evaluate")
    assert ended_well, failure
    report = json.loads((home_copy / "reports" / "delta-00000-r1.json").read_text())
    assert report == output["report"] and report["questions"]["labels"] == 1
    assert report["MRR@10"]["labels"].keys() == {"hybrid", "generative", "lexical"}
    assert 0 < report["MRR@10"]["held out"][report["mode"]] <= 1


def test_an_erasure_takes_its_own_run_along(ingested_home: Path, tmp_path: Path) -> None:
    import shutil

    home = Path(shutil.copytree(ingested_home, tmp_path / "home"))
    ended_well, failure, _ = launched(home, "erase", document="fire.md")
    assert ended_well, failure
    assert Erased.of(home).times
    with instance_of(Home(home).dagster) as instance:
        assert not instance.get_runs(dg.RunsFilter(job_name="erase"))
    left = [path for path in home.rglob("*") if path.is_file() and b"fire.md" in path.read_bytes()]
    assert left == []


def test_a_document_is_named_by_its_id_or_its_path() -> None:
    assert mentions({"ops": {"erase_document": {"config": {"document": "a.md"}}}}, "a.md")
    assert mentions({"sources": ["/docs/a.md", "b.md"]}, "a.md")
    assert not mentions({"sources": ["/docs/ba.md"], "steps": 3}, "a.md")
