"""The learned side of a search, and its files in the folder of a release.

`adapter/` holds LoRA, `head.safetensors` the map A and the residuals, `rows.npy` and `starts.npy` the finished rows,
`docids.json` the passage id of each docid, and `search.json` what the release fixes for every search
(`SearchSettings`). Docids that came after the training have their rows in `fresh-rows.npy` and `fresh-starts.npy`,
their numbers in `fresh-docids.npy`; so have all docids of a release that was never trained, which has no adapter. In
the dense family the encoder wrote all rows with the adapter in it, and map and residuals are those of no training. A
release of the causal family has the rows of the untrained encoder, what its language model learned in
`writer/adapter/`, and what this writes for each docid in `identifiers.arrow` (identifiers/written.py); if these
are codes, `writer/codebooks.npz` makes more of them.
`neighbours-docids.npy` and `neighbours-similarities.npy` are the graph of passages (neighbours.py), `labelled.json` and
`labelled.npy` the questions that users answered (labelled.py). This module does not know the registry, which seals such
a folder.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import feather

from genret_ops.errors import BrokenRelease
from genret_ops.identifiers.codes import CODEBOOKS
from genret_ops.modeling.causal.model import CausalModel, WritableDocids
from genret_ops.modeling.causal.prompts import VERSION
from genret_ops.modeling.docid_head import FRESH, DocidHead, RowScorer
from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import Encoder
from genret_ops.modeling.encoder_files import PACKAGED, encoder_hash
from genret_ops.records import Mode, canonical_json
from genret_ops.retrieval.features import FEATURES, LEXICAL
from genret_ops.retrieval.fusion import Fusion, prior
from genret_ops.retrieval.labelled import LabelledQuestions
from genret_ops.retrieval.neighbours import NeighbourGraph
from genret_ops.retrieval.writing import Writer
from genret_ops.settings import CausalSettings, RetrievalSettings
from genret_ops.storage.files import file_hash, link
from genret_ops.storage.language_model_files import language_model_hash

SEARCH_FILE = "search.json"
DEFAULT_MODE: Mode = "hybrid"
"""The mode for searches that name none, unless held-out queries know better."""
HEAD = "head.safetensors"
ADAPTER = "adapter"
"""Folder of what the encoder of a release learned."""
IDENTIFIERS = "identifiers.arrow"
"""What the language model of a release writes for each docid of its head."""
WRITER = "writer"
"""Folder of what the language model of a release learned: `adapter/`."""
_LEARNED = (HEAD, "rows.npy", "starts.npy", SEARCH_FILE)
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class Model:
    """The learned side of a search: from queries to logits of every docid.

    Attributes:
        encoder: the query encoder, with the adapter in it.
        scorer: the finished rows.
        neighbours: the nearest passages of every docid.
        labelled: the questions that users answered.
        fusion: weights of every feature.
        lexical_fusion: weights of the features of words alone.
        default_mode: the mode for searches that name none.
        known: the docids that the training knew; all others are fresh.
        writer: the language model that writes docids; None outside the causal family.
    """

    encoder: Encoder
    scorer: RowScorer
    neighbours: NeighbourGraph
    labelled: LabelledQuestions
    fusion: Fusion
    lexical_fusion: Fusion
    default_mode: str
    known: frozenset[int]
    writer: Writer | None = None

    @classmethod
    def untuned(cls, encoder: Encoder, rows: Rows, scale: float, live: np.ndarray) -> "Model":
        """A model under the prior that has learned no docid and remembers no label.

        Args:
            encoder: the query encoder.
            rows: the finished rows of every docid.
            scale: factor on the cosine.
            live: which docids are live, shape (docids,).
        """
        graph, labelled = NeighbourGraph.build(rows.bodies(), live), LabelledQuestions.none()
        return cls(encoder, RowScorer(rows, scale), graph, labelled, *prior(), DEFAULT_MODE, frozenset())

    def with_rows(self, rows: Rows, live: np.ndarray) -> "Model":
        """The same model with other rows, and the graph of neighbours that they make.

        Args:
            rows: the finished rows of every docid.
            live: which docids are live, shape (docids,).
        """
        scorer, graph = RowScorer(rows, self.scorer.scale), NeighbourGraph.build(rows.bodies(), live)
        return replace(self, scorer=scorer, neighbours=graph)


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """What a release of the causal family fixes of its language model.

    Attributes:
        model: its name or path.
        weights: hash of its files.
        prompts: version of the prompts that it was trained on.
        prompt_tokens: how many tokens of a text it reads.
        beams: how many docids it writes for a text at most.
        share: how much what it writes counts in `hybrid`.
    """

    model: str
    weights: str
    prompts: int
    prompt_tokens: int
    beams: int
    share: float


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """What a release fixes for every search: stored as `search.json`, part of the content hash.

    Attributes:
        encoder: name or path of the encoder.
        encoder_hash: hash of its weights.
        query_tokens: how many tokens of a query it reads.
        query_prompt: the text before every query; releases of before had none.
        adapted_rows: whether the encoder wrote the rows with its adapter: the dense family.
        writer: the language model that writes docids; None outside the causal family.
        scale: scale of the logits.
        fusion: weights of every feature.
        lexical_fusion: weights of the features of words alone.
        default_mode: the mode for searches that name none.
        trained_on: the snapshot of the training; "" if there was none.
        learned: how many docids there were at the training.
        absent: which of them had no live passage then.
        retrieval: the settings of retrieval.
    """

    encoder: str
    encoder_hash: str
    query_tokens: int
    scale: float
    fusion: Mapping[str, float]
    lexical_fusion: Mapping[str, float]
    default_mode: str
    trained_on: str
    learned: int
    absent: Sequence[int]
    retrieval: Mapping[str, Any]
    query_prompt: str = ""
    adapted_rows: bool = False
    writer: WriterSettings | None = None

    @property
    def known(self) -> frozenset[int]:
        """The docids that the training knew."""
        return frozenset(range(self.learned)).difference(self.absent)

    @property
    def retrieval_settings(self) -> RetrievalSettings:
        """The settings of retrieval, as an index takes them."""
        return RetrievalSettings(**self.retrieval)


def write_model(
    trained: Path, folder: Path, rows: Rows, passage_ids: Sequence[str], live: np.ndarray, search: SearchSettings
) -> None:
    """Lay out a trained model of the compact or the dense family as the files of a release.

    Args:
        trained: folder of the training's output, with adapter and head.
        folder: the new folder.
        rows: the finished rows of all docids.
        passage_ids: the passage id of each docid.
        live: which docids are live, shape (docids,).
        search: what the release fixes for every search.
    """
    folder.mkdir(parents=True)
    shutil.copyfile(trained / HEAD, folder / HEAD)
    _copy_adapter(trained / ADAPTER, folder / ADAPTER)
    _write_rows(folder, rows, passage_ids, live, search)


def write_untrained(
    folder: Path, rows: Rows, passage_ids: Sequence[str], live: np.ndarray, search: SearchSettings
) -> None:
    """Lay out the encoder as it comes, with rows that nothing has moved; for no docid, `extend_model` adds all.

    Args:
        folder: the new folder.
        rows: the genesis rows of all docids.
        passage_ids: the passage id of each docid.
        live: which docids are live, shape (docids,).
        search: what the release fixes for every search.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    unmoved = DocidHead(Rows.stack([], rows.vectors.shape[1]), search.scale)
    save_file(unmoved.state_dict(), folder / HEAD)
    _write_rows(folder, rows, passage_ids, live, search)


