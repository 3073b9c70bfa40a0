"""What a finished training gives to tuning and to a release, in each family of models.

Tuning asks for the model with no part of the training, with some of it, and with more; a release is laid out with the
part that tuning chose. In the compact and the dense family a part is a point between the weights before and after; in
the dense family all passages are encoded again at each. In the causal family the encoder stays as it comes, and a part
is how much what the language model writes counts in `hybrid`.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from genret_ops.corpus.view import CorpusView
from genret_ops.evaluation.training_worth import SHARES
from genret_ops.modeling.causal.prompts import VERSION
from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import Encoder, query_encoder
from genret_ops.progress import progress
from genret_ops.retrieval.artifacts import (
    Model,
    SearchSettings,
    WriterSettings,
    write_model,
    write_untrained,
    write_writer,
)
from genret_ops.retrieval.writing import Writer
from genret_ops.storage.language_model_files import language_model_hash
from genret_ops.training.causal.job import CausalJob
from genret_ops.training.dataset import genesis_rows
from genret_ops.training.job import JobFolder, TrainingJob
from genret_ops.training.mixing import mixed

_WRITER_SHARES = (0.0, 0.5, 0.9)
"""A share of 1 would leave docids that were not written without any probability."""


class Trained(Protocol):
    """A finished training.

    Attributes:
        job: its job.
    """

    @property
    def job(self) -> JobFolder: ...

    def models(self, head: CorpusView, genesis: Rows) -> Mapping[float, Model]:
        """The models on a corpus head by the share of the training that counts, 0 among them.

        Args:
            head: the head.
            genesis: the genesis rows of all its docids.
        """

    def encoder(self, share: float) -> Encoder:
        """The query encoder with a share of the training."""

    def lay_out(self, folder: Path, head: CorpusView, genesis: Rows, share: float, search: SearchSettings) -> None:
        """Write the model with a share of the training as the files of a release.

        Args:
            folder: the new folder.
            head: the corpus head.
            genesis: the genesis rows of all its docids.
            share: the share.
            search: what the release fixes for every search.
        """


def trained(home: Path, folder: Path) -> Trained:
    """The finished training in a job folder.

    Args:
        home: the home folder, whose cache holds what was encoded before.
        folder: the job folder.
    """
    family = JobFolder(folder).settings.family
    if family == "causal":
        return CausalTrained(CausalJob(folder))
    return DenseTrained(home, TrainingJob(folder)) if family == "dense" else CompactTrained(TrainingJob(folder))


class CompactTrained:
    """A training of the compact family: an encoder's adapter, a map, residuals."""

    def __init__(self, job: TrainingJob) -> None:
        self.job = job

    def models(self, head: CorpusView, genesis: Rows) -> Mapping[float, Model]:
        """See `Trained`."""
        stages = {share: mixed(self.job, share) for share in SHARES}
        scale = self.job.settings.model.scale
        return {
            share: Model.untuned(self.job.encoder(stage), self._rows(stage, head, genesis), scale, head.live)
            for share, stage in stages.items()
        }

    def encoder(self, share: float) -> Encoder:
        """See `Trained`."""
        return self.job.encoder(mixed(self.job, share))

    def lay_out(self, folder: Path, head: CorpusView, genesis: Rows, share: float, search: SearchSettings) -> None:
        """See `Trained`."""
        stage = mixed(self.job, share)
        rows = self._rows(stage, head, genesis)
        write_model(self.job.folder / stage, folder, rows, _passage_ids(head), head.live, search)

    def _rows(self, stage: str, head: CorpusView, genesis: Rows) -> Rows:
        """The finished rows of all docids of a head, as what a stage learned makes them of genesis rows."""
        return self.job.learned(stage)[1].finish(genesis)


class DenseTrained(CompactTrained):
    """A training of the dense family: an encoder's adapter, which encodes passages, too."""

    def __init__(self, home: Path, job: TrainingJob) -> None:
        super().__init__(job)
        self._home = home

    def lay_out(self, folder: Path, head: CorpusView, genesis: Rows, share: float, search: SearchSettings) -> None:
        """See `Trained`."""
        super().lay_out(folder, head, genesis, share, replace(search, adapted_rows=True))

    def _rows(self, stage: str, head: CorpusView, genesis: Rows) -> Rows:
        with progress("encoding with what was learned") as report:
            adapter = self.job.adapter(stage)
            return genesis_rows(self._home, head, self.job.settings, report, adapter=adapter)[0]


class CausalTrained:
    """A training of the causal family: a language model's adapter, and the identifiers that it writes."""

    def __init__(self, job: CausalJob) -> None:
        self.job = job

    def models(self, head: CorpusView, genesis: Rows) -> Mapping[float, Model]:
        """See `Trained`."""
        encoder, scale = self.encoder(0.0), self.job.settings.model.scale
        untrained = Model.untuned(encoder, genesis, scale, head.live)
        writer = Writer(self.job.learned("rpo"), self.job.writable, self.job.settings.causal.beams)
        return {share: replace(untrained, writer=replace(writer, share=share)) for share in _WRITER_SHARES}

    def encoder(self, share: float) -> Encoder:
        """See `Trained`: it is the same for every share."""
        return query_encoder(self.job.settings.model)

    def lay_out(self, folder: Path, head: CorpusView, genesis: Rows, share: float, search: SearchSettings) -> None:
        """See `Trained`."""
        causal = self.job.settings.causal
        writer = WriterSettings(
            causal.model, language_model_hash(causal.model), VERSION, causal.prompt_tokens, causal.beams, share
        )
        write_untrained(folder, genesis, _passage_ids(head), head.live, replace(search, writer=writer))
        write_writer(self.job.adapter("rpo"), folder, self.job.table("identifiers"), self.job.codebooks)


def _passage_ids(head: CorpusView) -> list[str]:
    return [passage.passage_id for passage in head.passages]
