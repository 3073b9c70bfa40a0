"""Make a release for a corpus head without training: a patch of a release, or the untrained encoder.

New passages get rows as the model of the release makes them, and those that left are gone.

It joins publishing, which knows no gate, with the gate, which publishes nothing.
"""

from collections.abc import Callable

import numpy as np

from genret_ops.corpus.labels import read_labels
from genret_ops.progress import progress
from genret_ops.promotion.gate import LABELS_HELP, judge_patch
from genret_ops.promotion.judgments import label_questions
from genret_ops.records import SnapshotRecord
from genret_ops.registry.home import Home
from genret_ops.registry.loading import unlearned_rows
from genret_ops.registry.publish import publish_patch, publish_untrained
from genret_ops.registry.store import Release
from genret_ops.registry.verdict import Verdict
from genret_ops.retrieval.artifacts import read_search
from genret_ops.retrieval.index import Index
from genret_ops.retrieval.index_cache import open_or_make_index
from genret_ops.retrieval.labelled import remembers_labels
from genret_ops.training.dataset import genesis_rows


def release_untrained(home: Home, record: SnapshotRecord, run_id: str, actor: str) -> tuple[Release, Verdict, int]:
    """Make the first release of a home, which needs no training; registered and judged lightly, but not promoted.

    Args:
        home: the home.
        record: the committed snapshot.
        run_id: the Dagster run.
        actor: who ingests, for the trail.

    Returns:
        The release, its verdict, and how many texts had to be encoded.
    """
    index = open_or_make_index(home, record, home.settings.retrieval)
    with progress("encoding passages") as report:
        docids = np.flatnonzero(index.head.live).tolist()
        rows, encoded = genesis_rows(home.path, index.head, home.settings, progress=report, docids=docids)

    def publish(with_labels: bool) -> Release:
        return publish_untrained(home, record, index.head, rows, run_id, actor, with_labels)

    return *_judged(home, index, publish, actor), encoded


def rebase(
    home: Home, release: Release, record: SnapshotRecord, run_id: str, actor: str
) -> tuple[Release, Verdict, int]:
    """Make the patch of a release on a snapshot; it is registered and judged lightly, but not promoted.

    Args:
        home: the home.
        release: the release to patch.
        record: the committed snapshot.
        run_id: the Dagster run.
        actor: who updates, for the trail.

    Returns:
        The patch, its verdict, and how many texts had to be encoded.

    Raises:
        GenretError: the docids of the snapshot do not begin with those that the release learned.
    """
    search = read_search(release.folder)
    index = open_or_make_index(home, record, search.retrieval_settings)
    docids = [docid for docid in np.flatnonzero(index.head.live).tolist() if docid not in search.known]
    rows, encoded = unlearned_rows(home.path, release, index.head, docids)

    def publish(with_labels: bool) -> Release:
        return publish_patch(home, record, index.head, release, docids, rows, run_id, actor, with_labels)

    return *_judged(home, index, publish, actor, release), encoded


def _judged(
    home: Home, index: Index, publish: Callable[[bool], Release], actor: str, patched: Release | None = None
) -> tuple[Release, Verdict]:
    """A release that remembers the labels, with its light verdict; one that does not, if they make answers worse.

    Args:
        home: the home.
        index: the index of the release's corpus head.
        publish: makes the release, with the labels or without.
        actor: who updates, for the trail.
        patched: the release that it is a patch of. Labels that this one remembers were judged before.
    """
    since = patched.head.docids if patched else 0
    labels = read_labels(home.path)
    judged_before = patched is not None and remembers_labels(home.path, patched.folder)
    questions = [] if judged_before else label_questions(index.head, labels)
    for with_labels in (True, False):
        release = publish(with_labels)
        verdict = judge_patch(index, release, since, questions if with_labels else ())
        home.registry.record_verdict(release.number, verdict, actor)
        if all(criterion.passed for criterion in verdict.criteria if criterion.name == LABELS_HELP):
            break
    return release, verdict