def write_writer(adapter: Path, folder: Path, identifiers: pa.Table, codebooks: Path | None) -> None:
    """Add a language model to the files of a release.

    Args:
        adapter: folder of its LoRA adapter.
        folder: the folder of the release.
        identifiers: what it writes for each docid, under `identifiers.written.SCHEMA`.
        codebooks: file of the codebooks that made these; None if they are keywords.
    """
    _copy_adapter(adapter, folder / WRITER / "adapter")
    if codebooks:
        shutil.copyfile(codebooks, folder / WRITER / CODEBOOKS)
    _write_identifiers(folder, identifiers)


def _write_identifiers(folder: Path, identifiers: pa.Table) -> None:
    feather.write_feather(identifiers.combine_chunks(), str(folder / IDENTIFIERS), compression="uncompressed")


def _copy_adapter(source: Path, target: Path) -> None:
    """Copy the files of an adapter; those of its configuration in one order, so that its hash says what it learned."""
    target.mkdir(parents=True)
    shutil.copyfile(source / WEIGHTS, target / WEIGHTS)
    (target / CONFIG).write_text(canonical_json(json.loads((source / CONFIG).read_text())))


def _write_rows(folder: Path, rows: Rows, passage_ids: Sequence[str], live: np.ndarray, search: SearchSettings) -> None:
    rows.save(folder)
    (NeighbourGraph.build(rows.bodies(), live) if len(rows) else NeighbourGraph.empty(0)).save(folder)
    (folder / "docids.json").write_text(json.dumps(list(passage_ids)))
    (folder / SEARCH_FILE).write_text(canonical_json(asdict(search)))


