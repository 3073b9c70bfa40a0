"""Frozen encodings, cached by the hash of their text and of the encoder: each text is encoded once ever."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from genret_ops.storage.tables import clean_up, moment

ENCODINGS = Path("cache", "encodings")
"""Where a home keeps its encodings."""


class EncodingCache:
    """Frozen genesis encodings by (text hash, encoder hash): each text is encoded once ever.

    Vectors are float16, `dimension` wide. One LanceDB table an encoder.
    """

    def __init__(self, home: Path, encoder_hash: str, dimension: int) -> None:
        import lancedb

        self._db = lancedb.connect(str(home / ENCODINGS), read_consistency_interval=timedelta(0))
        self._name = f"encoder-{encoder_hash[:16]}"
        self._dimension = dimension
        vector = pa.list_(pa.float16(), dimension)
        self._schema = pa.schema([pa.field("text_hash", pa.string(), False), pa.field("vector", vector, False)])

    @classmethod
    def keep(cls, home: Path, hashes: Collection[str]) -> int:
        """Remove all vectors but those of these texts, under every encoder; returns how many there were."""
        import lancedb
        import pyarrow.compute as pc

        folder, removed = home / ENCODINGS, 0
        if not folder.exists():
            return 0
        db = lancedb.connect(str(folder), read_consistency_interval=timedelta(0))
        for name in db.list_tables(limit=1000).tables:
            table, begun = db.open_table(name), moment()
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
