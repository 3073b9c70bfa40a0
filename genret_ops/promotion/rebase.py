"""A release on another corpus head than the one it was made on: what came since gets rows, what left is gone."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from genret_ops.promotion.gate import judge_patch
from genret_ops.registry.artifacts import read_manifest
from genret_ops.registry.publish import publish_patch
from genret_ops.registry.store import Registry, Release
from genret_ops.registry.verdict import Verdict
from genret_ops.retrieval.artifacts import read_search
from genret_ops.retrieval.index import Index
from genret_ops.settings import RetrievalSettings, Settings
from genret_ops.storage.home import Home
from genret_ops.training.dataset import genesis_rows


def rebase(
    home: Home, registry: Registry, release: Release, record: Mapping[str, Any], run_id: str, actor: str
) -> tuple[Release, Verdict, int]:
    """(the release on the snapshot of `record`, its light verdict, texts encoded); registered and judged, not promoted.

    Raises:
        GenretError: the head's docids do not begin with those that the release learned.
    """
    settings = Settings.model_validate(read_manifest(release.folder)["settings"])
    search = read_search(release.folder)
    index, known = Index.open(home, record, RetrievalSettings(**search.retrieval)), search.known
    docids = [docid for docid in np.flatnonzero(index.head.live).tolist() if docid not in known]
    genesis, encoded = genesis_rows(home.path, index.head, settings, docids=docids)
    patch = publish_patch(home, record, index.head, release, docids, genesis, run_id, actor)
    verdict = judge_patch(index, patch, since=int(release.head["docids"]))
    registry.record_verdict(patch.number, verdict, actor)
    return patch, verdict, encoded