def extend_model(
    parent: Path,
    folder: Path,
    fresh: Rows,
    docids: Sequence[int],
    passage_ids: Sequence[str],
    live: np.ndarray,
    identifiers: pa.Table | None = None,
) -> None:
    """Lay out the model of another release with more docids; what it learned is shared by hard links.

    Args:
        parent: folder of the other release.
        folder: the new folder.
        fresh: finished rows of `docids`.
        docids: every live docid that `parent` did not learn.
        passage_ids: the passage id of each docid, learned or not.
        live: which docids are live, shape (docids,).
        identifiers: what its language model writes for each docid, if it has one.
    """
    folder.mkdir(parents=True)
    for name in (ADAPTER, WRITER, *_LEARNED):
        if (parent / name).exists():
            link(parent / name, folder / name)
    if len(fresh):
        fresh.save(folder, FRESH)
        np.save(folder / f"{FRESH}docids.npy", np.asarray(docids, dtype=np.int64))
    (folder / "docids.json").write_text(json.dumps(list(passage_ids)))
    if identifiers is not None:
        _write_identifiers(folder, identifiers)
    bodies = RowScorer.load(folder, scale=1.0).bodies(np.arange(len(passage_ids)))
    _read_neighbours(parent).updated(bodies, live).save(folder)


def _read_neighbours(folder: Path) -> NeighbourGraph:
    """The graph of a release folder; one of before there were graphs has one without edges, until it is patched."""
    try:
        return NeighbourGraph.load(folder)
    except FileNotFoundError:
        return NeighbourGraph.empty(len(_read(folder, "docids.json")))


def read_search(folder: Path) -> SearchSettings:
    """What a release folder fixes for every search.

    Raises:
        BrokenRelease: another version of this software wrote it, or its files are gone.
    """
    stored = _read(folder, SEARCH_FILE)
    known = {setting.name for setting in fields(SearchSettings)}
    required = {setting.name for setting in fields(SearchSettings) if setting.default is MISSING}
    if not required <= stored.keys() <= known:
        raise BrokenRelease(f"{folder.name} was sealed by another version of genret-ops: build again")
    writer = stored.get("writer")
    return SearchSettings(**{**stored, "writer": writer and WriterSettings(**writer)})


def read_identifiers(folder: Path) -> pa.Table:
    """What the language model of a release folder writes for each docid, under `identifiers.written.SCHEMA`.

    Raises:
        BrokenRelease: the file is missing.
    """
    try:
        return feather.read_table(str(folder / IDENTIFIERS))
    except FileNotFoundError:
        raise BrokenRelease(f"{folder}: {IDENTIFIERS} is missing") from None


