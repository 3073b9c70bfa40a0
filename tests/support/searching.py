"""What a retriever gives in every mode."""

from pathlib import Path

from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.retrieval.retriever import Retriever

MODES = ("hybrid", "generative", "lexical", "dense")


def everything(retriever: Retriever, mode: str = "dense") -> set[str]:
    """Ids of all documents that a mode can return."""
    return {hit.doc_id for hit in retriever.search("the", 10_000, mode).hits}


def opened(home: Path, name: str | int = "champion") -> Retriever:
    return open_release(Home(home), name)[1]
