"""Stages materialised by hand, each call in a run of its own, as somebody may in the UI."""

import dagster as dg

from assets.lib.execution import instance_of
from assets.lib.resources import StageResource
from assets.stage_jobs import assets, data_checks, resources
from genret_ops.registry.home import Home


def materialise(home: Home, delta: str, *stages: str, checked: bool = False) -> None:
    """Materialise stages of a delta; data checks that stand beside them run only if they are to be `checked`.

    The sources of the home are joined by the folder `more` beside it, where there is one.
    """
    more = home.path.parent / "more"
    stage = StageResource(path=str(home.path), sources=[str(more)] if more.exists() else [])
    with instance_of(home.dagster) as instance:
        instance.add_dynamic_partitions("deltas", [delta])
        dg.materialize(
            [*assets, *(data_checks if checked else ())],
            selection=dg.AssetSelection.assets(*stages),
            partition_key=delta,
            instance=instance,
            resources=resources | {"home": stage},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
