"""The training set of a build as a folder that others can use: queries, passages, splits, and a card.

The folder is made beside its place and moved there in one rename. `genret.json` in it lists the hash of every file, so
that a second export can tell what it wrote itself from what it did not.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genret_ops.corpus.view import CorpusView
from genret_ops.corpus.visibility import withdrawn
from genret_ops.errors import GenretError
from genret_ops.records import SyntheticQuery, canonical_json, text_hash
from genret_ops.registry.artifacts import CARD
from genret_ops.registry.home import Home
from genret_ops.registry.model_card import card_environment
from genret_ops.registry.store import Registry, Release
from genret_ops.storage.files import file_hash, read_json
from genret_ops.synthesis.dataset import save_rows
from genret_ops.synthesis.kinds import KINDS, SPLITS
from genret_ops.synthesis.queries import read_queries
from genret_ops.text import listed

LISTING = "genret.json"
_SETTINGS = ("chunk", "sentence", "constraint", "multihop", "context", "heldout")
"""Settings of synthesis that a card shows; paths, addresses and keys stay at home."""


def export_dataset(home: Home, delta: str, folder: Path) -> dict[str, Any]:
    """Write the training set of a build as a Hugging Face data set with a card.

    Queries about documents that are withdrawn by now are left out.

    Args:
        home: the home.
        delta: the delta on which the build was made; of several builds, the newest.
        folder: the folder to write; it may be missing, empty, or what an earlier export wrote and nobody has changed.

    Returns:
        As JSON: `folder`, `delta`, `release`, `queries` (split -> kind -> number), `withdrawn` (number of queries that
        were left out), and whether the folder was `written`; false if it held this data set already.

    Raises:
        GenretError: no build was made on that delta, or the folder holds something that no export wrote.
    """
    release = _build_on(home.registry, delta)
    queries = read_queries(home.store, delta, release.manifest().training_tables["queries"])
    head = CorpusView.load(home.store, home.store.committed(delta).tables)
    hidden = withdrawn(home.path)
    rows = {split: list[dict[str, Any]]() for split in SPLITS}
    for query, row in _rows(head, queries, hidden):
        rows[query.split].append(row)
    kept = {split: Counter(row["kind"] for row in group) for split, group in rows.items() if group}
    if not kept:
        raise GenretError(f"every document of {delta} is withdrawn: there is nothing to export")
    facts = {
        "delta": delta,
        "release": home.registry.training_release(release).name,
        "queries": {split: {kind: counts[kind] for kind in KINDS if counts[kind]} for split, counts in kept.items()},
        "withdrawn": len(queries) - sum(map(len, rows.values())),
    }
    card = _card(release, head, facts, Counter(row["generator"] for group in rows.values() for row in group))
    content = text_hash(canonical_json({"rows": rows, "card": card}))
    known = _earlier_export(folder)
    if known != content:
        building = folder.with_name(f".{folder.name}.exporting")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        save_rows(building, rows)
        (building / CARD).write_text(card, encoding="utf-8")
        listing = {"content": content, "files": dict(sorted(_hashes(building)))}
        (building / LISTING).write_text(json.dumps(listing, indent=1), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        building.rename(folder)
    return {"folder": str(folder), **facts, "written": known != content}


def _build_on(registry: Registry, delta: str) -> Release:
    """The newest release that was trained on a delta and whose files are there."""
    registry.expect_releases()
    trained = [release for release in registry.present() if release.manifest().trained_on]
    builds = [release for release in trained if release.manifest().trained_on == delta]
    if not builds:
        deltas = list(dict.fromkeys(release.manifest().trained_on for release in reversed(trained)))
        choice = f"builds were made on {listed(deltas)}" if deltas else "run `genret build` first"
        raise GenretError(f"no build was made on {delta!r}, or its release is gone: {choice}")
    return builds[-1]


def _rows(
    head: CorpusView, queries: list[SyntheticQuery], hidden: frozenset[str]
) -> Iterator[tuple[SyntheticQuery, dict[str, Any]]]:
    """Each query with its row, without those of which a passage is in `hidden` documents alone."""
    docid_of = head.live_docid_of
    for query in queries:
        docids = [docid_of[positive] for positive in query.positives]
        shown = [[doc_id for doc_id in head.documents_of(docid) if doc_id not in hidden] for docid in docids]
        if all(shown):
            yield (
                query,
                {
                    "query": query.text,
                    "kind": query.kind,
                    "positive_ids": list(query.positives),
                    "positive_texts": [head.passages[docid].text for docid in docids],
                    "document_ids": list(dict.fromkeys(doc_id for documents in shown for doc_id in documents)),
                    "generator": _without_path(query.generator),
                    "constraints": canonical_json(dict(query.constraints)),
                    "withheld": list(query.withheld),
                    "seed": query.seed,
                },
            )


def _without_path(generator: str) -> str:
    """A generator whose language model is the last part of its path, if it is named by one."""
    provider, colon, rest = generator.partition(":")
    model, *prompt = rest.rsplit(":", 3)  # name and version of the prompt, its hash, the style
    return f"{provider}{colon}{':'.join([Path(model).name, *prompt])}" if Path(model).is_absolute() else generator


def _card(release: Release, head: CorpusView, facts: dict[str, Any], generators: Counter[str]) -> str:
    trained_under = release.manifest().trained_under()
    shown = {kind for counts in facts["queries"].values() for kind in counts}
    return (
        card_environment()
        .get_template("dataset.md.j2")
        .render(
            delta=facts["delta"],
            release=facts["release"],
            corpus={"documents": len(head.documents), "passages": int(head.live.sum())},
            kinds=[kind for kind in KINDS if kind in shown],
            splits={split: Counter(counts) for split, counts in facts["queries"].items()},
            withdrawn=facts["withdrawn"],
            generators=dict(sorted(generators.items())),
            settings={
                **{name: getattr(trained_under.synthesis, name) for name in _SETTINGS},
                "seed": trained_under.training.seed,
            },
        )
    )


def _earlier_export(folder: Path) -> str:
    """What identifies the data set that an earlier export wrote into a folder; "" if the folder is free.

    Raises:
        GenretError: the folder is a file, or holds something that no export wrote.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return ""
    if not folder.is_dir():
        raise GenretError(f"{folder} is a file: choose a folder")
    listing = read_json(folder / LISTING) if (folder / LISTING).is_file() else None
    if not isinstance(listing, dict) or "files" not in listing:
        raise GenretError(f"{folder} holds something that no export wrote: choose another folder")
    written, present = listing["files"], dict(_hashes(folder))
    if changed := sorted(name for name, content in present.items() if written.get(name) != content):
        raise GenretError(f"{folder / changed[0]} is not as an export wrote it: move it away, or choose another folder")
    return str(listing["content"]) if present == written else "incomplete"


def _hashes(folder: Path) -> Iterator[tuple[str, str]]:
    """(relative path, hash) of every file of a folder, except the listing itself."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / LISTING:
            yield path.relative_to(folder).as_posix(), file_hash(path)
