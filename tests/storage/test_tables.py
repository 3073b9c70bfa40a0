"""The store: whole tables or none, a record that is written last, versions that are kept and ones that are gone."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from genret_ops.errors import GenretError
from genret_ops.lineage.history import known_records
from genret_ops.records import Document, SnapshotRecord, SyntheticQuery, canonical_json, table_hash, text_hash, to_arrow
from genret_ops.registry.home import Home
from genret_ops.storage.commits import newest_snapshot
from genret_ops.storage.encoding_cache import ADAPTED, EncodingCache
from genret_ops.storage.files import write_atomically
from genret_ops.storage.tables import FOLDER, TableStore, every_version


def documents(*ids: str) -> pa.Table:
    return to_arrow("documents", [Document(doc_id, f"Title {doc_id}", "text", {"b": "2", "a": "1"}) for doc_id in ids])


def ids(table: pa.Table) -> list[str]:
    return sorted(table["doc_id"].to_pylist())


def test_a_table_is_replaced_as_a_whole_and_old_versions_stay_readable(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    assert store.read("documents").num_rows == 0
    first = store.replace("documents", documents("a", "b"))
    second = store.replace("documents", documents("c"))
    third = store.replace("documents", documents())
    assert ids(store.read("documents", first)) == ["a", "b"]
    assert ids(store.read("documents", second)) == ["c"]
    assert ids(store.read("documents", third)) == ids(store.read("documents")) == []
    assert ids(TableStore(tmp_path).read("documents", first)) == ["a", "b"]


def test_a_snapshot_exists_once_its_record_is_written_and_its_versions_are_tagged(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    versions = {"documents": store.replace("documents", documents("a"))}
    with pytest.raises(GenretError, match="no snapshot 'delta-00000' is committed"):
        store.committed("delta-00000")
    draft = SnapshotRecord("delta-00000", versions, sources=["first"])
    record = store.commit(draft, {"a": ["p"]}, {"a": "hash"})
    assert store.committed("delta-00000") == record
    assert (record.snapshot, record.tables, record.sources) == ("delta-00000", versions, ["first"])
    assert record.hashes == {"documents": table_hash(documents("a"))}
    assert datetime.now(UTC) - datetime.fromisoformat(record.committed_at) < timedelta(minutes=1)
    second = SnapshotRecord("delta-00001", {"documents": store.replace("documents", documents("b"))})
    store.commit(second, {"b": []}, {})
    assert store.snapshots() == TableStore(tmp_path).snapshots() == ["delta-00000", "delta-00001"]
    assert ids(store.read("documents", store.committed("delta-00000").tables["documents"])) == ["a"]


def test_the_record_is_written_last(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    version = store.replace("documents", documents("a"))
    with pytest.raises(Exception, match=r"(?i)version|not found"):
        store.commit(SnapshotRecord("delta-00000", {"documents": version, "passages": 4711}), {}, {})
    assert store.snapshots() == [], "a tag failed, so the snapshot must not exist"
    store.commit(SnapshotRecord("delta-00000", {"documents": version}), {}, {})
    assert store.snapshots() == ["delta-00000"]


def test_a_snapshot_that_is_committed_again_is_what_it_was_made_last(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    for doc_id in ("a", "b"):
        version = store.replace("documents", documents(doc_id))
        store.commit(SnapshotRecord("delta-00000", {"documents": version}), {}, {})
    assert ids(store.read("documents", store.committed("delta-00000").tables["documents"])) == ["b"]


def test_snapshots_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    store, names = TableStore(tmp_path), ["delta-00002", "delta-99999", "delta-100000"]
    for name in reversed(names):
        store.commit(SnapshotRecord(name), {}, {})
    assert store.snapshots() == names and newest_snapshot(tmp_path) == "delta-100000"
    assert list(known_records(Home(tmp_path).store, [])) == names


def holding(folder: Path, text: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_what_is_kept_stays_readable_by_its_number_and_the_rest_is_gone_from_the_disk(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    names = ["alpha-one", "bravo-two", "charlie-three", "delta-four"]
    versions = [store.replace("documents", documents(name, f"{name}-too")) for name in names]
    for version in versions[:3]:
        store.tag("documents", version)
    other = store.replace("passages", to_arrow("passages", []))
    for needed in ([0, 1, 3], [3, 0], [0]):
        store.keep({"documents": [versions[place] for place in needed]})
        for place, name in enumerate(names):
            assert bool(holding(tmp_path, name)) == (place in needed)
            if place in needed:
                assert ids(store.read("documents", versions[place])) == [name, f"{name}-too"]
    assert len(list(every_version(tmp_path / FOLDER))) == 2
    last = store.replace("documents", documents("echo-five"))
    assert last > versions[3] and ids(store.read("documents", versions[0])) == ["alpha-one", "alpha-one-too"]
    store.keep({"documents": [last], "passages": []})
    assert holding(tmp_path, "alpha-one") == [] and ids(store.read("documents", last)) == ["echo-five"]
    with pytest.raises(Exception, match=r"(?i)version|not found"):
        store.read("passages", other)


def test_a_version_that_is_gone_cannot_be_kept(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    first, second = (store.replace("documents", documents(name)) for name in "ab")
    store.keep({"documents": [second]})
    with pytest.raises(Exception, match=r"(?i)version|not found"):
        store.keep({"documents": [first, second]})
    assert ids(store.read("documents", second)) == ["b"]


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "record.json"
    write_atomically(path, b"first")

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="disk full"):
            write_atomically(path, b"second, half of it")
    assert path.read_bytes() == b"first"
    write_atomically(path, b"third")
    assert path.read_bytes() == b"third"
    assert [file.name for file in path.parent.iterdir()] == ["record.json"]


def test_what_was_written_stays_after_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, plain = list[tuple[str, bool]](), os.fsync

    def fsync(descriptor: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), path.exists()))
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    path = tmp_path / "deep" / "er" / "record.json"
    write_atomically(path, b"first")
    (temporary, named), *folders = synced
    assert temporary.startswith(str(path.parent)) and not named
    assert sorted(folders) == [(str(folder), True) for folder in (tmp_path, path.parent.parent, path.parent)]
    synced.clear()
    write_atomically(path, b"second")
    assert [place for place, _ in synced] == [temporary, str(path.parent)]


def test_rows_keep_their_shape_on_the_way_through_arrow(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    query = SyntheticQuery("é 😀", "chunk", ("p", "q"), "train", "extractive", 7, (), {"a": "ü"})
    store.replace("queries", to_arrow("queries", [query], delta="d"))
    (row,) = store.read("queries").to_pylist()
    assert row["positives"] == ["p", "q"] and row["withheld"] == [] and row["constraints"] == '{"a":"ü"}'
    assert row["delta"] == "d" and row["text"] == query.text
    assert store.read("documents").schema.names == documents().schema.names


def test_identity_hashes_are_of_content_alone() -> None:
    document, twin = (
        Document("a", "T", "x", {"p": "1", "q": "2"}),
        Document("b", "T", "x", {"q": "2", "p": "1"}, "elsewhere"),
    )
    assert document.text_hash == twin.text_hash and document.metadata_hash == twin.metadata_hash
    assert document.text_hash != Document("a", "T", "y").text_hash != Document("a", "U", "y").text_hash
    assert document.metadata_hash != Document("a", "T", "x", {"p": "1"}).metadata_hash
    assert text_hash("\ud800") and canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'


def test_cached_vectors_come_back_bit_for_bit(tmp_path: Path) -> None:
    cache = EncodingCache(tmp_path, "a" * 64, 3)
    assert cache.load() == {}
    vectors = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float16)
    cache.add(["k0", "k1"], vectors[:2])
    cache.add(["k2", "k3", "k4"], vectors[2:])
    loaded = EncodingCache(tmp_path, "a" * 64, 3).load()
    assert list(loaded) == ["k0", "k1", "k2", "k3", "k4"]
    np.testing.assert_array_equal(np.stack(list(loaded.values())), vectors)


def test_a_forgotten_vector_is_gone_from_the_disk_and_the_others_are_as_they_were(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float16)
    caches = [EncodingCache(tmp_path, encoder * 64, 3) for encoder in "ab"]
    for cache in caches:
        cache.add(["kept-0", "gone-1"], vectors[:2])
        cache.add(["gone-2", "kept-3"], vectors[2:])
    assert EncodingCache.keep(tmp_path, {"kept-0", "kept-3", "never-there"}) == 4
    for cache in caches:
        loaded = cache.load()
        assert list(loaded) == ["kept-0", "kept-3"]
        np.testing.assert_array_equal(np.stack(list(loaded.values())), vectors[[0, 3]])
    assert holding(tmp_path, "gone-1") == holding(tmp_path, "gone-2") == []
    adapted = EncodingCache(tmp_path, f"{ADAPTED}{'a' * 64}", 3)
    adapted.add(["kept-0"], vectors[:1])
    assert list(adapted.load()) == ["kept-0"] and list(caches[0].load()) == ["kept-0", "kept-3"]
    assert EncodingCache.keep(tmp_path, {"kept-0", "kept-3"}) == 1, "what a training made of the encoder goes"
    assert list(EncodingCache(tmp_path, f"{ADAPTED}{'a' * 64}", 3).load()) == []
    assert EncodingCache.keep(tmp_path / "nowhere", {"kept-0"}) == 0