def learned_passages(folder: Path) -> frozenset[str]:
    """Ids of the passages that the training of a release folder knew; raises what `read_search` raises."""
    known, ids = read_search(folder).known, _read(folder, "docids.json")
    return frozenset(ids[docid] for docid in known)


def _read(folder: Path, name: str) -> Any:
    try:
        return json.loads((folder / name).read_text("utf-8"))
    except FileNotFoundError:
        raise BrokenRelease(f"{folder}: {name} is missing") from None


@dataclass(frozen=True)
class _Adapter:
    """An adapter's files; two with equal digests are equal, wherever they lie."""

    digest: str
    folder: Path = field(compare=False)

    @classmethod
    def of(cls, folder: Path) -> "_Adapter":
        """The adapter in a folder."""
        return cls(file_hash(folder / CONFIG) + file_hash(folder / WEIGHTS), folder)


@lru_cache(maxsize=2)
def _encoder(name: str, weights: str, tokens: int, prompt: str, adapter: _Adapter | None) -> Encoder:
    """An encoder, with an adapter in it if there is one; a release and its patches share it.

    `weights` is the encoder's hash.
    """
    encoder = Encoder.load(name, tokens, prompt)
    if adapter is not None:
        encoder.add_adapter(adapter.folder)
    return encoder


@lru_cache(maxsize=2)
def _language_model(name: str, weights: str, prompt_tokens: int, adapter: _Adapter) -> CausalModel:
    """A language model with an adapter in it; a release and its patches share it. `weights` is its hash."""
    return CausalModel.load(CausalSettings(model=name, prompt_tokens=prompt_tokens), adapter.folder)


def _read_writer(folder: Path, settings: WriterSettings, name: str) -> Writer:
    """The writer of a release folder, from the language model of a name or path."""
    if language_model_hash(name) != settings.weights or settings.prompts != VERSION:
        raise BrokenRelease(
            f"the language model {name} or its prompts are not those that {folder.name} was made with: put its files "
            "back, or run `genret build`"
        )
    model = _language_model(name, settings.weights, settings.prompt_tokens, _Adapter.of(folder / WRITER / "adapter"))
    return Writer(model, WritableDocids.of(read_identifiers(folder)), settings.beams, settings.share)


def load_model(folder: Path, encoder: str | None = None, language_model: str | None = None) -> Model:
    """The model of a release folder.

    Args:
        folder: the folder.
        encoder: name or path of the encoder to load, if it lies elsewhere than the release says.
        language_model: name or path of the language model, likewise.

    Raises:
        BrokenRelease: that encoder or language model is not the one that the release was made with, or a file is
            missing.
    """
    search = read_search(folder)
    name = encoder or search.encoder
    if encoder_hash(name) != search.encoder_hash:
        back = "install the version in constraints.txt" if name in PACKAGED else "put its files back"
        raise BrokenRelease(
            f"the encoder {name} is not the one that {folder.name} was made with: {back}, or run `genret build`"
        )
    fitted = Fusion(search.fusion), Fusion(search.lexical_fusion)
    same_features = search.fusion.keys() == set(FEATURES) and search.lexical_fusion.keys() == set(LEXICAL)
    fusion, lexical_fusion = fitted if same_features else prior()  # fitted before there were these features
    adapter = _Adapter.of(folder / ADAPTER) if search.trained_on and search.writer is None else None
    writer = None
    if search.writer:
        writer = _read_writer(folder, search.writer, language_model or search.writer.model)
    return Model(
        encoder=_encoder(name, search.encoder_hash, search.query_tokens, search.query_prompt, adapter),
        scorer=RowScorer.load(folder, search.scale),
        neighbours=_read_neighbours(folder),
        labelled=LabelledQuestions.load(folder),
        fusion=fusion,
        lexical_fusion=lexical_fusion,
        default_mode=search.default_mode,
        known=search.known,
        writer=writer,
    )
