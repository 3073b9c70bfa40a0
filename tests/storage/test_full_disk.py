"""A disk that is full: what was begun is told in words and leaves nothing half done; the next try does it."""

import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assets.lib import runner
from genret_ops.errors import GenretError
from genret_ops.maintenance.backup import backup
from genret_ops.registry.home import Home


@contextmanager
def full(most: int) -> Iterator[None]:
    """No file grows beyond `most` bytes, which a program cannot tell from a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_backup_that_does_not_fit_leaves_nothing(ingested_home: Path, tmp_path: Path) -> None:
    target = tmp_path / "home.tar"
    with full(100_000), pytest.raises(GenretError, match="cannot be written"):
        backup(Home(ingested_home), target)
    with pytest.raises(GenretError, match="cannot be written"):
        backup(Home(ingested_home), Path(__file__) / "home.tar")
    assert not list(tmp_path.iterdir())
    assert backup(Home(ingested_home), target)["snapshots"] == ["delta-00000"]


def test_an_ingest_that_does_not_fit_is_done_by_the_next(ingested_home: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(ingested_home, tmp_path / "home"))
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "heron.txt").write_text("A heron stands in the reeds behind the mill.\n")
    with full(100_000), pytest.raises(GenretError, match=r"cannot use Dagster.s storage in .*disk"):
        runner.ingest(Home(home), [str(tmp_path / "new")])
    assert Home(home).store.snapshots() == ["delta-00000"]
    ingested = runner.ingest(Home(home), [str(tmp_path / "new")])
    assert ingested.delta == "delta-00001" and ingested.record.documents == 63
