"""What an update brings is encoded beside its stages: once, counted, and no longer than it is wanted."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from assets.lib import runner
from assets.lib.resources import Prefetch
from genret_ops.modeling.encoder import Encoder
from genret_ops.modeling.encoder_files import encoder_hash
from genret_ops.records import Document, text_hash
from genret_ops.registry.home import Home
from genret_ops.settings import Settings
from genret_ops.storage.encoding_cache import EncodingCache
from genret_ops.storage.home import make_home
from genret_ops.training import prefetch
from genret_ops.training.dataset import passage_encoder
from genret_ops.training.prefetch import prefetching

FERRY = Document("tides.md", "The harbour", "The ferry waits for high tide. It never hurries.", {}, "tides.md", "")
BEES = Document("bees.md", "The hives", "Smoke calms the bees.", {}, "bees.md", "")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return passage_encoder(Settings())


def cached(home: Path) -> dict[str, np.ndarray]:
    name = Settings().model.encoder
    return EncodingCache(home, encoder_hash(name), 384).load()


def test_texts_of_what_changed_and_passages_under_new_headings(tmp_path: Path, encoder: Encoder) -> None:
    before = sys.getswitchinterval()
    with prefetching(tmp_path, Settings(), encoder, [FERRY], [BEES]) as encoding:
        assert sys.getswitchinterval() < before
        assert encoding.wait() == 5
    assert sys.getswitchinterval() == before
    whole = f"The harbour\n{FERRY.text}", f"The hives\n{BEES.text}"
    assert cached(tmp_path).keys() == set(
        map(text_hash, (*whole, "The ferry waits for high tide.", "It never hurries.", BEES.text))
    )
    renamed = replace(BEES, title="The garden")
    with prefetching(tmp_path, Settings(), encoder, [FERRY], [renamed]) as encoding:
        assert encoding.wait() == 1
    assert text_hash(f"The garden\n{BEES.text}") in cached(tmp_path)


def test_it_ends_with_the_update_that_wanted_it(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genret_ops.modeling.encoder._BATCH", 1)
    begun, end, pooled, read = Event(), Event(), Encoder._pooled, list[int]()

    def slowly(self: Encoder, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        read.append(len(rows))
        begun.set()
        end.wait()
        return pooled(self, rows)

    monkeypatch.setattr(Encoder, "_pooled", slowly)
    with pytest.raises(KeyboardInterrupt), prefetching(tmp_path, Settings(), encoder, [FERRY], []):
        begun.wait()
        monkeypatch.setattr(prefetch.Event, "set", lambda self, really=Event.set: (really(self), really(end))[0])
        raise KeyboardInterrupt
    assert len(read) < 3 and not cached(tmp_path), "it ends with a batch of the encoder, of which there are three"


def test_its_failure_is_that_of_the_update(tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(EncodingCache, "add", full)
    with (
        pytest.raises(OSError, match="no space left"),
        prefetching(tmp_path, Settings(), encoder, [FERRY], []) as encoding,
    ):
        Prefetch(encoding).wait()


def test_whoever_waits_learns_how_far_it_is(tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "_REPORT_SECONDS", 0.01)
    monkeypatch.setattr("genret_ops.modeling.embeddings._BATCH", 1)
    shown, encode = Event(), Encoder.encode

    def slowly(self: Encoder, texts: list[str], *stop: Callable[[], bool]) -> np.ndarray:
        if len(cached(tmp_path)) == 2:
            shown.wait(20)
        return encode(self, texts, *stop)

    monkeypatch.setattr(Encoder, "encode", slowly)
    reports = list[tuple[int, int]]()

    def report(done: int, total: int) -> None:
        reports.append((done, total))
        if done == 2:
            shown.set()

    with prefetching(tmp_path, Settings(), encoder, [FERRY], []) as encoding:
        assert encoding.wait(report) == 3
    assert (2, 3) in reports
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)


@pytest.mark.parametrize("first", [True, False])
def test_an_ingest_waits_for_it_and_encodes_nothing_again(
    first: bool, home_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encoding takes longer here than all stages before the one that needs it."""
    home = Home(tmp_path / "new" if first else home_copy)
    make_home(home.path)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide. It never hurries.")
    threads, encode = list[str](), Encoder.encode

    def watched(self: Encoder, texts: list[str], *stop: Callable[[], bool]) -> np.ndarray:
        from threading import current_thread

        if "It never hurries." in texts:
            threads.append(current_thread().name)
            time.sleep(6)
        return encode(self, texts, *stop)

    monkeypatch.setattr(Encoder, "encode", watched)
    assert runner.ingest(home, [str(tmp_path / "more")]).release is not None
    assert [name.split("_")[0] for name in threads] == ["prefetch"]
