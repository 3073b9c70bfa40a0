"""How often attributes that are read from texts are right: F1 by attribute, on the PEPs and on news.

    python benchmarks/extraction.py peps FOLDER
    python benchmarks/extraction.py news FOLDER [--write FOLDER]

`peps` takes a folder of PEPs as they are written, with their headers: the gold is what the headers say. They are read
once with the headers as plain text above the body, and once without headers and title. `news` takes a folder in BEIR
layout whose documents carry source, author, category and published_at; all four are hidden, and read from the bodies.
Gold and answers pass through the same function (extraction/values.py). A value counts as right if it is the whole gold
value. `--write` writes the benchmark with these attributes hidden, and settings that extract them.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genret_ops.extraction.extractor import Extractor
from genret_ops.extraction.values import normalised
from genret_ops.ingestion.front_matter import split_headers
from genret_ops.records import Document
from genret_ops.settings import ExtractedAttribute, ExtractionSettings

STATUSES = (
    *("Accepted", "Active", "April Fool!", "Deferred", "Draft", "Final"),
    *("Provisional", "Rejected", "Superseded", "Withdrawn"),
)
PEPS = (
    ExtractedAttribute(name="author", type="person"),
    ExtractedAttribute(name="status", type="category", values=STATUSES),
    ExtractedAttribute(name="type", type="category", values=("Informational", "Process", "Standards Track")),
    ExtractedAttribute(name="created", type="date"),
    ExtractedAttribute(name="python_version", type="text", pattern=r"\bPython[ -]v?(\d\.\d+)\b"),
)
HIDDEN = ("source", "author", "category", "published_at")
HIDDEN_TOO = ("url", "title")
"""Attributes that give the hidden ones away, or repeat the title."""


def main(arguments: Sequence[str]) -> None:
    """Print one table for each way of reading."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("peps", "news"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", type=Path, help="where to write the benchmark with its attributes hidden")
    parser.add_argument("--confidence", type=int, default=50, help="least confidence of a value, in percent")
    chosen = parser.parse_args(arguments)
    if chosen.kind == "peps":
        peps(chosen.folder, chosen.confidence)
    else:
        news(chosen.folder, chosen.confidence, chosen.write)


def peps(folder: Path, confidence: int) -> None:
    """The PEPs of a folder, with headers in the text and from bodies alone."""
    texts = {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("pep-*.*"))}
    parts = {name: split_headers(text) for name, text in texts.items()}
    gold = {name: headers for name, (headers, _) in parts.items()}
    bodies = {name: body for name, (_, body) in parts.items()}
    for title, source in (("headers visible as text", texts), ("bodies alone", bodies)):
        documents = [Document(name, "", text) for name, text in source.items()]
        report(f"PEPs, {title}", documents, gold, ExtractionSettings(confidence=confidence, attributes=PEPS))


def news(folder: Path, confidence: int, write: Path | None) -> None:
    """News whose attributes are hidden: with lists of sources and categories, without them, and half hidden."""
    rows = [json.loads(line) for line in (folder / "corpus.jsonl").read_text("utf-8").splitlines() if line.strip()]
    gold = {row["_id"]: row["metadata"] for row in rows}
    lists = {name: tuple(sorted({row["metadata"][name] for row in rows})) for name in ("source", "category")}
    schemas = {False: news_schema({}), True: news_schema(lists)}
    hidden = [Document(row["_id"], row["title"], row["text"]) for row in rows]
    for listed, attributes in schemas.items():
        settings = ExtractionSettings(confidence=confidence, attributes=attributes)
        report(f"news, all hidden, {'with' if listed else 'without'} lists of values", hidden, gold, settings)
    taught = [
        Document(row["_id"], row["title"], row["text"], {name: row["metadata"][name] for name in lists})
        if number % 2
        else document
        for number, (row, document) in enumerate(zip(rows, hidden, strict=True))
    ]
    settings = ExtractionSettings(confidence=confidence, attributes=schemas[True])
    report("news, source and category given for every second document", taught, gold, settings)
    if write is not None:
        write_hidden(folder, write, rows, schemas[True])


def news_schema(lists: Mapping[str, tuple[str, ...]]) -> tuple[ExtractedAttribute, ...]:
    """The schema of news, with the values that source and category may have if they are known."""
    return (
        ExtractedAttribute(name="source", type="source", values=lists.get("source", ())),
        ExtractedAttribute(name="author", type="person"),
        ExtractedAttribute(name="category", type="category", values=lists.get("category", ())),
        ExtractedAttribute(name="published_at", type="date", labels=("published", "posted")),
    )


def report(
    title: str, documents: Sequence[Document], gold: Mapping[str, Mapping[str, str]], settings: ExtractionSettings
) -> None:
    """Print precision, recall and F1 of each attribute, over the documents that do not carry it."""
    started = time.perf_counter()
    extractor = Extractor(settings, documents)
    answers = dict[tuple[str, str], list[str]]()
    for document in documents:
        for value in extractor.values(document):
            answers.setdefault((document.doc_id, value.attribute), []).append(value.value)
    print(f"\n## {title}: {len(documents)} documents, {time.perf_counter() - started:.1f} s\n")
    print("| attribute | gold | answers | right | precision | recall | F1 |\n|---|---|---|---|---|---|---|")
    for attribute in settings.attributes:
        open_documents = [document.doc_id for document in documents if attribute.name not in document.metadata]
        right = answered = known = 0
        for doc_id in open_documents:
            right_value = normalised(gold[doc_id].get(attribute.name) or "", attribute)
            answer = ", ".join(answers.get((doc_id, attribute.name), ()))
            known += bool(right_value)
            answered += bool(answer)
            right += bool(right_value) and answer == right_value
        precision, recall = right / max(1, answered), right / max(1, known)
        f1 = 2 * right / max(1, answered + known)
        print(f"| {attribute.name} | {known} | {answered} | {right} | {precision:.3f} | {recall:.3f} | {f1:.3f} |")


def write_hidden(
    folder: Path, target: Path, rows: Sequence[Mapping[str, Any]], attributes: Sequence[ExtractedAttribute]
) -> None:
    """Write the benchmark with its attributes hidden into a folder, and `genret.toml` beside it with the schema."""
    target.mkdir(parents=True, exist_ok=True)
    kept = [
        {
            **row,
            "metadata": {name: value for name, value in row["metadata"].items() if name not in (*HIDDEN, *HIDDEN_TOO)},
        }
        for row in rows
    ]
    (target / "corpus.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept), "utf-8")
    for name in ("queries.jsonl", "qrels.tsv"):
        shutil.copyfile(folder / name, target / name)
    (target / "genret.toml").write_text("\n".join(map(_toml, attributes)), "utf-8")


def _toml(attribute: ExtractedAttribute) -> str:
    fields = attribute.model_dump(exclude_defaults=True)
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    return "\n".join(["[[extraction.attributes]]", *lines, ""])


if __name__ == "__main__":
    main(sys.argv[1:])
