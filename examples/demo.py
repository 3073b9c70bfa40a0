"""`make demo`: index the standard library of this Python, compare the index with BM25, and search it.

Everything lies in `.demo`; a second run uses what the first one made and only prints the table again. The queries in
stdlib_queries.jsonl were written by hand; neither training nor tuning ever sees them.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from genret_ops.settings import SETTINGS_FILE

SETTINGS = """# Less training than the defaults: a laptop is done in minutes. `genret init` writes down every setting.

[training]
steps = 50
rpo_steps = 8
update_steps = 10

[synthesis]
heldout_queries = 400
"""
SEARCHES = (
    "how do I copy a whole directory tree to another place",
    'which function in the "json" module turns objects into text',
    "keep only the n largest things of a long list without sorting all of it",
)
HERE = Path(__file__).parent
HOME = Path(".demo")


def main() -> None:
    """Ingest, build, compare, search."""
    started = time.perf_counter()
    os.environ["GENRET_HOME"] = str(HOME)
    if not HOME.exists():
        HOME.mkdir()
        (HOME / SETTINGS_FILE).write_text(SETTINGS)
    genret("ingest", "python-stdlib")
    building = time.perf_counter()
    genret("build")
    compare(time.perf_counter() - building)
    for query in SEARCHES:
        genret("search", query, "-k", "3")
    print(f"\ndone in {time.perf_counter() - started:.0f} s; look at the runs with `make ui GENRET_HOME=.demo`")


def genret(*arguments: str) -> None:
    """Run a command as a user would type it; if it fails, stop."""
    print(f"\n$ genret {' '.join(word if ' ' not in word else repr(word) for word in arguments)}", flush=True)
    code = subprocess.run([sys.executable, "-m", "genret_ops.cli", *arguments], check=False).returncode
    if code != 0:
        sys.exit(code)


def compare(build_seconds: float) -> None:
    """Print the table of every system on the hand-written queries, and where the full report lies."""
    print("\ncomparing on hand-written queries ...", flush=True)
    from genret_ops.evaluation.datasets import Benchmark, BenchQuery
    from genret_ops.evaluation.reports.benchmark_report import text_table
    from genret_ops.progress import progress_of_many
    from genret_ops.registry.home import Home
    from genret_ops.release_benchmark import measure, report_path
    from genret_ops.storage import jsonl

    rows = jsonl.read(HERE / "stdlib_queries.jsonl")
    queries = tuple(
        BenchQuery(row["_id"], row["text"], dict.fromkeys(row["gold"], 1), kind=row["metadata"]["question_type"])
        for row in rows
    )
    home = Home(HOME)
    benchmark = Benchmark("python-stdlib", HERE / "stdlib_queries.jsonl", queries)
    release = home.registry.release("champion")
    with progress_of_many() as progress:
        result = measure(home, release, benchmark, home.settings, build_seconds, progress, adapted=False)
    print(text_table(result))
    print(f"\nfull report: {report_path(home.path, benchmark, home.settings)}")


if __name__ == "__main__":
    main()
