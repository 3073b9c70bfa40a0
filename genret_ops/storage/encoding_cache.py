"""Encodings, cached by the hash of their text and of the encoder: a frozen encoder encodes each text once ever.

What an encoder makes that a training has changed is kept likewise, under the fingerprint of that encoder, until the
home is cleaned up: it goes with the training.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from genret_ops.storage.tables import clean_up, moment

ENCODINGS = Path("cache", "encodings")
"""Where a home keeps its encodings."""
ADAPTED = "adapted-"
"""Prefix of the fingerprint of an encoder that a training has changed."""


class EncodingCache:
    """Encodings by (text hash, fingerprint of the encoder).

    Vectors are float16, `dimension` wide. One LanceDB table an encoder.
    """

    def __init__(self, home: Path, fingerprint: str, dimension: int) -> None:
        import lancedb

        self._db = lancedb.connect(str(home / ENCODINGS), read_consistency_interval=timedelta(0))
        adapted = fingerprint.startswith(ADAPTED)
        self._name = fingerprint[: len(ADAPTED) + 16] if adapted else f"encoder-{fingerprint[:16]}"
        self._dimension = dimension
        vector = pa.list_(pa.float16(), dimension)
        self._schema = pa.schema([pa.field("text_hash", pa.string(), False), pa.field("vector", vector, False)])

    @classmethod
    def keep(cls, home: Path, hashes: Collection[str]) -> int:
        """Remove all vectors but those that frozen encoders made of these texts; returns how many there were."""
        import lancedb
        import pyarrow.compute as pc

        folder, removed = home / ENCODINGS, 0
        if not folder.exists():
            return 0
        db = lancedb.connect(str(folder), read_consistency_interval=timedelta(0))
        for name in db.list_tables(limit=1000).tables:
            table, begun = db.open_table(name), moment()
            if name.startswith(ADAPTED):
                removed += table.count_rows()
                db.drop_table(name)
                continue
            rows = table.to_arrow()
            kept = rows.filter(pc.is_in(rows["text_hash"], pa.array(sorted(hashes), pa.string())))
            removed += rows.num_rows - kept.num_rows
            table.add(kept, mode="overwrite")
            clean_up(table, begun)
        return removed

    def _open(self) -> Any:
        return self._db.create_table(self._name, schema=self._schema, exist_ok=True)

    def load(self, hashes: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """The vectors, of shape (dimension,), of the texts of these hashes (all) that are there, by text hash."""
        import pyarrow.compute as pc

        vectors_by_hash, rows = dict[str, np.ndarray](), self._open().to_arrow()
        if hashes is not None:
            rows = rows.filter(pc.is_in(rows["text_hash"], pa.array(list(hashes), pa.string())))
        for batch in rows.to_batches():
            vectors = batch["vector"].flatten().to_numpy(zero_copy_only=False).reshape(-1, self._dimension)
            vectors_by_hash.update(zip(batch["text_hash"].to_pylist(), vectors, strict=True))
        return vectors_by_hash

    def add(self, hashes: Sequence[str], vectors: np.ndarray) -> None:
        """Append vectors of shape (len(hashes), dimension)."""
        flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float16).reshape(-1))
        column = pa.FixedSizeListArray.from_arrays(flat, self._dimension)
        self._open().add(pa.table([pa.array(list(hashes)), column], schema=self._schema))
