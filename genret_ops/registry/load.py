"""Open a release for search: what an alias or a number points at, verified, on its corpus head."""

from genret_ops.corpus.head import CorpusHead
from genret_ops.errors import NothingToSearch
from genret_ops.home import Home
from genret_ops.registry.content import verify
from genret_ops.registry.registry import Registry, Release
from genret_ops.retrieval.index import Index
from genret_ops.retrieval.model import load_model
from genret_ops.retrieval.retriever import Retriever


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
    folder = home.lexical(release.head["snapshot"], release.head["tables"]["documents"])
    index = Index.open(head, home.settings.retrieval, folder)
    return release, Retriever(index, load_model(release.folder))
