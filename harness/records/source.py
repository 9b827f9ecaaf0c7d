"""Digests of source code that change with what the code does and with nothing else.

Comments, docstrings, formatting, import statements, names of files, and the texts that a method says about itself do
not count. What counts of a class or function is its syntax tree and, through the names that it uses, the trees of
everything else in its package that it depends on, so code may move between files without a new digest.
"""

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from harness import collection
from harness.errors import UsageError

#: Code of the project that methods and models share; `harness.records.identity.RESULTS` is its version.
_SHARED = ("methods.base", "methods.registry", "methods.entry_points", "methods.parts", "harness", "sparsebench")
_MODELS = "harness.tasks.models"
#: Class attributes that describe a method to people.
_TEXTS = frozenset(("family", "summary", "paper", "look"))
#: Fields of syntax nodes that say where or how something is written.
_WRITING = frozenset(("ctx", "kind", "type_comment", "type_ignores"))
_EMPTY = (ast.Pass, ast.Import, ast.ImportFrom)
_DECORATED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_ASSIGNMENTS = (ast.AnnAssign, ast.Assign)
#: Stands for the statements of a module that define no name but do something, such as adding to a table.
_EFFECTS = ""

_Found = dict[tuple[str, str], list[str]]
"""The trees of definitions, by module and name."""


def source_digest(thing: object) -> str:
    """Return the digest of the code behind a method or a builder of models.

    The classes that a method inherits from count, up to `methods.Method`, and all that they use in their package.

    Args:
        thing: A method (class or instance) or a function.

    Returns:
        64 hexadecimal digits.

    Raises:
        UsageError: Its source is not in a file.
    """
    return _digest_of(thing if inspect.isroutine(thing) or isinstance(thing, type) else type(thing))


def tree_digest(paths: Iterable[Path]) -> str:
    """Return one digest of all statements of many Python files, in whichever of them each stands."""
    with collection.paused():
        statements = [statement for path in paths for statement in ast.parse(path.read_bytes()).body]
        module = ast.Module([], [])
        trees = [_canonical(node) for node in statements if not _is_void(node, module)]
        renamed = {text for node in statements for text in _renamed(node)}
    return _sha256("\n".join(sorted(_sha256(text) for text in [*trees, *renamed])))


def _renamed(node: ast.stmt) -> Iterator[str]:
    """Yield what a statement imports from other people's code under another name: the code shows only that name."""
    if isinstance(node, ast.ImportFrom) and not _counts_as_code(str(node.module)):
        yield from (f"{a.name} as {a.asname}" for a in node.names if a.asname not in (None, a.name))


@cache
def _digest_of(thing: Any) -> str:
    module = sys.modules.get(thing.__module__)
    if module is None or not _is_file(module):
        raise UsageError(f"{thing.__module__}.{thing.__qualname__}: its source is not in a file, so it has no identity")
    found: _Found = {}
    home = thing.__module__.partition(".")[0]
    _follow(module, thing.__qualname__.partition(".")[0], home, found)
    # Sorted, and without the names of modules: a definition counts wherever it is written.
    return _sha256("\n".join(sorted(_sha256(text) for texts in found.values() for text in texts)))


def _follow(module: ModuleType, name: str, home: str, found: _Found) -> None:
    """Collect the definition of a module's global name, and of all names that it depends on."""
    if (module.__name__, name) in found:
        return
    definitions, imports = _globals_of(module)
    if name in imports:
        source, original = imports[name]
        if original not in (None, name) and not _counts_as_code(source):
            found[module.__name__, name] = [f"{original} as {name}"]
        _follow_import(source, original, home, found)
    if name not in definitions:
        return
    found[module.__name__, name] = [_canonical(statement) for statement in definitions[name]]
    for used in sorted({node for statement in definitions[name] for node in _names(statement)}):
        _follow(module, used, home, found)
    _follow(module, _EFFECTS, home, found)


