"""Open a release for search: what an alias or a number points at, verified, on its corpus head."""

import json
from dataclasses import replace

import numpy as np

from genret_ops.corpus.view import CorpusView
from genret_ops.corpus.visibility import VisibilityReader
from genret_ops.errors import BrokenRelease, NothingToSearch
from genret_ops.modeling.docid_head import RowScorer, finished_rows, fresh_rows
from genret_ops.registry.artifacts import read_manifest
from genret_ops.registry.store import Registry, Release
from genret_ops.retrieval.artifacts import load_model, read_search
from genret_ops.retrieval.index import Index, Model
from genret_ops.retrieval.retriever import Retriever
from genret_ops.settings import RetrievalSettings, Settings
from genret_ops.storage.home import Home
from genret_ops.training.dataset import genesis_rows


def model_on(home: Home, release: Release, head: CorpusView) -> Model:
    """The model of a release on another head of its generation, whichever of the two holds more docids.

    A docid that it learned has the row of then, and every other that is live there one from its map.
    """
    model, search = load_model(release.folder), read_search(release.folder)
    rows = finished_rows(release.folder)
    if others := [docid for docid in np.flatnonzero(head.live).tolist() if docid not in search.known]:
        settings = Settings.model_validate(read_manifest(release.folder)["settings"])
        genesis, _ = genesis_rows(home.path, head, settings, docids=others)
        rows = rows.with_others(fresh_rows(release.folder, genesis, search.scale), np.array(others))
    return replace(model, scorer=RowScorer(rows.padded(len(head)).first(len(head)), search.scale))


def open_release(home: Home, name: str | int = "champion", beside: Index | None = None) -> tuple[Release, Retriever]:
    """A release and a retriever over it, which shares the index `beside` if that is of the same corpus head.

    Raises:
        NothingToSearch: the home holds no release, or none of that name.
        BrokenRelease: a file of the release is not what was sealed.
    """
    if (registry := Registry.existing(home.path)) is None:
        todo = "`genret build`" if home.store.snapshots() else "`genret ingest SOURCE`, then `genret build`"
        raise NothingToSearch(f"{home.path} has nothing to search yet: run {todo}")
    release = registry.release(name)
    registry.verify(release)
    settings = RetrievalSettings(**read_search(release.folder).retrieval)
    index = Index.open(home, release.head, settings, beside)
    known = json.loads((release.folder / "docids.json").read_text())
    if known != [passage.passage_id for passage in index.head.passages]:
        raise BrokenRelease(f"r{release.number} was trained on other passages than its corpus head has: build again")
    return release, Retriever(index, load_model(release.folder), VisibilityReader(home.path))
