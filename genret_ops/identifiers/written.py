"""The table of identifiers that a model writes token by token: which tokens spell a docid. It is append-only.

A docid that is in the table keeps its identifier for ever, and no other gets it; so an update adds rows and moves none,
whatever made the identifiers (`keywords`, `codes`). This module does not know what the tokens mean.
"""

from collections.abc import Collection, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genret_ops.errors import GenretError
from genret_ops.identifiers.docids import FORGOTTEN
from genret_ops.identifiers.trie import Ints, Trie
from genret_ops.records import SCHEMAS

SCHEMA = SCHEMAS["identifiers"]
"""`identifier` is the text that people read, `tokens` what the model writes, `delta` the name of what brought it."""


def checked(existing: pa.Table | None) -> pa.Table:
    """The rows assigned so far, under `SCHEMA`; no rows if there are none yet.

    Raises:
        GenretError: a docid or a token sequence is there twice.
    """
    rows = (SCHEMA.empty_table() if existing is None else existing).select(SCHEMA.names)
    if pc.count_distinct(rows["docid"]).as_py() != rows.num_rows:
        raise GenretError("the table of identifiers holds a docid twice: restore an earlier version of it")
    sequences = list(spelt(rows))
    if len(set(sequences)) != len(sequences):
        raise GenretError("the table of identifiers spells two docids alike: restore an earlier version of it")
    return rows


def spelt(rows: pa.Table) -> Iterator[tuple[int, ...]]:
    """The token sequences of a table's rows, without those of erased passages."""
    return (tuple(tokens) for tokens in rows["tokens"].to_pylist() if tokens)


def table(rows: Iterable[tuple[int, str, list[int]]], delta: str) -> pa.Table:
    """Rows of (docid, identifier, tokens) under `SCHEMA`."""
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    arrays = [*map(list, columns), [delta] * len(columns[0])]
    return pa.table(dict(zip(SCHEMA.names, arrays, strict=True)), schema=SCHEMA)


def trie_of(rows: pa.Table) -> tuple[Trie, Ints]:
    """The trie of all identifiers that are not erased, and the docid of each of its identifiers.

    Withdrawn passages are in it: leave them out with `Trie.allowed`, so that one trie serves until the table grows.

    Args:
        rows: under `SCHEMA`.

    Returns:
        The trie, and docids of shape (identifiers,).
    """
    kept = rows.filter(pc.greater(pc.list_value_length(rows["tokens"]), 0)).combine_chunks()
    return Trie.build(kept["tokens"].to_pylist()), np.asarray(kept["docid"].to_numpy(), dtype=np.int64)


def forget(existing: pa.Table, erased: Collection[int]) -> pa.Table:
    """Blank the rows of erased passages: of each, only the docid and its delta stay.

    A passage that comes later may get the identifier of an erased one, which the model is trained to forget.

    Args:
        existing: rows under `SCHEMA`.
        erased: docids of the passages to forget.
    """
    rows = (
        (docid, f"{FORGOTTEN}{docid}", list[int]()) if docid in erased else (docid, identifier, tokens)
        for docid, identifier, tokens in zip(*(existing[name].to_pylist() for name in SCHEMA.names[:3]), strict=True)
    )
    blanked = table(rows, "")
    return blanked.set_column(3, SCHEMA.field("delta"), existing["delta"])
