"""The fast update: what came since the last training is searchable in seconds, without any training."""

import dagster as dg

from assets.corpus import docids
from assets.home import HomeResource, deltas
from assets.views import criteria
from genret_ops.home import actor


@dg.asset(partitions_def=deltas, group_name="fast_update", code_version="1", deps=[docids], kinds={"numpy"})
def patch_release(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult[None]:
    """The champion's model on the newest corpus head, with rows for what is new: judged lightly, promoted at once."""
    from genret_ops.registry.rebase import rebase
    from genret_ops.registry.registry import CHAMPION, Registry

    registry = Registry(home.home.path)
    champion = registry.alias(CHAMPION)
    on = registry.release(home.parent or CHAMPION)
    record = home.home.store.committed(context.partition_key)
    release, verdict, encoded = rebase(home.home, registry, on, record, context.run.run_id, actor())
    registry.promote(release.number, actor(), home.reason, expected=champion, waiver=home.waiver or None)
    return dg.MaterializeResult(
        metadata={
            "release": release.number,
            "on": f"r{on.number}",
            "texts encoded": encoded,
            "gate": criteria(verdict),
            "content hash": release.content_hash,
            "files": dg.MetadataValue.path(release.folder),
        },
        data_version=dg.DataVersion(release.content_hash[:32]),
    )
