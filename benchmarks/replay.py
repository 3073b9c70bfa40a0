"""A folder that changes month by month, replayed on the fast path: a search can find what lies there, and only that.

    python benchmarks/replay.py BASE_FOLDER DELTAS_FOLDER --home .bench/replay --steps 10

`DELTAS_FOLDER/DATE/` holds the files that were added or changed by a date, and `removed.txt` names those that were
removed. After the last date one file is deleted, one is renamed, and both are undone. After every step the passages
that a search can return are compared with those cut from the files; the first that is missing or left over ends the
run.
"""

import argparse
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from assets.lib import runner
from genret_ops.corpus.chunking import cut_document
from genret_ops.ingestion.deduplication import quarantine_duplicates
from genret_ops.ingestion.readers import read_source
from genret_ops.modeling.encoder import token_count
from genret_ops.records import Document
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.storage.home import make_home


def on_disk(folder: Path, home: Home) -> set[tuple[str, str]]:
    """(document id, passage id) of everything that the files hold."""
    settings, passages = home.settings, set[tuple[str, str]]()
    count = token_count(settings.model.encoder)
    for item in quarantine_duplicates(read_source(str(folder))):
        if isinstance(item, Document):
            cuts = cut_document(item, settings.corpus, count)
            passages |= {(item.doc_id, passage.passage_id) for passage, _ in cuts}
    return passages


def searchable(home: Home) -> set[tuple[str, str]]:
    """(document id, passage id) of everything that a search of the champion can return."""
    _, retriever = open_release(home)
    head = retriever.index.head
    hits = retriever.search("everything", len(head), "dense").hits
    return {(doc_id, hit.passage_id) for hit in hits for doc_id in head.documents_of(hit.docid)}


def steps(folder: Path, deltas: Path) -> Iterator[str]:
    """Change the folder step by step, and yield what each step did."""
    for date in sorted(path for path in deltas.iterdir() if path.is_dir()):
        removed = date / "removed.txt"
        for name in removed.read_text().split() if removed.exists() else ():
            (folder / name).unlink()
        for path in date.iterdir():
            if path != removed:
                shutil.copyfile(path, folder / path.name)
        yield date.name
    first, second = sorted(path for path in folder.iterdir() if path.suffix in {".rst", ".md", ".txt"})[:2]
    kept = first.read_bytes()
    first.unlink()
    yield f"{first.name} deleted"
    second.rename(second.with_stem(second.stem + "-renamed"))
    yield f"{second.name} renamed"
    first.write_bytes(kept)
    second.with_stem(second.stem + "-renamed").rename(second)
    yield "both undone"


def main() -> None:
    """Replay, and print what each step changed and cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("deltas", type=Path)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=10, help="SFT steps of the one build at the beginning")
    arguments = parser.parse_args()
    if arguments.home.exists():
        parser.error(f"{arguments.home} exists: the replay begins with a new home")
    make_home(arguments.home)
    home, folder = Home(arguments.home.absolute()), arguments.home.absolute() / "folder"
    shutil.copytree(arguments.base, folder)
    runner.ingest(home, [str(folder)])
    training = home.settings.training.model_copy(update={"steps": arguments.steps, "rpo_steps": 0})
    runner.build(
        home, home.settings.model_copy(update={"training": training}), waiver="a replay trains next to nothing"
    )
    print(f"{'step':28s} {'added':>6s} {'changed':>8s} {'removed':>8s} {'passages':>9s} {'new':>6s} {'seconds':>8s}")
    docids = home.store.committed(home.store.snapshots()[-1]).docids
    for step in steps(folder, arguments.deltas):
        started = time.perf_counter()
        ingested = runner.ingest(home)
        seconds = time.perf_counter() - started
        there, here = searchable(home), on_disk(folder, home)
        assert there == here, (step, sorted(there - here)[:3], sorted(here - there)[:3])
        changes, record = ingested.record.changes, ingested.record
        new, docids = record.docids - docids, record.docids
        counts = (changes["added"], changes["changed"], changes["removed"], record.passages, new)
        print(f"{step:28s} {counts[0]:6d} {counts[1]:8d} {counts[2]:8d} {counts[3]:9d} {counts[4]:6d} {seconds:8.1f}")
    print("after every step, a search could find what lay in the folder, and only that")


if __name__ == "__main__":
    main()
