"""Encoding ahead: the texts of what has changed are read by the encoder while the stages write and check the rest.

An update's time is the encoder's and that of its stages; done side by side they cost little more than the longer one.
What is found lies in the home's cache of encodings, where `genesis_rows` looks for it, which waits for it here.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, get_native_id

from genret_ops.corpus.chunking import cut_document
from genret_ops.corpus.view import heading
from genret_ops.modeling.embeddings import encode_texts
from genret_ops.modeling.encoder import Encoder, encoder_hash, token_count
from genret_ops.records import Document
from genret_ops.settings import Settings
from genret_ops.storage.encoding_cache import EncodingCache

_SWITCH = 2e-4
"""Seconds after which a thread that computes in Python lets another in; the encoder needs one in for each operation."""
_NICE = 5
"""How far the encoder stands back for the stages, which are one thread and would wait for two of its own."""
_begun: dict[Path, "Future[int]"] = {}


@contextmanager
def encoding_ahead(
    home: Path, settings: Settings, encoder: Encoder, changed: Sequence[Document], redescribed: Sequence[Document]
) -> Iterator[None]:
    """Encode the texts of changed documents, and of redescribed ones the headings, in the background.

    It ends when the context does, at the next batch of texts.
    """
    stop, before = Event(), sys.getswitchinterval()

    def encode() -> int:
        cache = EncodingCache(home, encoder_hash(settings.model.encoder), encoder.dimension)
        count = token_count(settings.model.encoder)
        cuts = (cut_document(document, settings.corpus, count) for document in changed)
        sentences = [text for cut in cuts for passage, _ in cut for text in passage.sentences]
        texts = filter(None, [*map(heading, changed), *map(heading, redescribed), *sentences])
        return encode_texts(encoder, cache, list(texts), stop=stop.is_set)[1]

    with ThreadPoolExecutor(1, "encoding-ahead", _stand_back) as pool:
        sys.setswitchinterval(_SWITCH)
        _begun[home] = pool.submit(encode)
        try:
            yield
        finally:
            stop.set()
            del _begun[home]
            sys.setswitchinterval(before)


def _stand_back() -> None:
    """Let this thread, and those that it starts, go second; only Linux knows priorities of threads."""
    if sys.platform == "linux":
        with suppress(OSError):  # where it may not, it goes beside them
            os.setpriority(os.PRIO_PROCESS, get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + _NICE)


def encoded_ahead(home: Path) -> int:
    """How many texts were encoded ahead for this home, all of them by now; 0 where nothing was begun."""
    return _begun[home].result() if home in _begun else 0
