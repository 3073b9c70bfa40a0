"""Encode what an update brings in the background, while its stages write and check the rest.

The time of an update is the encoder's and that of the stages; side by side they take little more than the longer one.
The encodings go into the home's cache, where `dataset.genesis_rows` finds them.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, get_native_id

from genret_ops.corpus.chunking import cut_document
from genret_ops.corpus.view import encoder_text
from genret_ops.modeling.embeddings import encode_texts
from genret_ops.modeling.encoder import Encoder, encoder_hash, token_count
from genret_ops.records import Document
from genret_ops.settings import Settings
from genret_ops.storage.encoding_cache import EncodingCache

_SWITCH_SECONDS = 2e-4
"""Time after which a thread that computes in Python lets another in; the encoder needs to get in for each operation."""
_NICENESS = 5
"""How far the encoder's threads stand back for the stages, which are one thread."""


@contextmanager
def prefetching(
    home: Path, settings: Settings, encoder: Encoder, changed: Sequence[Document], redescribed: Sequence[Document]
) -> Iterator["Future[int]"]:
    """Encode texts in the background for as long as the context lasts, at most to the end of a batch.

    Args:
        home: the home folder.
        settings: how documents are cut.
        encoder: the genesis encoder.
        changed: new and changed documents, all of whose texts are encoded.
        redescribed: documents whose metadata changed, whose passages are encoded under their new headings.

    Yields:
        The number of texts that are encoded, once they are.

    Example:
        >>> with prefetching(home.path, settings, encoder, changed, redescribed) as encoded:
        ...     run_stages(encoded)
    """
    stop, switch_interval = Event(), sys.getswitchinterval()

    def encode() -> int:
        cache = EncodingCache(home, encoder_hash(settings.model.encoder), encoder.dimension)
        count = token_count(settings.model.encoder)
        texts = list[str]()
        for document in (*changed, *redescribed):
            if stop.is_set():
                break
            for passage, _ in cut_document(document, settings.corpus, count):
                texts += encoder_text(document, passage.text), *passage.sentences
        return encode_texts(encoder, cache, texts, stop=stop.is_set)[1]

    with ThreadPoolExecutor(1, "encoding-ahead", _lower_priority) as pool:
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            yield pool.submit(encode)
        finally:
            stop.set()
            sys.setswitchinterval(switch_interval)


def _lower_priority() -> None:
    """Lower the priority of this thread and of those that it starts; only Linux has priorities of threads."""
    if sys.platform == "linux":
        with suppress(OSError):  # without the permission, it runs at the usual priority
            os.setpriority(os.PRIO_PROCESS, get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS)
