"""Imports run one way: each layer of genret_ops knows only those below it, and the library knows no orchestrator."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORDER = (
    "errors",
    "text",
    "dates",
    "parent_process",
    "progress",
    "records",
    "settings",
    "storage",
    "lexical",
    "corpus",
    "ingestion",
    "identifiers",
    "extraction",
    "synthesis",
    "modeling",
    "training",
    "retrieval",
    "evaluation",
    "registry",
    "promotion",
    "lineage",
    "maintenance",
    "release_benchmark",
    "summaries",
    "cli",
)
BRIDGE = "validations.dagster_checks"
"""The one module of its package that knows Dagster; Great Expectations, slow to import, is known to functions only."""
INTERNALS = "assets.lib.dagster_internals"
"""The one module that imports what is private to Dagster."""
ORCHESTRATION = {"dagster", "bentoml", "great_expectations", "assets", "validations", "serving"}
FORBIDDEN = {
    "genret_ops": {*ORCHESTRATION, "clients"},
    "assets": {"bentoml", "great_expectations", "serving", "clients"},
    "validations": {"bentoml", "assets", "serving", "clients"},
    "serving": {"dagster", "great_expectations", "assets", "validations", "clients"},
    "clients": ORCHESTRATION,
}


def imports(tree: ast.Module, package: str) -> Iterator[tuple[str, int, bool]]:
    """Every (dotted name, line, whether in a function or for types) that a module imports, by statement or by name.

    `package` is the dotted package of the module, against which relative imports resolve.
    """

    def visit(node: ast.AST, lazy: bool) -> Iterator[tuple[str, int, bool]]:
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, node.lineno, lazy) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                parents = package.split(".")[: package.count(".") + 2 - level] if level else []
                base = ".".join([*parents, *([module] if module else [])])
                yield from ((f"{base}.{alias.name}", node.lineno, lazy) for alias in names)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name, node.lineno, lazy
            case _:
                pass
        inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        inside = inside or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    return visit(tree, False)


def layer(name: str) -> str:
    """The layer a dotted name of genret_ops lies in; empty for the package itself."""
    return name.partition(".")[2].partition(".")[0]


def root_of(name: str) -> str:
    """First part of a dotted name; a `dagster_something` counts as dagster."""
    first = name.partition(".")[0]
    return "dagster" if first.startswith("dagster_") else first


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    """What is wrong with the imports of `source`, the text of the dotted `module`: one line each, empty if nothing."""
    module_layer, rank = layer(module), {name: place for place, name in enumerate(("", *ORDER))}
    package = module if is_package else module.rpartition(".")[0]
    problems = []
    if root_of(module) == "genret_ops" and module_layer not in rank:
        return [f"{module}: has no place in the order of layers"]
    for name, line, lazy in imports(ast.parse(source), package):
        root = root_of(name)
        if root in FORBIDDEN[root_of(module)] and not (module_layer == "cli" and lazy):
            problems.append(f"{module}:{line} imports {name}")
        if name.startswith("dagster._") and module != INTERNALS:
            problems.append(f"{module}:{line} imports {name}")
        if root_of(module) == "validations" and (
            (root == "dagster" and module != BRIDGE) or (root == "great_expectations" and not lazy)
        ):
            problems.append(f"{module}:{line} imports {name}")
        if root_of(module) == "clients" and root == "genret_ops" and layer(name) != "errors":
            problems.append(f"{module}:{line} imports {name}")
        if root == root_of(module) == "genret_ops" and layer(name) in rank and rank[layer(name)] > rank[module_layer]:
            problems.append(f"{module}:{line} imports {name}, a layer above its own")
    return problems


def modules() -> Iterator[tuple[str, Path]]:
    """(dotted name, path) of every module that the rules speak of."""
    for root in FORBIDDEN:
        for path in sorted((ROOT / root).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), path


def test_every_module_imports_only_what_lies_below_it() -> None:
    problems = [
        line
        for name, path in modules()
        for line in violations(path.read_text(encoding="utf-8"), name, path.name == "__init__.py")
    ]
    assert not problems, "\n".join(problems)


def test_the_modules_were_found() -> None:
    assert {"genret_ops", "genret_ops.records", "genret_ops.corpus.chunking"} <= {name for name, _ in modules()}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("genret_ops.corpus.chunking", "from genret_ops.modeling.encoder import Encoder"),
        ("genret_ops.corpus.chunking", "from genret_ops import modeling"),
        ("genret_ops.corpus.chunking", "from ..modeling import encoder"),
        ("genret_ops.corpus.chunking", "def late():\n    import genret_ops.modeling.encoder"),
        ("genret_ops.records", "from genret_ops.settings import Settings"),
        ("genret_ops.storage.tables", "import importlib\nimportlib.import_module('genret_ops.lexical.index')"),
        ("genret_ops", "from genret_ops.records import Hit"),
        ("genret_ops.helpers", "import json"),
        ("genret_ops.registry.store", "import dagster as dg"),
        ("genret_ops.registry.store", "def late():\n    from dagster_webserver import app"),
        ("genret_ops.training.job", "from assets.training import sft"),
        ("genret_ops.cli", "from dagster import materialize"),
        ("genret_ops.cli", "try:\n    import dagster\nexcept ImportError:\n    dagster = None"),
        ("assets.training", "import bentoml"),
        ("assets.training", "from dagster._core.errors import DagsterAssetCheckFailedError"),
        ("assets.checks", "def late():\n    import great_expectations"),
        ("validations.runner", "import great_expectations"),
        ("validations.suites.documents", "def late():\n    import dagster"),
        ("validations.dagster_checks", "from assets.lib.handover import tables_of"),
        ("serving.service", "def late():\n    import dagster"),
        ("serving.app", "from clients.models import Mode"),
        ("clients.client", "from genret_ops.records import Hit"),
        ("clients.models", "from serving.schemas import HitAnswer"),
    ],
)
def test_a_planted_violation_is_seen(module: str, source: str) -> None:
    assert len(violations(source, module)) == 1


def test_a_relative_import_of_a_package_resolves_from_the_package_itself() -> None:
    assert violations("from ..cli import main", "genret_ops.corpus", is_package=True)
    assert not violations("from .passages import cut_document", "genret_ops.corpus", is_package=True)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("genret_ops.modeling.encoder", "import torch\nfrom genret_ops.corpus.chunking import TokenCount"),
        ("genret_ops.ingestion.tables", "from genret_ops.ingestion.front_matter import metadata_value"),
        ("genret_ops.evaluation.reports.benchmark_report", "from genret_ops import __version__"),
        ("genret_ops.cli", "def build():\n    import dagster\n    from assets.definitions import defs"),
        ("assets.training", "import dagster as dg\nfrom genret_ops.registry import store"),
        ("assets.checks", "from validations.dagster_checks import check_result"),
        ("assets.lib.dagster_internals", "from dagster._core.errors import DagsterAssetCheckFailedError"),
        ("validations.runner", "def library():\n    import great_expectations"),
        ("validations.dagster_checks", "import dagster as dg\nfrom validations.runner import Finding"),
        ("clients.errors", "import httpx\nfrom genret_ops.errors import GenretError"),
        ("serving.service", "import bentoml\nfrom genret_ops.retrieval.query_plan import plan"),
    ],
)
def test_an_import_that_runs_down_is_allowed(module: str, source: str) -> None:
    assert not violations(source, module)
