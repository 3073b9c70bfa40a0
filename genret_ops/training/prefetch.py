"""Encode the texts of an ingest in the background, while its stages run.

The time of an ingest is the encoder's and that of the stages; side by side they take little more than the longer one.
The encodings go into the home's cache, where `dataset.genesis_rows` finds them.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, get_native_id

from genret_ops.corpus.chunking import cut_document
from genret_ops.corpus.view import encoder_text
from genret_ops.modeling.embeddings import encode_texts
from genret_ops.modeling.encoder import Encoder, token_count
from genret_ops.progress import Progress, silent
from genret_ops.records import Document
from genret_ops.settings import Settings
from genret_ops.storage.encoding_cache import EncodingCache

_SWITCH_SECONDS = 2e-4
"""Time after which a thread that computes in Python lets another in; the encoder needs to get in for each operation."""
_NICENESS = 5
"""How far the encoder's threads stand back for the stages, which are one thread."""
_REPORT_SECONDS = 1.0
"""Time between two reports to whoever waits."""


class BackgroundEncoding:
    """Texts that another thread encodes.

    Args:
        pool: gives the thread.
        encode: encodes them, reports how far it is, and returns how many there were.
    """

    def __init__(self, pool: ThreadPoolExecutor, encode: Callable[[Progress], int]) -> None:
        self._done = self._total = 0
        self._ended = pool.submit(encode, self._report)

    def _report(self, done: int, total: int) -> None:
        self._done, self._total = done, total

    def wait(self, progress: Progress = silent) -> int:
        """Wait for the end.

        Args:
            progress: called with (texts encoded, texts to encode), each second from the first on.

        Returns:
            How many texts were encoded.
        """
        while wait([self._ended], _REPORT_SECONDS).not_done:
            if self._total:
                progress(self._done, self._total)
        return self._ended.result()


@contextmanager
def prefetching(
    home: Path, settings: Settings, encoder: Encoder, changed: Sequence[Document], redescribed: Sequence[Document]
) -> Iterator[BackgroundEncoding]:
    """Encode texts in the background for as long as the context lasts, at most to the end of a batch.

    Args:
        home: the home folder.
        settings: how documents are cut.
        encoder: the encoder as the champion reads passages.
        changed: new and changed documents, all of whose texts are encoded.
        redescribed: documents whose metadata changed, whose passages are encoded under their new headings.

    Yields:
        The encoding, to wait for.

    Example:
        >>> with prefetching(home.path, settings, encoder, changed, redescribed) as encoding:
        ...     run_stages()
        ...     encoding.wait()
    """
    stop, switch_interval = Event(), sys.getswitchinterval()

    def encode(report: Progress) -> int:
        cache = EncodingCache(home, encoder.fingerprint, encoder.dimension)
        count = token_count(settings.model.encoder)
        texts = list[str]()
        for document in (*changed, *redescribed):
            if stop.is_set():
                break
            for passage, _ in cut_document(document, settings.corpus, count):
                texts += encoder_text(document, passage.text), *passage.sentences
        return encode_texts(encoder, cache, texts, report, stop.is_set)[1]

    with ThreadPoolExecutor(1, "prefetch", _lower_priority) as pool:
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            yield BackgroundEncoding(pool, encode)
        finally:
            stop.set()
            sys.setswitchinterval(switch_interval)


def _lower_priority() -> None:
    """Lower the priority of this thread and of those that it starts; only Linux has priorities of threads."""
    if sys.platform == "linux":
        with suppress(OSError):  # without the permission, it runs at the usual priority
            os.setpriority(os.PRIO_PROCESS, get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS)
