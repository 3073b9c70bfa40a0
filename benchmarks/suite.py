"""Lay a suite of corpora out as folders in BEIR layout, side by side, for `genret bench --suite`.

    python benchmarks/suite.py DATA FOLDER

DATA holds `multihop-rag`, `cranfield` and `scifact` in BEIR layout, `peps/base/*.rst` (github.com/python/peps), and
`pypi/packages.parquet` with the columns id and text (names and one-line descriptions of packages). What of it is there
is laid out. Three corpora are made here:

- `stdlib`: the standard library of this Python, with the questions of examples/stdlib_queries.jsonl.
- `peps`: sections of every second PEP, without their headings; 500 headings that no other section has are the queries.
- `pypi`: 10,000 descriptions, without the names; 500 names of two telling words or more are the queries.

Known items are drawn by a hash, so the same data gives the same suite.
"""

import argparse
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from genret_ops.ingestion.stdlib import read_stdlib
from genret_ops.records import Document
from genret_ops.storage import jsonl

READY = ("multihop-rag", "cranfield", "scifact")
QUERIES, PACKAGES = 500, 10_000
UNDERLINE = re.compile(r"^([=\-~^\"'`+*#.:_])\1{2,}\s*$")
USUAL = {"python", "django", "flask", "lib", "client", "api", "the", "for", "and", "package", "pytest", "plugin"}
USUAL |= {"sdk", "mcp", "server", "tool", "tools", "cli"}
"""Words of package names that say little."""

Known = tuple[str, Sequence[str]]
"""A query, and the ids of the documents that answer it."""


def drawn(text: str) -> int:
    """A number that depends on the text alone."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def write(folder: Path, documents: Iterable[Mapping[str, Any]], queries: Sequence[Known]) -> None:
    """Write a corpus and its queries in BEIR layout."""
    folder.mkdir(parents=True, exist_ok=True)
    jsonl.rewrite(folder / "corpus.jsonl", documents)
    jsonl.rewrite(folder / "queries.jsonl", ({"_id": f"q{n}", "text": text} for n, (text, _) in enumerate(queries)))
    lines = [f"q{number}\t{doc_id}\t1" for number, (_, answers) in enumerate(queries) for doc_id in answers]
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n")


def write_stdlib(folder: Path) -> None:
    """The standard library of this Python, with the questions of the example."""
    questions = jsonl.read(Path(__file__).parents[1] / "examples" / "stdlib_queries.jsonl")
    documents = (
        {"_id": doc.doc_id, "title": doc.title, "text": doc.text, "metadata": dict(doc.metadata)}
        for doc in read_stdlib()
        if isinstance(doc, Document)
    )
    write(folder, documents, [(row["text"], row["gold"]) for row in questions])


def sections(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """(id, title of the PEP, heading, text) of each section of 25 words or more."""
    lines = path.read_text("utf-8", errors="replace").split("\n")
    title = next((line[6:].strip() for line in lines if line.startswith("Title:")), path.stem)
    heads = [
        number
        for number, (line, under) in enumerate(pairwise(lines))
        if line.strip() and not line.startswith((" ", "|", "+", "=")) and UNDERLINE.match(under)
        if len(under.strip()) >= len(line.strip()) - 1
    ]
    for number, (start, end) in enumerate(pairwise([*heads, len(lines)])):
        text = "\n".join(line for line in lines[start + 2 : end] if not UNDERLINE.match(line)).strip()
        if len(text.split()) >= 25:
            yield f"{path.stem}#{number}", title, lines[start].strip(), re.sub(r"\n(?!\n)", "\n", text)


def write_peps(source: Path, folder: Path) -> None:
    """Sections of every second PEP, to be found by headings that are not in their text."""
    every = [
        section for path in sorted(source.glob("pep-*.rst")) if drawn(path.name) % 2 == 0 for section in sections(path)
    ]
    count = Counter(heading.lower() for _, _, heading, _ in every)
    telling = [
        (heading, [doc_id])
        for doc_id, _, heading, text in sorted(every, key=lambda section: drawn(section[0]))
        if count[heading.lower()] == 1 and 3 <= len(heading.split()) <= 12 and heading.lower() not in text.lower()
    ]
    write(
        folder, ({"_id": doc_id, "title": title, "text": text} for doc_id, title, _, text in every), telling[:QUERIES]
    )


def write_packages(source: Path, folder: Path) -> None:
    """Descriptions of packages, to be found by their names."""
    rows = pq.read_table(source, columns=["id", "text"]).to_pylist()
    count = Counter(row["text"] for row in rows)
    kept = [row for row in rows if count[row["text"]] == 1 and len(row["text"].split()) >= 6]
    kept = sorted(kept, key=lambda row: drawn(row["id"]))[:PACKAGES]
    queries = list[Known]()
    for number, row in enumerate(kept):
        words = [word for word in re.split(r"[-_.]", row["id"].lower()) if re.fullmatch(r"[a-z]{3,}", word)]
        if sum(word not in USUAL for word in words) >= 2:
            queries.append((" ".join(words), [f"p{number}"]))
    documents = ({"_id": f"p{number}", "title": "", "text": row["text"]} for number, row in enumerate(kept))
    write(folder, documents, queries[:QUERIES])


def main() -> None:
    """Lay out what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="where the collections lie")
    parser.add_argument("folder", type=Path, help="where the suite goes")
    arguments = parser.parse_args()
    data, folder = arguments.data.absolute(), arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    write_stdlib(folder / "stdlib")
    for name in READY:
        if (data / name).is_dir() and not (folder / name).exists():
            (folder / name).symlink_to(data / name)
    if (data / "peps").is_dir():
        write_peps(data / "peps" / "base", folder / "peps")
    if (data / "pypi").is_dir():
        write_packages(data / "pypi" / "packages.parquet", folder / "pypi")
    for corpus in sorted(folder.iterdir()):
        count = [sum(1 for _ in (corpus / name).open()) for name in ("corpus.jsonl", "queries.jsonl")]
        print(f"{corpus.name}: {count[0]:,} documents, {count[1]:,} queries")


if __name__ == "__main__":
    main()
