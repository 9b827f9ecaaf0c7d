"""Syntax trees as text that says what code does: not how, where or with which words it is written."""

import ast
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

TEXTS = frozenset(("family", "summary", "paper", "look"))
"""Class attributes that describe a method to people."""
REGISTER = "register"
"""Name of the decorators that make a method, a model or a data set available by name."""

#: Fields of syntax nodes that say where or how something is written.
_WRITING = frozenset(("ctx", "kind", "type_comment", "type_ignores"))
_EMPTY = (ast.Pass, ast.Import, ast.ImportFrom)
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_ASSIGNMENTS = (ast.AnnAssign, ast.Assign)


@dataclass(frozen=True)
class Ignored:
    """What does not count besides docstrings, ``pass`` and imports; unless told otherwise, what is named like it.

    Attributes:
        texts: Returns the names of the attributes of a class that describe it to people.
        registers: Whether a decorator does no more than register what it decorates.
    """

    texts: Callable[[ast.ClassDef], Collection[str]] = lambda _: TEXTS
    registers: Callable[[ast.expr], bool] = lambda decorator: called_name(decorator) == REGISTER

    def __call__(self, node: ast.AST, parent: ast.AST) -> bool:
        """Return whether a node does nothing that counts."""
        if isinstance(node, _EMPTY):
            return True
        if isinstance(node, ast.Expr):
            return isinstance(node.value, ast.Constant)
        if isinstance(parent, _DEFINITIONS):
            if isinstance(node, _ASSIGNMENTS) and isinstance(parent, ast.ClassDef):
                targets, texts = node.targets if isinstance(node, ast.Assign) else [node.target], self.texts(parent)
                return all(isinstance(target, ast.Name) and target.id in texts for target in targets)
            if node in parent.decorator_list:
                assert isinstance(node, ast.expr)
                return self.registers(node)
        return False


def called(decorator: ast.expr) -> ast.expr:
    """Return what a decorator is, or is the result of calling."""
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def called_name(decorator: ast.expr) -> str | None:
    """Return the last name of a decorator: ``register`` of ``@methods.register("x")``."""
    found = called(decorator)
    name: str | None = getattr(found, "id", None) or getattr(found, "attr", None)
    return name


def canonical(node: ast.AST, ignored: Ignored) -> str:
    """Write a syntax tree as text that is the same in every version of Python: fields without a value are left out."""
    parts = []
    for field, value in ast.iter_fields(node):
        if field not in _WRITING and value not in (None, []):
            nodes = value if isinstance(value, list) else [value]
            kept = [_text(item, ignored) for item in nodes if not (isinstance(item, ast.AST) and ignored(item, node))]
            parts.append(f"{field}=[{','.join(kept)}]")
    return f"{type(node).__name__}({','.join(parts)})"


def names(statement: ast.stmt, ignored: Ignored) -> Iterator[str]:
    """Yield the names that a statement uses, except in what does not count."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        pending += [child for child in ast.iter_child_nodes(node) if not ignored(child, node)]


def texts_read(statement: ast.stmt) -> set[str]:
    """Return which of `TEXTS` a statement reads: as an attribute, or by a name in a string."""
    found: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found & TEXTS


def bound(statement: ast.stmt) -> set[str]:
    """Return the global names that a statement of a module defines."""
    if isinstance(statement, _DEFINITIONS):
        return {statement.name}
    stored = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    defined = (n for n in ast.walk(statement) if isinstance(n, _DEFINITIONS))
    return stored | {node.name for node in defined}


def is_definition(statement: ast.stmt) -> bool:
    """Return whether a statement is a ``def`` or a ``class``."""
    return isinstance(statement, _DEFINITIONS)


def acts(statement: ast.stmt) -> bool:
    """Return whether a statement does more than import or document, in any of its branches."""
    blocks: list[Any] = [getattr(statement, name, []) for name in ("body", "orelse", "handlers", "finalbody")]
    inner = [node for block in blocks for node in block]
    if isinstance(statement, ast.Match):
        inner = [node for case in statement.cases for node in case.body]
    if not inner:
        return not Ignored()(statement, ast.Module([], []))
    return any(acts(node) for node in inner)


def is_for_a_script(statement: ast.stmt) -> bool:
    """Return whether a statement is ``if __name__ == "__main__":``."""
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "__name__ == '__main__'"


def calls(statement: ast.stmt) -> bool:
    """Return whether a statement that assigns calls something, which may change what it is given."""
    assigns = isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign)
    return assigns and any(isinstance(node, ast.Call) for node in ast.walk(statement))


def _text(value: Any, ignored: Ignored) -> str:
    return canonical(value, ignored) if isinstance(value, ast.AST) else f"{type(value).__name__}:{value!r}"