def _follow_import(source: str, name: str | None, home: str, found: _Found) -> None:
    whole = sys.modules.get(source if name is None else f"{source}.{name}")
    if whole is not None and _counts(whole, home):  # which names of an imported module are used is not looked into
        for each in _globals_of(whole)[0]:
            _follow(whole, each, home, found)
    module = sys.modules.get(source)
    if name is not None and module is not None and _counts(module, home):
        _follow(module, name, home, found)


def _counts_as_code(source: str) -> bool:
    """Return whether an imported module's own code counts, so that the name under which it is imported need not."""
    return source.partition(".")[0] in ("methods", "harness", "sparsebench")


def _counts(module: ModuleType, home: str) -> bool:
    """Return whether code of a module counts for things whose package is ``home``."""
    name = module.__name__
    if not name.startswith(_MODELS) and any(f"{name}.".startswith(f"{shared}.") for shared in _SHARED):
        return False
    return name.partition(".")[0] in ("methods", home) and _is_file(module)


@cache
def _globals_of(module: ModuleType) -> tuple[dict[str, list[ast.stmt]], dict[str, tuple[str, str | None]]]:
    """Return a module's definitions by global name, and its imports as the module and the name in it."""
    tree = ast.parse(Path(str(module.__file__)).read_bytes())
    definitions: dict[str, list[ast.stmt]] = {}
    imports: dict[str, tuple[str, str | None]] = {}
    for statement in tree.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Import):
                imports |= {a.asname or a.name.partition(".")[0]: (a.name, None) for a in node.names}
            elif isinstance(node, ast.ImportFrom):
                source = _absolute(node, module)
                imports |= {a.asname or a.name: (source, a.name) for a in node.names}
        for name in _bound(statement) or ({_EFFECTS} if _acts(statement) else ()):
            definitions.setdefault(name, []).append(statement)
    return definitions, imports


def _absolute(node: ast.ImportFrom, module: ModuleType) -> str:
    """Return the module that an import, relative or not, names."""
    if not node.level:
        return str(node.module)
    package = (module.__package__ or "").split(".")
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _bound(statement: ast.stmt) -> set[str]:
    """Return the global names that a statement of a module defines."""
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return {statement.name}
    names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    defined = (n for n in ast.walk(statement) if isinstance(n, ast.ClassDef | ast.FunctionDef))
    return names | {node.name for node in defined}


def _acts(statement: ast.stmt) -> bool:
    """Return whether a statement does more than import or document."""
    body = getattr(statement, "body", [statement])
    return not all(_is_void(node, statement) for node in body)


def _names(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement uses, except in what does not count."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        pending += [child for child in ast.iter_child_nodes(node) if not _is_void(child, node)]


def _canonical(node: ast.AST) -> str:
    """Write a syntax tree as text that is the same in every version of Python: fields without a value are left out."""
    parts = []
    for field, value in ast.iter_fields(node):
        if field not in _WRITING and value not in (None, []):
            nodes = value if isinstance(value, list) else [value]
            kept = [_text(item) for item in nodes if not (isinstance(item, ast.AST) and _is_void(item, node))]
            parts.append(f"{field}=[{','.join(kept)}]")
    return f"{type(node).__name__}({','.join(parts)})"


def _text(value: Any) -> str:
    return _canonical(value) if isinstance(value, ast.AST) else f"{type(value).__name__}:{value!r}"


def _is_void(node: ast.AST, parent: ast.AST) -> bool:
    """Return whether a node does nothing: docstrings, ``pass``, imports, registering, texts that describe a class."""
    if isinstance(node, _EMPTY):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(parent, _DECORATED):
        if isinstance(node, _ASSIGNMENTS) and isinstance(parent, ast.ClassDef):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            return all(isinstance(target, ast.Name) and target.id in _TEXTS for target in targets)
        if node in parent.decorator_list:
            called = node.func if isinstance(node, ast.Call) else node
            return "register" in (getattr(called, "id", None), getattr(called, "attr", None))
    return False


def _is_file(module: ModuleType) -> bool:
    return bool(getattr(module, "__file__", None)) and str(module.__file__).endswith(".py")


def _sha256(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
