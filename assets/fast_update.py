"""The fast update: what came since the last training is searchable in seconds, without any training."""

from collections.abc import Iterator

import dagster as dg

from assets.corpus import docids
from assets.lib.metadata_views import criteria
from assets.lib.resources import StageResource
from assets.partitions import deltas
from genret_ops.storage.home import actor

Made = Iterator[dg.MaterializeResult[None]]


@dg.asset(
    partitions_def=deltas,
    group_name="fast_update",
    code_version="1",
    deps=[docids],
    kinds={"numpy"},
    output_required=False,
)
def patch_release(context: dg.AssetExecutionContext, home: StageResource) -> Made:
    """The champion's model on the newest corpus head, with rows for what is new: lightly judged and promoted at once.

    Before the first build there is no model, and nothing is made.
    """
    from genret_ops.promotion.rebase import rebase

    registry = home.home.registry
    champion = registry.champion()
    if champion is None and not home.parent:
        context.log.info(
            "nothing was built yet, so there is no model to put on this snapshot: `genret build` makes the first"
        )
        return
    patched = registry.release(home.parent) if home.parent else champion
    assert patched is not None
    record = home.home.store.committed(context.partition_key)
    expected = champion.number if champion else None
    release, verdict, encoded = rebase(home.home, patched, record, context.run.run_id, actor())
    registry.promote(release.number, actor(), home.reason, expected=expected, waiver=home.waiver or None)
    yield dg.MaterializeResult(
        metadata={
            "release": release.number,
            "on": patched.name,
            "texts encoded": encoded,
            "gate": criteria(verdict),
            "content hash": release.content_hash,
            "files": dg.MetadataValue.path(release.folder),
        },
        data_version=dg.DataVersion(release.content_hash[:32]),
    )
