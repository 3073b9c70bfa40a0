"""The fast update: what came since the last training is searchable in seconds, without any training."""

import dagster as dg

from assets.corpus import docids
from assets.home import HomeResource, actor, deltas


@dg.asset(partitions_def=deltas, group_name="fast_update", code_version="1", deps=[docids], kinds={"numpy"})
def fresh_rows(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult[None]:
    """Frozen encodings of the passages that the champion has not learned; a text is encoded once ever."""
    from genret_ops.registry.content import read_manifest
    from genret_ops.registry.registry import CHAMPION, Registry
    from genret_ops.retrieval.model import read_search
    from genret_ops.settings import Settings
    from genret_ops.store import file_hash
    from genret_ops.training import prepare

    delta = context.partition_key
    champion = Registry(home.home.path).release(CHAMPION)
    learned = read_search(champion.folder).learned
    settings = Settings.model_validate(read_manifest(champion.folder)["settings"])
    rows, encoded = prepare.genesis_rows(home.home.path, home.head(delta), settings, first=learned)
    folder = home.home.work(delta) / "fresh"
    folder.mkdir(parents=True, exist_ok=True)
    rows.save(folder)
    return dg.MaterializeResult(
        metadata={
            "on": f"r{champion.number}",
            "learned docids": learned,
            "fresh docids": len(rows),
            "texts encoded": encoded,
        },
        data_version=dg.DataVersion(file_hash(folder / "rows.npy")[:32]),
    )


@dg.asset(partitions_def=deltas, group_name="fast_update", code_version="1", deps=[fresh_rows])
def patch_release(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult[None]:
    """The champion's model on the new corpus head, with rows for what is new; promoted at once."""
    from genret_ops.modeling.rows import Rows
    from genret_ops.registry.publish import publish_patch
    from genret_ops.registry.registry import CHAMPION, Registry

    delta = context.partition_key
    registry = Registry(home.home.path)
    champion = registry.release(CHAMPION)
    record = home.home.store.committed(delta)
    genesis = Rows.load(home.home.work(delta) / "fresh")
    release = publish_patch(home.home, record, home.head(delta), champion, genesis, context.run.run_id, actor())
    registry.promote(release.number, actor(), "genret ingest", expected=champion.number)
    return dg.MaterializeResult(
        metadata={
            "release": f"r{release.number}",
            "on": f"r{champion.number}",
            "content hash": release.content_hash,
            "files": dg.MetadataValue.path(release.folder),
        },
        data_version=dg.DataVersion(release.content_hash[:32]),
    )
