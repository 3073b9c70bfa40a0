"""The fast update: what came is searchable in seconds, without any training, before the first one too."""

import dagster as dg

from assets.corpus import docids
from assets.lib.metadata_views import criteria
from assets.lib.resources import Prefetch, StageResource
from assets.partitions import deltas
from genret_ops.storage.home import actor


@dg.asset(
    partitions_def=deltas,
    group_name="fast_update",
    code_version="1",
    deps=[docids],
    kinds={"numpy"},
)
def patch_release(
    context: dg.AssetExecutionContext, home: StageResource, prefetch: dg.ResourceParam[Prefetch]
) -> dg.MaterializeResult[None]:
    """The champion's model on the newest corpus head, with rows for what is new: lightly judged and promoted at once.

    Before the first build, the model is the encoder as it comes.
    """
    from genret_ops.promotion.rebase import rebase, release_untrained

    registry = home.home.registry
    champion = registry.champion()
    patched = champion if home.parent is None else registry.release(home.parent)
    record, run = home.home.store.committed(context.partition_key), context.run.run_id
    prefetched = prefetch.wait()  # so that no text is encoded here that is being encoded beside the stages
    if patched is None:
        release, verdict, encoded = release_untrained(home.home, record, run, actor())
    else:
        release, verdict, encoded = rebase(home.home, patched, record, run, actor())
    expected = champion.number if champion else None
    registry.promote(release.number, actor(), home.reason, expected=expected, waiver=home.waiver or None)
    return dg.MaterializeResult(
        metadata={
            "release": release.number,
            "on": patched.name if patched else "the untrained encoder",
            "texts encoded": prefetched + encoded,
            "gate": criteria(verdict),
            "content hash": release.content_hash,
            "files": dg.MetadataValue.path(release.folder),
        },
        data_version=dg.DataVersion(release.content_hash[:32]),
    )
