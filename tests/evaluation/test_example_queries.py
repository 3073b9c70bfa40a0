"""The hand-written queries over the standard library: well-formed, answerable, and in words of their own."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from genret_ops.ingestion.readers import read_source
from genret_ops.records import Document

QUERIES = Path(__file__).parents[2] / "examples" / "stdlib_queries.jsonl"
AT_LEAST = {"task": 75, "concept": 25, "constraint": 20, "compare": 15}

Query = dict[str, Any]
Gram = tuple[str, ...]


def words(text: str) -> list[str]:
    """Lower-cased alphanumeric words; an underscore separates words, as punctuation does."""
    return re.findall(r"[^\W_]+", text.lower())


def grams(text: str, size: int = 4) -> set[Gram]:
    """Every run of `size` consecutive words."""
    tokens = words(text)
    return {tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)}


def copied(query: Query, documents: Mapping[str, Document]) -> set[Gram]:
    """The word 4-grams that a query shares with one of its gold documents."""
    shared: set[Gram] = set()
    for document in filter(None, map(documents.get, query["gold"])):
        shared |= grams(query["text"]) & grams(f"{document.doc_id}\n{document.title}\n{document.text}")
    return shared


def quoted_modules(text: str) -> list[str]:
    return re.findall(r'"([\w.]+)"', text)


def lies_in(gold: str, module: str) -> bool:
    return gold == module or gold.rpartition(".")[0] == module


@pytest.fixture(scope="module")
def queries() -> list[Query]:
    return [json.loads(line) for line in QUERIES.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def documents() -> dict[str, Document]:
    items = (item for item in read_source("python-stdlib") if isinstance(item, Document))
    return {document.doc_id: document for document in items}


def test_every_line_has_the_documented_fields(queries: list[Query]) -> None:
    for query in queries:
        assert set(query) == {"_id", "text", "gold", "metadata"}
        assert query["text"].strip() == query["text"] != ""
        assert 1 <= len(query["gold"]) == len(set(query["gold"])) <= 4
        assert set(query["metadata"]) == {"question_type"}


def test_there_are_enough_of_each_type_and_none_twice(queries: list[Query]) -> None:
    assert len({query["_id"] for query in queries}) == len(queries)
    assert len({" ".join(words(query["text"])) for query in queries}) == len(queries)
    types = Counter(query["metadata"]["question_type"] for query in queries)
    assert set(types) == set(AT_LEAST)
    assert all(types[kind] >= least for kind, least in AT_LEAST.items())


def test_they_are_spread_over_the_library(queries: list[Query]) -> None:
    modules = {gold.rpartition(".")[0] or gold for query in queries for gold in query["gold"]}
    assert len(modules) >= 60


def test_every_gold_document_exists_and_says_something(queries: list[Query], documents: dict[str, Document]) -> None:
    """`TaskGroup` says nothing, and so is no document, in the first releases of Python 3.11."""
    golds = {gold for query in queries for gold in query["gold"]}
    silent = set[str]() if asyncio.TaskGroup.__doc__ else {"asyncio.taskgroups.TaskGroup"}
    assert golds - set(documents) == silent
    assert all(documents[gold].text.strip() for gold in golds - silent)


def test_no_query_shares_four_words_in_a_row_with_its_gold(
    queries: list[Query], documents: dict[str, Document]
) -> None:
    assert {query["_id"]: shared for query in queries if (shared := copied(query, documents))} == {}


def test_a_query_that_quotes_its_gold_is_seen(documents: dict[str, Document]) -> None:
    for gold in ("shutil.copytree", "json.dumps"):
        document = documents[gold]
        tokens = words(document.text)
        query = {"text": "please: " + " ".join(tokens[-4:]).upper(), "gold": ["heapq", gold]}
        assert copied(query, documents) >= {tuple(tokens[-4:])}


def test_a_query_does_not_name_the_function_or_class_it_asks_for(queries: list[Query]) -> None:
    """Where the module is named, as in `glob`, a function or class of the same name cannot be avoided."""
    for query in queries:
        named = [word for module in quoted_modules(query["text"]) for word in words(module)]
        rest = Counter(words(query["text"])) - Counter(named)
        assert not [gold for gold in query["gold"] if rest[gold.rpartition(".")[2].lower()]], query["_id"]


def test_constraint_and_comparison_queries_name_the_modules_of_their_gold(queries: list[Query]) -> None:
    for query in queries:
        kind, modules = query["metadata"]["question_type"], quoted_modules(query["text"])
        if kind == "constraint":
            assert all(any(lies_in(gold, module) for module in modules) for gold in query["gold"]), query["_id"]
        elif kind == "compare":
            assert len(modules) == 2 and len(query["gold"]) >= 2, query["_id"]
            assert {gold for gold in query["gold"] for module in modules if lies_in(gold, module)} == set(query["gold"])
            assert all(any(lies_in(gold, module) for gold in query["gold"]) for module in modules), query["_id"]
        else:
            assert not modules, query["_id"]
