"""Open a release for search: what an alias or a number points at, verified, on its corpus head."""

import json

from genret_ops.corpus.head import CorpusHead
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
    head = CorpusHead.load(home.store, release.head)
    known = json.loads((release.folder / "docids.json").read_text())
    if known != [passage.passage_id for passage in head.passages]:
        raise BrokenRelease(f"r{release.number} was trained on other passages than its corpus head has: build again")
    settings = RetrievalSettings(**read_search(release.folder).retrieval)
    folder = home.lexical(release.head["snapshot"], release.head["tables"]["documents"])
    index = Index.open(head, settings, folder)
    return release, Retriever(index, load_model(release.folder))
