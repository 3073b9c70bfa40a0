"""A training set as a Hugging Face `datasets` folder: which columns it has, and how its rows are read back.

A split of the folder is a split of the build; what was held out is in splits of its own. Who writes such a folder is
registry/dataset_export.py.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from genret_ops.errors import GenretError
from genret_ops.records import SyntheticQuery
from genret_ops.synthesis.kinds import KINDS, SPLITS

_text, _texts = pa.string(), pa.list_(pa.string())
SCHEMA = pa.schema(
    {
        "query": _text,
        "kind": _text,
        "positive_ids": _texts,
        "positive_texts": _texts,
        "document_ids": _texts,
        "generator": _text,
        "constraints": _text,
        "withheld": _texts,
        "seed": pa.int64(),
    }
)
"""The columns of every split: `positive_ids` and `positive_texts` are of the same passages, `constraints` is JSON."""


def save_rows(folder: Path, splits: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Write rows under `SCHEMA` as a data set that `datasets.load_from_disk` reads.

    Args:
        folder: the folder to write into.
        splits: the rows of each split, by its name; a split without rows is left out.
    """
    import datasets  # a second of imports
    from datasets.table import InMemoryTable

    shown = not datasets.utils.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        tables = {name: pa.Table.from_pylist(list(rows), SCHEMA) for name, rows in splits.items() if rows}
        saved = {name: datasets.Dataset(InMemoryTable(table)) for name, table in tables.items()}
        datasets.DatasetDict(saved).save_to_disk(str(folder))
    finally:
        if shown:
            datasets.enable_progress_bars()


def read_rows(folder: Path) -> Iterator[SyntheticQuery]:
    """The queries of a data set that has the columns of `SCHEMA`, split by split.

    Args:
        folder: a folder that `save_rows` or `DatasetDict.save_to_disk` wrote; other columns are left alone.

    Raises:
        GenretError: it is no such data set, or a split, a kind or a column is none that a build knows.
    """
    import datasets

    try:
        splits = datasets.load_from_disk(str(folder))
    except (FileNotFoundError, ValueError, pa.ArrowInvalid) as error:
        raise GenretError(
            f"{folder} holds no data set that can be read: name a folder that `genret dataset export` wrote ({error})"
        ) from error
    if not isinstance(splits, datasets.DatasetDict):
        raise GenretError(f"the data set in {folder} has no splits: save a DatasetDict with {', '.join(SPLITS)}")
    for split, rows in splits.items():
        if split not in SPLITS:
            raise GenretError(f"the data set in {folder} has a split {split!r}: name splits {', '.join(SPLITS)}")
        if missing := [name for name in SCHEMA.names if name not in rows.column_names]:
            raise GenretError(f"the split {split!r} of {folder} has no column {missing[0]!r}: export it again")
        for row in rows.select_columns(SCHEMA.names).to_list():
            if empty := [name for name, value in row.items() if value is None]:
                raise GenretError(f"the split {split!r} of {folder} has an empty {empty[0]!r}: fill it or drop the row")
            if row["kind"] not in KINDS:
                raise GenretError(f"{folder} holds a query of kind {row['kind']!r}: kinds are {', '.join(KINDS)}")
            yield _query(folder, split, row)


def _query(folder: Path, split: str, row: Mapping[str, Any]) -> SyntheticQuery:
    try:
        constraints = json.loads(row["constraints"])
    except ValueError:
        constraints = None
    if not isinstance(constraints, dict):
        raise GenretError(
            f"{folder} holds constraints {row['constraints']!r}, which are no JSON object: export it again"
        )
    return SyntheticQuery(
        row["query"],
        row["kind"],
        tuple(row["positive_ids"]),
        split,
        row["generator"],
        row["seed"],
        tuple(row["withheld"]),
        constraints,
    )
