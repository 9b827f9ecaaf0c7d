"""Digests of source code that change with what the code does and with nothing else.

Comments, docstrings, formatting, import statements, names of files, and the texts that a method says about itself do
not count. What counts of a class or function is its syntax tree and, through the names that it uses, the trees of
everything else in its package that it depends on, so code may move between files without a new digest
(`harness.records.trail`).

Of what a plug-in's file makes by other statements than ``def`` and ``class``, such as ``net = make(nn.ReLU)``, all
statements of the file count. A plug-in's other files count where they are not installed; of what is installed, the
names under which it is imported do.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from harness import collection
from harness.errors import UsageError
from harness.records import imports, syntax
from harness.records.syntax import Ignored
from harness.records.trail import Trail, is_file, is_plain
from methods import Method

__all__ = ["asked_for", "is_plain", "source_digest", "tree_digest"]

_origins: dict[Any, ModuleType] = {}
"""The files that plug-ins were asked for in, which other modules may have made."""


def source_digest(thing: object) -> str:
    """Return the digest of the code behind a method or a builder of models.

    The classes that a method inherits from count, up to `methods.Method`, and all that they use in their package.

    Args:
        thing: A method (class or instance) or a function.

    Returns:
        64 hexadecimal digits.

    Raises:
        UsageError: Its source is not in a file, or which one cannot be told.
    """
    found: Any = type(thing) if isinstance(thing, Method) else thing
    if type(found).__hash__ is None:
        raise UsageError(f"{_named(found)}: cannot be told from others (it has no hash), so it has no identity")
    return _digest_of(found, _origins.get(found))


def asked_for(plugin: Any, module: ModuleType) -> None:
    """Remember in which file a plug-in was asked for, before its digest is taken.

    Args:
        plugin: A class or a function.
        module: Of the file.
    """
    _origins[plugin] = module


def tree_digest(paths: Iterable[Path]) -> str:
    """Return one digest of all statements of many Python files, in whichever of them each stands."""
    ignored = Ignored()
    with collection.paused():
        statements = [statement for path in paths for statement in ast.parse(path.read_bytes()).body]
        module = ast.Module([], [])
        trees = [syntax.canonical(node, ignored) for node in statements if not ignored(node, module)]
        renamed = {text for node in statements for text in imports.renamed(node)}
    return _sha256("\n".join(sorted(_sha256(text) for text in [*trees, *renamed])))


@cache
def _digest_of(thing: Any, origin: ModuleType | None) -> str:
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    if module is None or not is_file(module):
        module = origin
    if module is None or not is_file(module):
        raise UsageError(f"{_named(thing)}: its source is not in a file, so it has no identity")
    texts = syntax.TEXTS
    while True:
        trail = Trail(texts)
        if not trail.begin(thing, module, origin):
            raise UsageError(f"{_named(thing)}: which file makes it cannot be told; write a function or a class")
        # What describes a method to people does count where its own code reads it.
        read = {name for statement in trail.statements() for name in syntax.texts_read(statement)} & texts
        if not read:
            break
        texts -= read
    # Sorted, and without the names of modules: a definition counts wherever it is written.
    return _sha256("\n".join(sorted(_sha256(text) for text in trail.words())))


def _named(thing: Any) -> str:
    name = getattr(thing, "__qualname__", None) or f"an object of {type(thing).__qualname__}"
    return f"{getattr(thing, '__module__', '')}.{name}"


def _sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
