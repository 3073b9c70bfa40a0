"""Is a lineage true? Every hash that it names is computed again from what lies in the home and in the sources.

The hashes hang together: a release's event is in the hash-chained trail and names the release's content, manifest and
snapshot record; these name the model files, the settings and the hash of every table version. A source may have changed
since it was read, and what was collected or erased cannot be checked. Both are reported; neither is a contradiction.
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
from genret_ops.lineage.answer import training_rows
from genret_ops.modeling.encoder_files import encoder_hash
from genret_ops.records import canonical_json, table_hash, text_hash
from genret_ops.registry.artifacts import MANIFEST, content_hash, model_hash, read_manifest
from genret_ops.registry.audit_trail import describe_retirement, event_hash, retired
from genret_ops.registry.home import Home
from genret_ops.registry.store import Release
from genret_ops.storage.files import file_hash
from genret_ops.storage.language_model_files import language_model_hash
from genret_ops.text import plural

SAME, DIFFERS, CHANGED, GONE = "same", "differs", "changed since", "gone"


def check(home: Home, lineage: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Compute every hash of a lineage again; nothing else may change the home meanwhile.

    Args:
        home: the home that the lineage is of.
        lineage: what `answer_lineage` or `release_lineage` returned, now or long ago.

    Returns:
        One entry a hash, as JSON: `what` it is of, the hash that the lineage names (`told`), the one computed now
        (`found`) and the `state`. `differs` is a contradiction; `changed since` is a source that has changed since it
        was read; what is `gone` cannot be checked, and `found` says why.

    Example:
        >>> [entry["what"] for entry in check(home, lineage) if entry["state"] == DIFFERS]
        ['manifest of r2']
    """
    return list(_Checker(home, lineage).everything())


