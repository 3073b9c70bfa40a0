"""Indexes of committed corpus heads as files, which open without a database.

`read_index` only reads; `make_index` writes the files of a snapshot; `open_or_make_index` reads them, and makes them
first if they are missing or damaged. They lie under `cache/heads-N` of the home and can be removed at any time.
"""

import shutil
import tempfile
from pathlib import Path

from genret_ops.corpus.view import CorpusView, read_files, read_tables, write_files
from genret_ops.lexical.index import LexicalIndex
from genret_ops.records import SnapshotRecord
from genret_ops.retrieval.index import Index, build_lexical, lexical_texts
from genret_ops.settings import RetrievalSettings
from genret_ops.storage.home import HomeFolder
from genret_ops.storage.tables import TableStore


def open_or_make_index(
    home: HomeFolder, record: SnapshotRecord, settings: RetrievalSettings, beside: Index | None = None
) -> Index:
    """The index of a committed snapshot.

    Its BM25 statistics are those of the snapshot that the record names in `statistics`: itself or an earlier one.

    Args:
        home: the home that holds the snapshot.
        record: its record.
        settings: settings of retrieval.
        beside: an index that is open already; it is returned if it is of that very snapshot under these settings.
    """
    folder = home.head(record)
    if beside and (beside.folder, beside.settings) == (folder, settings):
        return beside
    try:
        return read_index(folder, settings) if folder.exists() else make_index(home, record, settings)
    except Exception:  # whatever is wrong with a cache, it is made again, once
        for cached in (record, _statistics(home.store, record)):
            shutil.rmtree(home.head(cached), ignore_errors=True)
        return make_index(home, record, settings, from_scratch=True)


def read_index(folder: Path, settings: RetrievalSettings) -> Index:
    """The index in a folder of files.

    Raises:
        Exception: a file is missing or damaged.
    """
    index = Index(CorpusView.of(read_files(folder)), settings, LexicalIndex.load(folder))
    index.folder = folder
    return index


def make_index(
    home: HomeFolder, record: SnapshotRecord, settings: RetrievalSettings, from_scratch: bool = False
) -> Index:
    """Make the index of a snapshot and write its files, and those of the snapshot whose word statistics it uses.

    Args:
        home: the home that holds the snapshot.
        record: its record.
        settings: settings of retrieval.
        from_scratch: use none of the files of the snapshot before.
    """
    statistics = _statistics(home.store, record)
    base = home.head(statistics)
    if statistics.snapshot != record.snapshot and not base.exists():
        make_index(home, statistics, settings, from_scratch)
    tables = read_tables(home.store, record.tables)
    view, folder = CorpusView.of(tables), home.head(record)
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=folder.parent))
    write_files(tables, building)
    if statistics.snapshot == record.snapshot:
        lexical = build_lexical(view)
        lexical.save(building)
    else:
        nearest = None if from_scratch else _before(home, record)
        lexical = LexicalIndex.load(nearest or base).extended(lexical_texts(view))
        lexical.save_beside(base, building)
    try:
        building.rename(folder)
    except OSError:  # another process has just made it
        shutil.rmtree(building)
    index = Index(view, settings, lexical)
    index.folder = folder
    return index


def _statistics(store: TableStore, record: SnapshotRecord) -> SnapshotRecord:
    """The record of the snapshot whose word statistics a snapshot uses."""
    return record if record.statistics == record.snapshot else store.committed(record.statistics)


def _before(home: HomeFolder, record: SnapshotRecord) -> Path | None:
    """The folder of the snapshot before, if it is there and uses the same word statistics."""
    before = home.store.before(record.snapshot)
    if before is None or before.statistics != record.statistics:
        return None
    folder = home.head(before)
    return folder if folder.exists() else None
