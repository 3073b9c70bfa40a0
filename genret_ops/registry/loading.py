"""Open a release for search: verified, on its corpus head, as a retriever."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from genret_ops.corpus.view import CorpusView
from genret_ops.corpus.visibility import VisibilityReader
from genret_ops.errors import BrokenRelease, NothingToSearch
from genret_ops.identifiers.codes import CODEBOOKS, Codebooks
from genret_ops.modeling.causal.model import WritableDocids
from genret_ops.modeling.docid_head import RowScorer, finished_rows, fresh_rows
from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import query_encoder
from genret_ops.registry.home import Home
from genret_ops.registry.store import Release
from genret_ops.retrieval.artifacts import ADAPTER, WRITER, Model, load_model, read_identifiers, read_search
from genret_ops.retrieval.index import Index
from genret_ops.retrieval.index_cache import open_or_make_index
from genret_ops.retrieval.retriever import Retriever
from genret_ops.settings import Settings
from genret_ops.storage.home import PACKED
from genret_ops.storage.language_models import load_tokenizer
from genret_ops.training.causal.identifiers import code_identifiers, identifiers_of, keyword_identifiers
from genret_ops.training.dataset import genesis_rows


def open_release(home: Home, name: str | int = "champion", beside: Index | None = None) -> tuple[Release, Retriever]:
    """A release and a retriever over it.

    Args:
        home: the home that holds it.
        name: a number, an alias or the beginning of a content hash.
        beside: an open index, whose arrays are shared if it has the same corpus head.

    Raises:
        NothingToSearch: the home holds no release yet, or none of that name.
        BrokenRelease: a file of the release is not what was sealed.

    Example:
        >>> release, retriever = open_release(Home(Path(".genret")))
        >>> retriever.search("copy a whole directory tree", k=3).hits[0].doc_id
        'shutil.copytree'
    """
    if not home.registry.releases():
        raise NothingToSearch(_nothing_to_search(home))
    release = home.registry.release(name)
    home.registry.verify(release)
    index = release_index(home, release, beside)
    if json.loads((release.folder / "docids.json").read_text()) != [p.passage_id for p in index.head.passages]:
        raise BrokenRelease(f"{release.name} has other passages than its corpus head: run `genret build`")
    return release, Retriever(index, load_model(release.folder), VisibilityReader(home.path))


def _nothing_to_search(home: Home) -> str:
    """Why nothing can be searched in a home without a release, and what to do."""
    if (home.path / PACKED).exists():
        return f"{home.path} is a packed release: run `genret serve --home {home.path}`"
    if home.is_locked("training"):
        return f"{home.path} holds no release yet: wait until the build that is under way ends"
    return f"{home.path} holds no release yet: run `genret ingest SOURCE`"


def release_index(home: Home, release: Release, beside: Index | None = None) -> Index:
    """The index of a release's corpus head under the retrieval settings that the release fixes."""
    settings = read_search(release.folder).retrieval_settings
    return open_or_make_index(home, release.head, settings, beside)


def untrained_model(home: Path, head: CorpusView, settings: Settings) -> Model:
    """The model of a corpus head before any training: the genesis encoder, its rows, and the fusion of many corpora.

    Args:
        home: the home folder, whose cache holds what was encoded before.
        head: the corpus head.
        settings: the encoder and its rows.
    """
    rows, _ = genesis_rows(home, head, settings)
    return Model.untuned(query_encoder(settings.model), rows, settings.model.scale, head.live)


def unlearned_rows(home: Path, release: Release, head: CorpusView, docids: Sequence[int]) -> tuple[Rows, int]:
    """Finished rows of docids that the model of a release has not learned, as it makes them.

    Args:
        home: the home folder, whose cache holds what was encoded before.
        release: the release.
        head: the corpus head.
        docids: the docids, ascending.

    Returns:
        The rows, and how many texts had to be encoded for them.
    """
    search = read_search(release.folder)
    adapter = adapter_of_rows(release)
    rows, encoded = genesis_rows(home, head, release.manifest().trained_under(), docids=docids, adapter=adapter)
    return fresh_rows(release.folder, rows, search.scale), encoded


def adapter_of_rows(release: Release) -> Path | None:
    """The adapter with which the encoder of a release reads passages; None outside the dense family."""
    return release.folder / ADAPTER if read_search(release.folder).adapted_rows else None


def identifiers_on(
    release: Release, head: CorpusView, snapshot: str, vectors: Callable[[Sequence[int]], np.ndarray]
) -> pa.Table:
    """What the language model of a causal release writes on another head: new docids get identifiers like the others.

    Args:
        release: the release.
        head: the other head.
        snapshot: name of the head, which stands beside new identifiers.
        vectors: gives the encodings of docids, shape (docids, dimension).

    Returns:
        The rows of all docids of the head, under `identifiers.written.SCHEMA`.
    """
    causal, codebooks = release.manifest().trained_under().causal, release.folder / WRITER / CODEBOOKS
    if causal.identifiers == "codes":
        make = code_identifiers(Codebooks.load(codebooks), vectors)
    else:
        make = keyword_identifiers(load_tokenizer(causal.model))
    return identifiers_of(head, snapshot, make, read_identifiers(release.folder))


def model_on(home: Path, release: Release, head: CorpusView) -> Model:
    """The model of a release on another head of its generation, whether that head has more docids or fewer.

    A docid that the model learned keeps its row; every other docid that is live on `head` gets the row of a new one.
    """
    model, search = load_model(release.folder), read_search(release.folder)
    rows = finished_rows(release.folder)
    if others := [docid for docid in np.flatnonzero(head.live).tolist() if docid not in search.known]:
        rows = rows.merged(unlearned_rows(home, release, head, others)[0], np.array(others))
    rows = rows.padded(len(head)).first(len(head))
    neighbours, writer = model.neighbours.updated(rows.bodies(), head.live), model.writer
    if writer is not None:
        names = identifiers_on(release, head, release.delta, lambda docids: rows.bodies()[docids])
        writer = replace(writer, writable=WritableDocids.of(names))
    return replace(model, scorer=RowScorer(rows, search.scale), neighbours=neighbours, writer=writer)
