"""The demo source: the standard library of the running interpreter, read statically.

It gives one document for each public module, class and function that has a docstring. Files are parsed with `ast`;
nothing is imported. A name is public unless it begins with an underscore. A name that a package re-exports is found
under the module that defines it.
"""

import ast
import hashlib
import inspect
import platform
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from genret_ops.records import Document, Quarantined

STDLIB_SOURCE = "python-stdlib"
_SKIPPED_MODULES = frozenset({"test", "tests", "idlelib", "lib2to3", "turtledemo", "this", "antigravity"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def read_stdlib(root: Path | None = None) -> Iterator[Document | Quarantined]:
    """The documents of a library, module by module in sorted order.

    The text is the signature, a blank line and the docstring; id and title are the qualified name. The attributes are
    module, kind (module, class or function), qualified_name and python_version.

    Args:
        root: the library's folder; that of the running interpreter by default.

    Example:
        >>> next(read_stdlib()).doc_id
        'abc'
    """
    root = root or stdlib_root()
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if not all(map(_is_public, parts[:-1])) or not (_is_public(parts[-1]) or parts[-1] == "__init__"):
            continue
        module = ".".join(part for part in parts if part != "__init__")
        source = f"{STDLIB_SOURCE}/{path.relative_to(root).as_posix()}"
        if not module:
            continue
        try:
            data = path.read_bytes()
            tree = _parsed(data, path)
        except (OSError, SyntaxError, ValueError) as error:
            yield Quarantined(source, "unreadable", f"{type(error).__name__}: {error}")
            continue
        digest = hashlib.sha256(data).hexdigest()
        yield from (replace(document, source_hash=digest) for document in _documents(tree, module, source))


def stdlib_root() -> Path:
    """The folder of the running interpreter's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def _is_public(part: str) -> bool:
    return part.isidentifier() and not part.startswith("_") and part not in _SKIPPED_MODULES


def _parsed(data: bytes, path: Path) -> ast.Module:
    with warnings.catch_warnings():
        # These warnings are for the authors of the library, not for whoever reads it.
        warnings.simplefilter("ignore")
        return ast.parse(data, filename=str(path))


def _documents(tree: ast.Module, module: str, source: str) -> Iterator[Document]:
    seen: set[str] = set()
    for name, kind, signature, docstring in _described(tree, module):
        if name in seen:
            continue
        seen.add(name)
        metadata = {
            "module": module,
            "kind": kind,
            "qualified_name": name,
            "python_version": platform.python_version(),
        }
        yield Document(name, name, f"{signature}\n\n{docstring}", metadata, source)


def _described(tree: ast.Module, module: str) -> Iterator[tuple[str, str, str, str]]:
    """(qualified name, kind, signature, docstring) of a module and of its public definitions, in order."""
    if text := _docstring(tree):
        yield module, "module", f"module {module}", text
    for node in _definitions(tree.body):
        name = f"{module}.{node.name}"
        if text := _docstring(node):
            if isinstance(node, ast.ClassDef):
                yield name, "class", _class_signature(node), text
            else:
                yield name, "function", _signature(node), text


def _definitions(body: Iterable[ast.stmt]) -> Iterator[_Function | ast.ClassDef]:
    """The public definitions of a body, including those under `if` and `try` (for platforms and optional modules)."""
    for node in body:
        if isinstance(node, _Function | ast.ClassDef):
            if not node.name.startswith("_"):
                yield node
        elif isinstance(node, ast.If):
            yield from _definitions([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            handled = [statement for handler in node.handlers for statement in handler.body]
            yield from _definitions([*node.body, *handled, *node.orelse, *node.finalbody])


def _docstring(node: ast.Module | ast.ClassDef | _Function) -> str:
    text = ast.get_docstring(node, clean=False)
    return inspect.cleandoc(text).strip() if text else ""


def _signature(node: _Function) -> str:
    prefix = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{prefix} {node.name}({ast.unparse(node.args)}){returns}"


def _class_signature(node: ast.ClassDef) -> str:
    """`class Name(...)` with the arguments of its `__init__` or `__new__`, or with its bases if it defines neither."""
    for child in node.body:
        if isinstance(child, _Function) and child.name in ("__init__", "__new__"):
            return f"class {node.name}({_without_self(child.args)})"
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    return f"class {node.name}({bases})" if bases else f"class {node.name}"


def _without_self(args: ast.arguments) -> str:
    named = [*args.posonlyargs, *args.args]
    if not named:
        return ast.unparse(args)
    posonly = [argument for argument in args.posonlyargs if argument is not named[0]]
    ordinary = [argument for argument in args.args if argument is not named[0]]
    defaults = args.defaults[-(len(named) - 1) :] if len(named) > 1 else []
    return ast.unparse(
        ast.arguments(posonly, ordinary, args.vararg, args.kwonlyargs, args.kw_defaults, args.kwarg, defaults)
    )
