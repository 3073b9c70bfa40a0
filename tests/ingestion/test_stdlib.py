"""The demo source reads the library of the running interpreter without importing it."""

import platform
from collections import Counter
from pathlib import Path

import pytest

from genret_ops.ingestion.deduplication import quarantine_duplicates
from genret_ops.ingestion.readers import read_source
from genret_ops.ingestion.stdlib import read_stdlib
from genret_ops.records import Document, Quarantined

MODULE = '''"""Spades and
   forks."""
import nothing_of_this_name  # would fail if it were run

def dig(depth: int, /, *, fast=False) -> bool:
    """Dig a hole.

        Deeper lines keep their indent.
    The rest.
    """

async def rake(*leaves):
    """Rake leaves."""

def undocumented(): ...

def _private():
    """Not shown."""

if nothing_of_this_name.here:
    class Spade(nothing_of_this_name.Tool):
        """A spade."""
        def lift(self):
            """Methods are no documents."""
else:
    class Spade:
        """Another spade."""

try:
    class Fork:
        """A fork."""
        def __init__(self, tines=4, /, handle="ash", *rest):
            pass
except ImportError:
    def fallback():
        """Only sometimes."""

class Rope:
    """A rope."""
    def __new__(cls, length):
        return None
'''


@pytest.fixture(scope="module")
def library() -> dict[str, Document]:
    items = list(quarantine_duplicates(read_source("python-stdlib")))
    assert all(isinstance(item, Document) for item in items), [i for i in items if isinstance(i, Quarantined)]
    return {item.doc_id: item for item in items if isinstance(item, Document)}


def test_the_library_is_large_enough_for_a_demo(library: dict[str, Document]) -> None:
    kinds = Counter(item.metadata["kind"] for item in library.values())
    assert set(kinds) == {"module", "class", "function"}
    assert min(kinds.values()) > 200 and 600 <= len(library) <= 4000


def test_a_function_of_the_library(library: dict[str, Document]) -> None:
    document = library["json.dumps"]
    assert document.title == "json.dumps"
    assert document.text.startswith("def dumps(obj, *, skipkeys=False,")
    assert "\n\nSerialize ``obj`` to a JSON formatted ``str``." in document.text
    assert document.metadata == {
        "module": "json",
        "kind": "function",
        "qualified_name": "json.dumps",
        "python_version": platform.python_version(),
    }
    assert document.source == "python-stdlib/json/__init__.py"


def test_private_and_test_modules_are_left_out(library: dict[str, Document]) -> None:
    assert not [name for name in library if "._" in name or name.startswith("_")]
    parts = {part for item in library.values() for part in item.metadata["module"].split(".")}
    assert not parts & {"test", "tests", "idlelib", "lib2to3", "turtledemo", "antigravity", "this"}
    assert {"collections.OrderedDict", "unittest.mock.Mock", "json.encoder.JSONEncoder"} <= set(library)


def test_definitions_and_signatures(tmp_path: Path) -> None:
    package = tmp_path / "garden"
    package.mkdir()
    (package / "__init__.py").write_text(MODULE)
    (package / "__main__.py").write_text('"""Not shown."""')
    (package / "_hidden.py").write_text('"""Not shown."""')
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "extra.py").write_text('"""Not shown."""')
    texts = {item.doc_id: item.text for item in read_stdlib(tmp_path) if isinstance(item, Document)}
    assert texts == {
        "garden": "module garden\n\nSpades and\nforks.",
        "garden.dig": (
            "def dig(depth: int, /, *, fast=False) -> bool\n\n"
            "Dig a hole.\n\n    Deeper lines keep their indent.\nThe rest."
        ),
        "garden.rake": "async def rake(*leaves)\n\nRake leaves.",
        "garden.Spade": "class Spade(nothing_of_this_name.Tool)\n\nA spade.",
        "garden.Fork": "class Fork(tines=4, /, handle='ash', *rest)\n\nA fork.",
        "garden.fallback": "def fallback()\n\nOnly sometimes.",
        "garden.Rope": "class Rope(length)\n\nA rope.",
    }


def test_a_module_that_does_not_parse_is_quarantined(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def (:\n")
    (tmp_path / "coded.py").write_bytes(b"# coding: no-such-code\n")
    (tmp_path / "escape.py").write_text('"""Good."""\nx = "\\d"\n')
    (tmp_path / "good.py").write_text('"""Good."""')
    items = list(read_stdlib(tmp_path))
    assert [(type(item).__name__, item.source) for item in items] == [
        ("Quarantined", "python-stdlib/bad.py"),
        ("Quarantined", "python-stdlib/coded.py"),
        ("Document", "python-stdlib/escape.py"),
        ("Document", "python-stdlib/good.py"),
    ]
