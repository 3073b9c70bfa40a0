"""No function takes a home for one thing out of it: it takes that thing, so that a call shows what is used."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("genret_ops", "assets", "serving", "validations")
HOMES = {"Home", "HomeFolder"}


def takers(source: str) -> Iterator[str]:
    """ "FUNCTION takes HOME for ATTRIBUTE" of every function that reads one attribute of a home, and nothing else."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        parents = {child: node for node in ast.walk(function) for child in ast.iter_child_nodes(node)}
        for argument in (*function.args.args, *function.args.kwonlyargs):
            if argument.annotation is None or ast.unparse(argument.annotation).strip("'\"") not in HOMES:
                continue
            uses = [
                node
                for node in ast.walk(function)
                if isinstance(node, ast.Name) and node.id == argument.arg and isinstance(node.ctx, ast.Load)
            ]
            read = [node for use in uses if isinstance(node := parents[use], ast.Attribute)]
            called = any(isinstance(call := parents[node], ast.Call) and call.func is node for node in read)
            if len(read) == len(uses) and not called and len(names := {node.attr for node in read}) == 1:
                yield f"{function.name} takes {argument.arg} for {names.pop()}"


def test_whoever_takes_a_home_needs_more_than_one_thing_of_it() -> None:
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(paths) > 100
    assert not [f"{path.relative_to(ROOT)}: {line}" for path in paths for line in takers(path.read_text("utf-8"))]


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("def f(home: Home):\n    return home.path / 'a', home.path", ["f takes home for path"]),
        ("async def f(*, place: 'HomeFolder'):\n    return place.store.read('a')", ["f takes place for store"]),
        ("def f(home: Home):\n    return home.path, home.store", []),
        ("def f(home: Home):\n    return g(home, home.store)", []),
        ("def f(home: Home):\n    with home.lock('corpus'):\n        pass", []),
        ("def f(home: Path):\n    return home.name", []),
    ],
)
def test_one_thing_alone_is_seen(source: str, seen: list[str]) -> None:
    assert list(takers(source)) == seen
