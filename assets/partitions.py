"""The partitions: one for each delta, in the order in which they are committed."""

import dagster as dg

from assets.lib.resources import StageResource
from genret_ops.errors import GenretError

deltas = dg.DynamicPartitionsDefinition(name="deltas")


def require_next_delta(context: dg.AssetExecutionContext, home: StageResource) -> str:
    """The run's delta, which must be the next one: a committed one never changes, and none is left out.

    Raises:
        GenretError: it is any other.
    """
    from genret_ops.corpus.delta import next_delta_name

    name, names = str(context.partition_key), home.home.store.snapshots()
    if name in names:
        raise GenretError(f"{name} is committed and never changes: `genret ingest` or the job `update` makes the next")
    if name != (due := next_delta_name(names)):
        raise GenretError(f"{name} would leave a gap, {due} is next: `genret ingest` or the job `update` makes it")
    return name
