"""The home as a Dagster resource, and what a command hands to the stages that it runs."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from genret_ops.progress import progress
from genret_ops.settings import Settings

if TYPE_CHECKING:
    from genret_ops.corpus.view import CorpusView
    from genret_ops.ingestion.sources import Reading
    from genret_ops.registry.home import Home
    from genret_ops.training.job import JobFolder
    from genret_ops.training.prefetch import BackgroundEncoding

LOCKS = "genret/locks"
"""Tag of a job: which of the home's locks a run of it holds, a key of `_LOCKS`."""
_LOCKS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("corpus", "training", "evaluation")},
    "both": ("corpus", "training"),
}


class HomeResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The home folder."""

    path: str = Field(description="the home folder")

    @cached_property
    def home(self) -> "Home":
        """The home: paths, settings, tables, registry."""
        from genret_ops.registry.home import Home

        return Home(Path(self.path).absolute())


class StageResource(HomeResource):
    """The home folder, and what this run asks of its stages."""

    settings_json: str = Field(default="", description="settings of this run; empty: genret.toml and the environment")
    parent: int | None = Field(
        default=None, description="release that is patched or that the adapter grows from; empty: champion, or genesis"
    )
    genesis: str = Field(default="", description="why the training starts from genesis, if it does")
    reason: str = Field(default="launched by hand", description="why, for the audit trail")
    waiver: str = Field(default="", description="why a release may become champion even if the gate refuses it")
    sources: list[str] = Field(
        default=[], description="what to ingest; empty: the sources of genret.toml and of earlier ingests"
    )
    settle: float = Field(default=0.0, description="skip files that changed less than this many seconds ago")
    restless: list[str] = Field(default=[], description="sources that never settle, and are read as they are")
    benchmark: str = Field(default="", description="BEIR folder to evaluate on as well; empty: updates.benchmark")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["StageResource"]:
        """Hold the locks that the run's tag names for as long as the run lasts; without that tag, both."""
        names = _LOCKS[context.run.tags.get(LOCKS, "both")] if context.run else ()
        with ExitStack() as locks:
            for name in names:
                locks.enter_context(self.home.lock(name))
            yield self

    @cached_property
    def settings(self) -> Settings:
        """The settings that this run was started with."""
        return Settings.model_validate_json(self.settings_json) if self.settings_json else self.home.settings

    def head(self, delta: str) -> "CorpusView":
        """The committed corpus head of a delta."""
        from genret_ops.corpus.view import CorpusView

        return CorpusView.load(self.home.store, self.home.store.committed(delta).tables)

    @property
    def parent_folder(self) -> Path | None:
        """Folder of the release that the adapter grows from; None if it starts from genesis."""
        return None if self.parent is None else self.home.registry.release(self.parent).folder

    @property
    def known(self) -> frozenset[int] | None:
        """The docids that the parent knows; None if the training starts from genesis."""
        from genret_ops.retrieval.artifacts import read_search

        return read_search(self.parent_folder).known if self.parent_folder else None

    def job(self, delta: str) -> "JobFolder":
        """The training job of a delta, of any family."""
        from genret_ops.training.job import JobFolder

        return JobFolder(self.home.work(delta) / "job")


class SourceReader:
    """Reads the sources of a home; a command that has read them already hands its reading over."""

    def __init__(self, reading: "Reading | None" = None) -> None:
        self._reading = reading

    def read(self, home: StageResource, sources: list[str]) -> "Reading":
        """One reading of the sources."""
        from genret_ops.ingestion.sources import read_sources

        return self._reading or read_sources(home.home, sources, home.settle, home.restless)


class Prefetch:
    """Encoding that a command has begun beside the stages."""

    def __init__(self, encoding: "BackgroundEncoding | None" = None) -> None:
        self._encoding = encoding

    def wait(self) -> int:
        """Wait for its end, and show how far it is; returns how many texts it encoded."""
        if self._encoding is None:
            return 0
        with progress("encoding passages") as report:
            return self._encoding.wait(report)


def home_of_environment() -> "Home":
    """The home that GENRET_HOME names; `.genret` in the current folder if it names none."""
    from genret_ops.registry.home import Home

    return Home(Path(os.environ.get("GENRET_HOME", ".genret")).absolute())
