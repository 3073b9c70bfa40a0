"""The queries that the documents show on the standard library find what they ask for, even by words alone."""

import re
import shutil
from pathlib import Path

import pytest

from genret_ops.ingestion.stdlib import read_stdlib, stdlib_root
from genret_ops.lexical.bm25 import Bm25, tokenize
from genret_ops.records import Document

ROOT = Path(__file__).parents[2]
MODULES = ("bisect", "copy", "difflib", "functools", "heapq", "os", "shutil", "statistics", "tempfile", "zipfile")
EXPECTED = {
    "copy a directory tree": "shutil.copytree",
    "copy a whole directory tree": "shutil.copytree",
    "keep only the n largest things of a long list without sorting all of it": "heapq.nlargest",
    "make a temporary file that deletes itself": "tempfile.NamedTemporaryFile",
}
SHOWN = ("README.md", "docs/guide/search.md", "docs/guide/lineage.md", "docs/guide/rollback-and-audit.md")
QUERY = re.compile(r"genret (?:search|why|label) [\"']((?:copy|keep|make) [^\"']+)[\"']")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    """The documents of a few modules."""
    folder = tmp_path_factory.mktemp("library")
    for name in MODULES:
        if (path := stdlib_root() / f"{name}.py").exists():
            shutil.copy(path, folder)
    return [document for document in read_stdlib(folder) if isinstance(document, Document)]


@pytest.mark.parametrize("query", EXPECTED)
def test_words_find_it(query: str, library: list[Document]) -> None:
    scores = Bm25.build([f"{document.title}\n{document.text}" for document in library]).scores(tokenize([query])[0])
    hits = [library[position].doc_id for position in (-scores).argsort(kind="stable")[:10]]
    assert EXPECTED[query] in hits


def test_the_documents_show_no_query_that_was_not_tried() -> None:
    texts = [(ROOT / name).read_text("utf-8") for name in SHOWN]
    shown = [query for text in texts for query in QUERY.findall(text)]
    assert shown
    assert set(shown) <= EXPECTED.keys()
