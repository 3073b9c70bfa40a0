"""Is a lineage true? Every hash that it names is computed again from what lies in the home and in the sources.

The hashes hang together: a release's event is in the hash-chained trail, it names the release's content, manifest and
snapshot record, and these name model files, settings, and the hash of every table version. A source may have changed
since it was read, and what was collected or erased cannot be looked at: neither is a contradiction, and both are told.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from genret_ops.corpus.snapshot import documents_of
from genret_ops.errors import BrokenRelease, ReleaseRetired, UnreadableSource
from genret_ops.ingestion.readers import current_hash
from genret_ops.lineage.answer import rows_about
from genret_ops.modeling.encoder import encoder_hash
from genret_ops.records import canonical_json, table_hash, text_hash
from genret_ops.registry.artifacts import MANIFEST, content_hash, model_hash, read_manifest
from genret_ops.registry.audit_trail import event_hash
from genret_ops.registry.home import Home
from genret_ops.registry.retirement import describe, retired
from genret_ops.registry.store import Release
from genret_ops.storage.files import file_hash

SAME, DIFFERS, CHANGED, GONE = "same", "differs", "changed since", "gone"
Told = Mapping[str, Any]


def check(home: Home, lineage: Told) -> list[dict[str, Any]]:
    """What `why` or `lineage` told, hash by hash: `what` it is of, the hash `told`, the one `found`, and the `state`.

    `differs` is a contradiction. `changed since` is a source that is another now; what is `gone` cannot be looked at,
    and `found` says why.
    """
    return list(_Checker(home, lineage).everything())


class _Checker:
    """One lineage beside the home that it is of; nothing else may change the home meanwhile."""

    def __init__(self, home: Home, lineage: Told) -> None:
        self._home, self._store, self._lineage = home, home.store, lineage
        self._registry = home.registry
        self._trail = self._registry.events()
        self._gone = retired(self._trail)
        self._release = self._registry.release(lineage["release"]["release"])

    def everything(self) -> Iterator[dict[str, Any]]:
        lineage = self._lineage
        if "answer" in lineage:
            yield from chain(self._answer(), self._taught())
        for file in lineage.get("sources") or ():
            yield self._source(file)
        yield from self._snapshot()
        for training in lineage["chain"]:
            yield from self._training(training)
        yield from chain(self._model(), self._gate(), self._events())

    def _answer(self) -> Iterator[dict[str, Any]]:
        answer, document, source = (self._lineage[name] for name in ("answer", "document", "source"))
        passage, docid, doc_id = answer["passage_id"], answer["docid"], document["doc_id"]
        yield _one("text of the answer", passage, text_hash, answer["text"])
        yield _one(f"passage {passage} in its table", passage, self._text_of, passage)
        yield _one(f"docid {docid} in its table", f"{passage} {answer['label']}", self._labelled, docid)
        for name in ("text_hash", "metadata_hash"):
            what = f"{name.removesuffix('_hash')} of {doc_id} in its table"
            yield _one(what, document[name], self._of_document, doc_id, name)
        yield self._source(source)

    def _row(self, table: str, column: str, value: Any) -> pa.Table:
        snapshot = self._lineage["snapshot"]
        self._kept(snapshot["snapshot"])
        rows = self._store.read(table, snapshot["tables"][table]["version"])
        found = rows.filter(pc.field(column) == value)
        if found.num_rows != 1:
            raise BrokenRelease(f"table {table} has {found.num_rows} rows of {value!r}")
        return found

    def _text_of(self, passage: str) -> str:
        return text_hash(self._row("passages", "passage_id", passage)["text"][0].as_py())

    def _labelled(self, docid: int) -> str:
        (row,) = self._row("docids", "docid", docid).to_pylist()
        return f"{row['passage_id']} {row['label']}"

    def _of_document(self, doc_id: str, name: str) -> str:
        (document,) = documents_of(self._row("documents", "doc_id", doc_id))
        return str(getattr(document, name))

    def _source(self, source: Told) -> dict[str, Any]:
        """A file that was posted lies in the home; every other is named by an absolute path or an address."""
        file = source["file"]
        place = str(self._home.path / file) if file.startswith("inbox/") else file
        found = _one(f"source {file}", source["hash"], current_hash, place)
        return {**found, "state": CHANGED} if found["state"] == DIFFERS else found

    def _taught(self) -> Iterator[dict[str, Any]]:
        passage = self._lineage["answer"]["passage_id"]
        of = {training["release"]: training for training in self._lineage["chain"]}
        for one in self._lineage["taught"]["trainings"]:
            what = f"queries of {one['release']} about the passage"
            yield _one(what, one["rows_hash"], self._rows_about, of[one["release"]], passage)

    def _rows_about(self, training: Told, passage: str) -> str:
        self._folder(self._carrier(training))
        return text_hash(canonical_json(rows_about(self._store, training, passage)))

    def _model(self) -> Iterator[dict[str, Any]]:
        release, is_told = self._release, self._lineage["release"]
        name, metrics = is_told["release"], canonical_json(self._lineage["evaluation"]["metrics"])
        yield _one(f"model files of {name}", is_told["content_hash"], self._content, release)
        yield _one(f"manifest of {name}", is_told["manifest_hash"], self._file, release, MANIFEST)
        yield _one(f"what {name} learned", is_told["model"], self._learned, release)
        yield _one(f"metrics of {name}", text_hash(metrics), text_hash, canonical_json(dict(release.metrics)))

    def _snapshot(self) -> Iterator[dict[str, Any]]:
        snapshot = self._lineage["snapshot"]
        name = snapshot["snapshot"]
        yield _one(f"record of {name}", snapshot["record_hash"], self._record, name)
        for table, kept in snapshot["tables"].items():
            what = f"table {table}@{kept['version']}"
            yield _one(what, kept["hash"], self._table_of_snapshot, name, table, kept["version"])

    def _kept(self, snapshot: str) -> None:
        """Raise where a snapshot is gone with the release; of any other, the record ought to be there."""
        if snapshot not in self._store.snapshots():
            self._folder(self._release)

    def _record(self, snapshot: str) -> str:
        self._kept(snapshot)
        return self._store.committed(snapshot).hash

    def _table_of_snapshot(self, snapshot: str, table: str, version: int) -> str:
        self._kept(snapshot)
        return table_hash(self._store.read(table, version))

    def _training(self, training: Told) -> Iterator[dict[str, Any]]:
        name = training["release"]
        if training["gone"]:
            yield {"what": f"training of {name}", "told": training["model"], "found": training["gone"], "state": GONE}
            return
        carrier = self._carrier(training)
        yield _one(f"settings of {name}", training["settings_hash"], self._settings, carrier)
        for file, digest in training["files"].items():
            yield _one(f"{file} of {name}", digest, self._file, carrier, file)
        yield _one(f"genesis encoder of {name}", training["encoder_hash"], encoder_hash, training["encoder"])
        for table, kept in training["tables"].items():
            what = f"table {table}@{kept['version']} of {name}"
            yield _one(what, kept["hash"], self._table_of_training, carrier, table, kept["version"])

    def _table_of_training(self, carrier: Release, table: str, version: int) -> str:
        self._folder(carrier)
        return table_hash(self._store.read(table, version))

    def _gate(self) -> Iterator[dict[str, Any]]:
        for one in self._lineage["gate"]:
            if one["report_hash"]:
                number = int(one["release"].removeprefix("r"))
                yield _one(f"the gate's report on {one['release']}", one["report_hash"], self._report, number)

    def _report(self, number: int) -> str:
        verdict = self._registry.verdict(number)
        return text_hash(canonical_json(verdict.as_json())) if verdict else "never judged"

    def _events(self) -> Iterator[dict[str, Any]]:
        now = {event.seq: event_hash(event) for event in self._trail}
        for one in self._lineage["events"]:
            what = f"event {one['event']}, {one['kind']} {one['release'] or ''}".strip()
            yield _one(what, one["hash"], now.get, one["event"], "no such event")
        whole = f"a chain of {len(self._trail)} events, which say what the tables say"
        yield _one("the trail", whole, "; ".join, self._registry.problems() or [whole])

    def _carrier(self, training: Told) -> Release:
        return self._registry.release(training["read_from"])

    def _folder(self, release: Release) -> Path:
        if event := self._gone.get(release.number):
            raise ReleaseRetired(describe(release.number, event))
        return release.folder

    def _file(self, release: Release, name: str) -> str:
        path = self._folder(release) / name
        return file_hash(path) if path.exists() else "missing"

    def _content(self, release: Release) -> str:
        return content_hash(self._folder(release))

    def _learned(self, release: Release) -> str:
        return model_hash(read_manifest(self._folder(release)))

    def _settings(self, release: Release) -> str:
        return text_hash(canonical_json(dict(read_manifest(self._folder(release)).settings)))


def _one(what: str, expected: str, compute: Callable[..., Any], *given: Any) -> dict[str, Any]:
    """The hash computed again, or why it cannot be."""
    try:
        found = compute(*given)
        state = SAME if found == expected else DIFFERS
    except (ReleaseRetired, UnreadableSource) as error:
        found, state = str(error), GONE
    except Exception as error:  # damaged bytes break their readers in ways that have no common base
        found, state = f"unreadable: {error}", DIFFERS
    return {"what": what, "told": expected, "found": found, "state": state}
