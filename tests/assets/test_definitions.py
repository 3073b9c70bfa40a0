"""What Dagster sees: the definitions load, the chain is the one that was designed, and nothing bad is materialised."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from assets.definitions import defs
from assets.jobs import jobs as launchable
from assets.lib.resources import LOCKS, StageResource
from assets.stage_jobs import assets, data_checks, resources
from genret_ops.errors import GenretError

ROOT = Path(__file__).parents[2]
CHAIN = {
    "snapshot": set[str](),
    "delta": {"snapshot"},
    "metadata": {"snapshot"},
    "passages": {"delta", "metadata"},
    "docids": {"passages"},
    "genesis_rows": {"docids"},
    "generated_queries": {"docids"},
    "synthetic_queries": {"docids", "generated_queries"},
    "identifiers": {"docids", "genesis_rows", "generated_queries"},
    "sft_adapter": {"genesis_rows", "synthetic_queries", "identifiers"},
    "preference_pairs": {"sft_adapter"},
    "rpo_adapter": {"preference_pairs"},
    "fusion_weights": {"rpo_adapter"},
    "model_release": {"fusion_weights"},
    "gate": {"model_release"},
    "champion": {"gate"},
}
CHAIN_OF_INGEST = list(CHAIN)[:5]
FAST = {"patch_release": {"docids"}}
CHECKED = {"snapshot", "metadata", "passages", "synthetic_queries", "preference_pairs", "fusion_weights"}
"""Stages beside which a check stands; docids, which commit, have theirs within."""
NIGHTLY = {"champion_report": {"champion"}}
IN_TIME = "champion_learned_in_time"


def test_definitions_load() -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_chain_is_the_designed_one() -> None:
    graph = defs.resolve_asset_graph()
    parents = {
        node.key.to_user_string(): {parent.to_user_string() for parent in node.parent_keys}
        for node in graph.asset_nodes
    }
    assert parents == CHAIN | FAST | NIGHTLY


def test_every_stage_is_described_versioned_and_partitioned_by_delta() -> None:
    for node in defs.resolve_asset_graph().asset_nodes:
        assert node.description and node.code_version, node.key
        assert isinstance(node.partitions_def, dg.DynamicPartitionsDefinition)
        assert node.partitions_def.name == "deltas"


def test_the_jobs_share_the_chain_out() -> None:
    names = ("update", "patch", "build", "evaluate")
    jobs = {name: {node.name for node in defs.resolve_job_def(f"{name}_stages").nodes} for name in names}
    checks = {"snapshot_data", "metadata_data", "passages_data"}
    assert jobs["update"] == {*CHAIN_OF_INGEST, *FAST, *checks, IN_TIME}
    assert jobs["patch"] == set(FAST)
    assert jobs["build"] == {*list(CHAIN)[5:], *(f"{stage}_data" for stage in CHECKED - set(CHAIN_OF_INGEST)), IN_TIME}
    assert jobs["evaluate"] == {*NIGHTLY, IN_TIME}


def test_every_job_names_its_locks_and_says_what_can_be_set() -> None:
    locks = {job.name: job.tags.get(LOCKS) for job in defs.resolve_all_job_defs() if not job.name.startswith("__")}
    stages = {"update_stages": "corpus", "patch_stages": "corpus", "build_stages": "training"}
    assert locks == stages | {"evaluate_stages": "evaluation"} | {job.name: None for job in launchable}
    for job in launchable:
        (node,) = job.nodes
        fields = node.definition.config_schema.config_type.fields  # type: ignore[union-attr]
        assert job.description and all(field.description for field in fields.values())
        assert [name for name, field in fields.items() if field.is_required] == (
            ["document"] if job.name == "erase" else []
        )


def test_every_data_check_blocks_and_is_described() -> None:
    specs = [spec for check in (*data_checks, *assets) for spec in check.check_specs]
    assert {spec.asset_key.to_user_string() for spec in specs} == {*CHECKED, "docids"}
    assert all(spec.blocking and spec.description for spec in specs)


def refusal(home: Path, stage: str, delta: str) -> str:
    """What materialising one stage of a delta of a home is refused with."""
    with dg.instance_for_test() as instance, pytest.raises(GenretError) as refused:
        instance.add_dynamic_partitions("deltas", [delta])
        dg.materialize(
            assets,
            selection=stage,
            partition_key=delta,
            instance=instance,
            resources=resources | {"home": StageResource(path=str(home))},
        )
    return str(refused.value)


def test_a_stage_whose_input_was_never_made_says_so(tmp_path: Path) -> None:
    assert "snapshot of delta-00000 was never materialised" in refusal(tmp_path, "passages", "delta-00000")


def test_a_committed_delta_is_never_written_again(ingested_home: Path) -> None:
    assert "committed and never changes" in refusal(ingested_home, "snapshot", "delta-00000")


def test_no_delta_is_left_out(ingested_home: Path) -> None:
    assert "leave a gap, delta-00001 is next" in refusal(ingested_home, "snapshot", "delta-00007")


def test_the_workspace_file_loads() -> None:
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "dagster_workspace.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
