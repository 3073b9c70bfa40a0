"""Time to searchable: 100 new passages on a large index, beside the time that the bare encoder needs for them.

    python benchmarks/searchable.py ../shared/data/multihop-rag --home .bench/searchable --rounds 3

The corpus without its last documents is built once, with next to no training, since the fast path does not depend on
it. Then parts of about 100 passages arrive. All but the last are ingested in this process, the last by `genret ingest`
in a fresh one. After each, the bare encoder reads the same texts in this process, as this project runs it (each core
takes batches of its own) and as Sentence-Transformers does. Only ratios count. `searchable` is the time until the
release that finds the passages became champion, `seconds` the time until the command had ended.
"""

import argparse
import json
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import dagster as dg
from sentence_transformers import SentenceTransformer

from assets.lib import runner
from assets.lib.execution import instance_of
from genret_ops.corpus.view import CorpusView
from genret_ops.modeling.encoder_files import encoder_path
from genret_ops.registry.home import Home
from genret_ops.registry.store import CHAMPION
from genret_ops.storage.home import make_home
from genret_ops.training.dataset import passage_encoder, passage_inputs

_PASSAGES = 100


def head_of(home: Home) -> CorpusView:
    """The newest corpus head."""
    return CorpusView.load(home.store, home.store.committed(home.store.snapshots()[-1]).tables)


def bare(home: Home, docids: int) -> tuple[float, float, int, int]:
    """(seconds, seconds of Sentence-Transformers, texts, passages) of the bare encoder on docids from `docids` on."""
    inputs = passage_inputs(head_of(home))
    known = {text for passage in inputs[:docids] for text in passage.texts}
    texts = sorted({text for passage in inputs[docids:] for text in passage.texts} - known)
    encoder = passage_encoder(home.settings)
    other = SentenceTransformer(encoder_path(home.settings.model.encoder), device="cpu")
    other.max_seq_length = encoder.limit
    started = time.perf_counter()
    encoder.encode(texts)
    between = time.perf_counter()
    other.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    return between - started, time.perf_counter() - between, len(texts), len(inputs) - docids


def grow(source: Path, lines: list[str], count: int) -> None:
    """Make the source hold the first `count` documents."""
    source.write_text("\n".join(lines[:count]) + "\n")


def part(home: Home) -> int:
    """How many documents make about 100 passages, by the mean of those that are there."""
    record = home.store.committed(home.store.snapshots()[-1])
    return max(1, round(_PASSAGES * int(record.documents) / int(record.passages)))


def main() -> None:
    """Build once, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a folder in BEIR layout; only its corpus.jsonl is read")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--left", type=int, default=60, help="documents that the first corpus leaves out")
    arguments = parser.parse_args()
    lines = [line for line in (arguments.folder / "corpus.jsonl").read_text("utf-8").split("\n") if line.strip()]
    make_home(arguments.home)
    home, source = Home(arguments.home.absolute()), arguments.home.absolute() / "source.jsonl"
    count = len(lines) - arguments.left
    grow(source, lines, count)
    runner.ingest(home, [str(source)], only=True)
    settings = home.settings.with_training(steps=8, rpo_steps=0)
    runner.build(home, settings, waiver="the fast path does not depend on training")
    print(f"{home.store.committed(home.store.snapshots()[-1]).passages} passages to begin with")
    for name in [*(f"warm {number}" for number in range(arguments.rounds + 1)), "cold"]:
        docids = len(head_of(home))
        count += part(home)
        grow(source, lines, count)
        started, clock = time.perf_counter(), time.time()
        if name == "cold":
            command = [sys.executable, "-m", "genret_ops.cli", "ingest", "--home", str(arguments.home)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        else:
            runner.ingest(home)
        seconds = time.perf_counter() - started
        alone, library, texts, passages = bare(home, docids)
        registry = home.registry
        release, promoted = registry.release(CHAMPION), registry.events("promoted")[-1]
        searchable = datetime.fromisoformat(promoted.at).timestamp() - clock
        with instance_of(home.dagster) as instance:
            event = instance.get_latest_materialization_event(dg.AssetKey("patch_release"))
        made = event.asset_materialization if event else None
        encoded = made.metadata["texts encoded"].value if made else None
        print(
            json.dumps(
                {
                    "round": name,
                    "release": release.number,
                    "passages": passages,
                    "texts": texts,
                    "texts encoded": encoded,
                    "searchable": round(searchable, 2),
                    "seconds": round(seconds, 2),
                    "bare encoder": round(alone, 2),
                    "ratio": round(searchable / alone, 2),
                    "Sentence-Transformers": round(library, 2),
                    "ratio to it": round(searchable / library, 2),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
