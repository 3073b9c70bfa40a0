"""A release on another corpus head than the one it was made on: what came since gets rows, what left is gone."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from genret_ops.corpus.head import CorpusHead
from genret_ops.home import Home
from genret_ops.registry.content import read_manifest
from genret_ops.registry.gate import judge_patch
from genret_ops.registry.publish import publish_patch
from genret_ops.registry.registry import Registry, Release
from genret_ops.registry.verdict import Verdict
from genret_ops.retrieval.model import read_search
from genret_ops.settings import Settings
from genret_ops.training.prepare import genesis_rows


def rebase(
    home: Home, registry: Registry, release: Release, record: Mapping[str, Any], run_id: str, actor: str
) -> tuple[Release, Verdict, int]:
    """(the release on the snapshot of `record`, its light verdict, texts encoded); registered and judged, not promoted.

    Raises:
        GenretError: the head's docids do not begin with those that the release learned.
    """
    settings = Settings.model_validate(read_manifest(release.folder)["settings"])
    head = CorpusHead.load(home.store, record)
    known = read_search(release.folder).known
    docids = [docid for docid in np.flatnonzero(head.live).tolist() if docid not in known]
    genesis, encoded = genesis_rows(home.path, head, settings, docids=docids)
    patch = publish_patch(home, record, head, release, docids, genesis, run_id, actor)
    verdict = judge_patch(home, patch, home.settings.gate)
    registry.record_verdict(patch.number, verdict, actor)
    return patch, verdict, encoded
