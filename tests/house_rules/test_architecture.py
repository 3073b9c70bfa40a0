"""The documents speak of the house as it is: its picture, the modules that they name, and where their links lead."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / name for name in ("README.md", "AGENTS.md", "CONTRIBUTING.md", "examples/README.md")]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))
MODULE = re.compile(r"(?<![\w/.-])((?:[\w-]+/)+[\w-]+\.py)\b")
NEIGHBOUR = re.compile(r"(?<![\w/.-])([a-z_][\w/]*\.py)\b")
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
METHOD = ROOT / "docs" / "method.md"
CITATION = re.compile(r"\bdocs/[\w/-]+\.md\b")
SECTION = re.compile(r'docs/method\.md\)?((?:,? "[A-Z][^"]+"(?: and)?)+)')
PACKAGES = ("genret_ops", "assets", "serving", "validations", "clients", "benchmarks", "examples")
ROOT_OF_NAMES = (ROOT, ROOT / "genret_ops")
"""Documents name a module from the root of the project or, within the library, from its rooms."""


@pytest.fixture(scope="module")
def architecture() -> ModuleType:
    spec = spec_from_file_location("architecture", ROOT / "docs" / "architecture.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    sys.modules["architecture"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def uses(architecture: ModuleType) -> dict[str, set[str]]:
    """Which rooms each room imports from."""
    imports: dict[str, set[str]] = architecture.read_imports()
    return imports


def missing_modules(text: str) -> list[str]:
    """The modules that a text names and the project does not have."""
    return [name for name in MODULE.findall(text) if not any((base / name).exists() for base in ROOT_OF_NAMES)]


def missing_citations(text: str) -> list[str]:
    """The documents that a module cites and the project lacks, and the sections that docs/method.md lacks."""
    text, sections = " ".join(text.split()), re.findall(r"^## (.+)$", METHOD.read_text("utf-8"), re.MULTILINE)
    titles = [title for cited in SECTION.findall(text) for title in re.findall(r'"([^"]+)"', cited)]
    missing = [name for name in CITATION.findall(text) if not (ROOT / name).exists()]
    return missing + [title for title in titles if title not in sections]


def missing_neighbours(text: str, folder: Path) -> list[str]:
    """The modules that a docstring names and that lie neither beside its own module nor, with a folder, elsewhere."""
    bases = (folder, *ROOT_OF_NAMES)
    return [
        name
        for name in NEIGHBOUR.findall(text)
        if not any((base / name).exists() for base in (bases if "/" in name else bases[:1]))
    ]


def broken_links(text: str, folder: Path) -> Iterator[str]:
    """The relative links of a text that lead nowhere; `folder` is where the text lies."""
    for link in (first or second for first, second in LINK.findall(text)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = folder / path if path else None
        missing = target is not None and not target.exists()
        if missing or (anchor and anchor not in anchors(target.read_text("utf-8") if target else text)):
            yield link


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as a forge makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_picture_is_what_the_imports_say(architecture: ModuleType, uses: dict[str, set[str]]) -> None:
    picture = architecture.draw(uses)
    assert picture == architecture.PICTURE.read_text("utf-8"), "run python docs/architecture.py"


def test_every_room_is_in_the_picture_with_its_caption(architecture: ModuleType, uses: dict[str, set[str]]) -> None:
    rooms = {path.name for path in (ROOT / "genret_ops").iterdir() if (path / "__init__.py").exists()}
    assert rooms | {"assets", "serving", "validations", "clients"} <= uses.keys()
    assert uses.keys() == architecture.TEXTS.keys()


def test_an_arrow_that_follows_from_others_is_left_out(architecture: ModuleType) -> None:
    uses = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert architecture.arrows(uses) == [("a", "b"), ("b", "c")]
    assert architecture.depths(uses) == {"c": 0, "b": 1, "a": 2}


def test_nothing_overlaps(architecture: ModuleType, uses: dict[str, set[str]]) -> None:
    layout = architecture.Layout(uses)
    for layer in layout.layers:
        for left, right in pairwise(sorted(layer, key=layout.middle.__getitem__)):
            apart = layout.middle[right] - layout.middle[left]
            assert apart >= (architecture._width(left) + architecture._width(right)) / 2, (left, right)


def test_a_circle_is_an_error(architecture: ModuleType) -> None:
    with pytest.raises(ValueError, match="a circle of imports"):
        architecture.arrows({"a": {"b", "c"}, "b": {"a", "c"}, "c": set()})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_that_are_named_exist(document: Path) -> None:
    assert not missing_modules(document.read_text("utf-8"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    assert not list(broken_links(document.read_text("utf-8"), document.parent))


def test_a_wrong_name_and_a_broken_link_are_seen() -> None:
    assert missing_modules("see `corpus/chunking.py` and `corpus/gone.py`") == ["corpus/gone.py"]
    text = "# A title\n[a](README.md) [b](nowhere.md) [c](#a-title) [d](#another) [e](docs/dependencies.md#telemetry)"
    assert list(broken_links(text, ROOT)) == ["nowhere.md", "#another"]


def test_documents_that_modules_cite_exist() -> None:
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    missing = [f"{path}: {name}" for path in paths for name in missing_citations(path.read_text("utf-8"))]
    assert not missing, "\n".join(missing)


def test_modules_that_docstrings_name_exist() -> None:
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    missing = [
        f"{path}: {name}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for name in missing_neighbours(node.value.value, path.parent)
    ]
    assert not missing, "\n".join(missing)


def test_a_wrong_neighbour_is_seen() -> None:
    text = "view.py reads what chunking.py cuts and tables.py keeps; see storage/tables.py and storage/gone.py"
    assert missing_neighbours(text, ROOT / "genret_ops" / "corpus") == ["tables.py", "storage/gone.py"]


def test_a_wrong_citation_is_seen() -> None:
    text = 'as in docs/gone.md; see docs/method.md, "Identifiers",\n"Stage 3: none".'
    assert missing_citations(text) == ["docs/gone.md", "Stage 3: none"]


def test_every_dependency_has_its_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(name for names in project["optional-dependencies"].values() for name in names),
    ]
    names = {re.split(r"[\[<>=]", requirement)[0] for requirement in wanted} - {"genret-ops"}
    lines = [line for line in (ROOT / "docs" / "dependencies.md").read_text("utf-8").splitlines() if line[:1] == "|"]
    assert names
    assert not [name for name in sorted(names) if not any(re.search(rf"[ ,]{re.escape(name)}[ ,\[]", x) for x in lines)]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 180
