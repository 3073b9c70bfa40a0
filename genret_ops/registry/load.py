"""Open a release for search: what an alias or a number points at, verified, on its corpus head."""

import json

from genret_ops.corpus.live import LiveDocuments
from genret_ops.errors import BrokenRelease, NothingToSearch
from genret_ops.home import Home
from genret_ops.registry.content import verify
from genret_ops.registry.registry import Registry, Release
from genret_ops.retrieval.index import Index
from genret_ops.retrieval.model import load_model, read_search
from genret_ops.retrieval.retriever import Retriever
from genret_ops.settings import RetrievalSettings


def open_release(home: Home, name: str | int = "champion") -> tuple[Release, Retriever]:
    """A release and a retriever over it.

    Raises:
        NothingToSearch: the home holds no release, or none of that name.
        BrokenRelease: a file of the release is not what was sealed.
    """
    if not (home.path / "registry.db").exists():
        raise NothingToSearch(f"{home.path} has nothing to search yet: run `genret ingest SOURCE`, then `genret build`")
    release = Registry(home.path).release(name)
    verify(release.folder)
    settings = RetrievalSettings(**read_search(release.folder).retrieval)
    index = Index.open(home, release.head, settings)
    known = json.loads((release.folder / "docids.json").read_text())
    if known != [passage.passage_id for passage in index.head.passages]:
        raise BrokenRelease(f"r{release.number} was trained on other passages than its corpus head has: build again")
    return release, Retriever(index, load_model(release.folder), LiveDocuments(home.path))
