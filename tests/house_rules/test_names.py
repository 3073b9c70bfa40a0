"""Names say what a thing is: words that could name anything name nothing outside a comprehension."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("genret_ops", "assets", "serving", "validations", "clients", "benchmarks", "examples", "docs", "tests")
SAY_NOTHING = {"found", "told", "own", "one", "asked"}
KEPT = {"found_by"}
"""A name that users of the library and of the service know."""
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, name) of everything that a module names: variables, parameters, functions, classes, attributes."""
    in_comprehensions = {
        id(name)
        for comprehension in ast.walk(tree)
        if isinstance(comprehension, ast.comprehension)
        for name in ast.walk(comprehension.target)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in in_comprehensions:
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def says_nothing(name: str) -> bool:
    """Whether a name is such a word, or has one among its words; numbers may be, and a test's name is a sentence."""
    words = set() if name.startswith("test_") else {*name.lower().split("_")} - {"one"}
    return name not in KEPT and not SAY_NOTHING.isdisjoint({*words, name.strip("_").lower()})


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_name_says_what_a_thing_is(module: Path) -> None:
    empty = [f"line {line}: {name}" for line, name in names(ast.parse(module.read_text())) if says_nothing(name)]
    assert not empty, f"name it after what it is: {', '.join(empty)}"


@pytest.mark.parametrize(
    "source", ["found = 1", "own_layer = 1", "def _told(): ...", "def f(asked_for): ...", "class Found: ..."]
)
def test_a_name_that_says_nothing_is_seen(source: str) -> None:
    assert [says_nothing(name) for _, name in names(ast.parse(source))][-1:] == [True]