class _Checker:
    """A lineage beside its home."""

    def __init__(self, home: Home, lineage: Mapping[str, Any]) -> None:
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
        yield _compare("text of the answer", passage, text_hash, answer["text"])
        yield _compare(f"passage {passage} in its table", passage, self._text_of, passage)
        yield _compare(f"docid {docid} in its table", f"{passage} {answer['label']}", self._labelled, docid)
        for name in ("text_hash", "metadata_hash"):
            what = f"{name.removesuffix('_hash')} of {doc_id} in its table"
            yield _compare(what, document[name], self._document_hash, doc_id, name)
        yield self._source(source)

    def _row(self, table: str, column: str, value: Any) -> pa.Table:
        snapshot = self._lineage["snapshot"]
        self._kept(snapshot["snapshot"])
        rows = self._store.read(table, snapshot["tables"][table]["version"])
        matches = rows.filter(pc.field(column) == value)
        if matches.num_rows != 1:
            raise BrokenRelease(f"table {table} has {plural(matches.num_rows, 'row')} for {value!r}, not 1")
        return matches

    def _text_of(self, passage: str) -> str:
        return text_hash(self._row("passages", "passage_id", passage)["text"][0].as_py())

    def _labelled(self, docid: int) -> str:
        (row,) = self._row("docids", "docid", docid).to_pylist()
        return f"{row['passage_id']} {row['label']}"

    def _document_hash(self, doc_id: str, name: str) -> str:
        (document,) = documents_of(self._row("documents", "doc_id", doc_id))
        return str(getattr(document, name))

    def _source(self, source: Mapping[str, Any]) -> dict[str, Any]:
        """A file that was posted lies in the home; every other is named by an absolute path or a URL."""
        file = source["file"]
        path = str(self._home.path / file) if file.startswith("inbox/") else file
        entry = _compare(f"source {file}", source["hash"], current_hash, path)
        return {**entry, "state": CHANGED} if entry["state"] == DIFFERS else entry

    def _taught(self) -> Iterator[dict[str, Any]]:
        passage = self._lineage["answer"]["passage_id"]
        trainings = {training["release"]: training for training in self._lineage["chain"]}
        for queries in self._lineage["taught"]["trainings"]:
            what = f"queries of {queries['release']} about the passage"
            yield _compare(what, queries["rows_hash"], self._queries, trainings[queries["release"]], passage)

    def _queries(self, training: Mapping[str, Any], passage: str) -> str:
        self._folder(self._carrier(training))
        return text_hash(canonical_json(training_rows(self._store, training, passage)))

    def _model(self) -> Iterator[dict[str, Any]]:
        release, facts = self._release, self._lineage["release"]
        name, metrics = facts["release"], canonical_json(self._lineage["evaluation"]["metrics"])
        yield _compare(f"model files of {name}", facts["content_hash"], self._content, release)
        yield _compare(f"manifest of {name}", facts["manifest_hash"], self._file, release, MANIFEST)
        yield _compare(f"what {name} learned", facts["model"], self._learned, release)
        yield _compare(f"metrics of {name}", text_hash(metrics), text_hash, canonical_json(dict(release.metrics)))

    def _snapshot(self) -> Iterator[dict[str, Any]]:
        snapshot = self._lineage["snapshot"]
        name = snapshot["snapshot"]
        yield _compare(f"record of {name}", snapshot["record_hash"], self._record, name)
        for table, kept in snapshot["tables"].items():
            what = f"table {table}@{kept['version']}"
            yield _compare(what, kept["hash"], self._table_of_snapshot, name, table, kept["version"])

    def _kept(self, snapshot: str) -> None:
        """Check that a snapshot is there.

        Raises:
            ReleaseRetired: it went with the release. The record of any other snapshot ought to be there.
        """
        if snapshot not in self._store.snapshots():
            self._folder(self._release)

    def _record(self, snapshot: str) -> str:
        self._kept(snapshot)
        return self._store.committed(snapshot).hash

    def _table_of_snapshot(self, snapshot: str, table: str, version: int) -> str:
        self._kept(snapshot)
        return table_hash(self._store.read(table, version))

    def _training(self, training: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        name = training["release"]
        if training["gone"]:
            yield {"what": f"training of {name}", "told": training["model"], "found": training["gone"], "state": GONE}
            return
        carrier = self._carrier(training)
        yield _compare(f"settings of {name}", training["settings_hash"], self._settings, carrier)
        for file, digest in training["files"].items():
            yield _compare(f"{file} of {name}", digest, self._file, carrier, file)
        yield _compare(f"genesis encoder of {name}", training["encoder_hash"], encoder_hash, training["encoder"])
        if language_model := training.get("language_model"):
            weights = training["language_model_hash"]
            yield _compare(f"language model of {name}", weights, language_model_hash, language_model)
        for table, kept in training["tables"].items():
            what = f"table {table}@{kept['version']} of {name}"
            yield _compare(what, kept["hash"], self._table_of_training, carrier, table, kept["version"])

    def _table_of_training(self, carrier: Release, table: str, version: int) -> str:
        self._folder(carrier)
        return table_hash(self._store.read(table, version))

    def _gate(self) -> Iterator[dict[str, Any]]:
        for verdict in self._lineage["gate"]:
            if verdict["report_hash"]:
                name = verdict["release"]
                number = int(name.removeprefix("r"))
                yield _compare(f"the gate's report on {name}", verdict["report_hash"], self._report, number)

    def _report(self, number: int) -> str:
        verdict = self._registry.verdict(number)
        return text_hash(canonical_json(verdict.as_json())) if verdict else "never judged"

    def _events(self) -> Iterator[dict[str, Any]]:
        hashes = {event.seq: event_hash(event) for event in self._trail}
        for event in self._lineage["events"]:
            what = f"event {event['event']}, {event['kind']} {event['release'] or ''}".strip()
            yield _compare(what, event["hash"], hashes.get, event["event"], "no such event")
        sound = f"a chain of {plural(len(self._trail), 'event')} that agrees with the tables"
        yield _compare("the trail", sound, "; ".join, self._registry.problems() or [sound])

    def _carrier(self, training: Mapping[str, Any]) -> Release:
        return self._registry.release(training["read_from"])

    def _folder(self, release: Release) -> Path:
        if event := self._gone.get(release.number):
            raise ReleaseRetired(describe_retirement(release.number, event))
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


def _compare(what: str, expected: str, compute: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """An entry for a hash: what `compute` returns for these arguments, or why it cannot."""
    try:
        actual = compute(*arguments)
        state = SAME if actual == expected else DIFFERS
    except (ReleaseRetired, UnreadableSource) as error:
        actual, state = str(error), GONE
    except Exception as error:  # damaged bytes break their readers in ways that have no common base
        actual, state = f"unreadable: {error}", DIFFERS
    return {"what": what, "told": expected, "found": actual, "state": state}
