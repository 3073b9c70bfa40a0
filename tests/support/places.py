"""What has to be found, and what is: (document id, passage id) pairs of the files and of a search."""

from pathlib import Path

from genret_ops.corpus.chunking import cut_document
from genret_ops.ingestion.deduplication import quarantine_duplicates
from genret_ops.ingestion.readers import read_source
from genret_ops.modeling.encoder import token_count
from genret_ops.records import Document
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release

Pairs = frozenset[tuple[str, str]]


def on_disk(folder: Path, home: Path) -> Pairs:
    """Every pair that the files in `folder` hold, cut as `home` cuts them."""
    settings = Home(home).settings
    count = token_count(settings.model.encoder)
    documents = (item for item in quarantine_duplicates(read_source(str(folder))) if isinstance(item, Document))
    return frozenset(
        (document.doc_id, passage.passage_id)
        for document in documents
        for passage, _ in cut_document(document, settings.corpus, count)
    )


def searchable(home: Path, release: str | int = "champion") -> Pairs:
    """Every pair that a search which asks for everything returns."""
    _, retriever = open_release(Home(home), release)
    head = retriever.index.head
    hits = retriever.search("everything", len(head), "dense").hits
    return frozenset((doc_id, hit.passage_id) for hit in hits for doc_id in head.documents_of(hit.docid))


def unreached(home: Path) -> list[tuple[str, str]]:
    """(mode, longest sentence) of every live passage that words or the model do not find by it."""
    _, retriever = open_release(Home(home))
    head = retriever.index.head
    queries = [(docid, max(head.passages[docid].sentences, key=len)) for docid in head.live.nonzero()[0].tolist()]
    return [
        (mode, sentence)
        for docid, sentence in queries
        for mode in ("lexical", "generative")
        if docid not in {hit.docid for hit in retriever.search(sentence, 20, mode).hits}
    ]
