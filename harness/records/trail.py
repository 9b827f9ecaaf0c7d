"""What code depends on: definitions, followed through the names that they use, within the files of one author."""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from harness.records import imports, syntax
from harness.records.imports import Import
from harness.records.syntax import Ignored
from methods import Method

#: Stands for the statements of a module that do something, such as adding to a table.
_EFFECTS = ""
_COMPOUND = (ast.For, ast.While, ast.If, ast.With, ast.Try, ast.Match)


class _Globals(NamedTuple):
    """What a module's statements define: each statement by the global names that it binds, and imports by name."""

    definitions: dict[str, list[ast.stmt]]
    imported: dict[str, list[Import]]


def is_plain(thing: Any) -> bool:
    """Whether a class or function is what a ``def`` or ``class`` of its module binds to its name."""
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    if module is None or not is_file(module):
        return False
    first, *rest = getattr(thing, "__qualname__", "").split(".")
    found = vars(module).get(first)
    for name in rest:
        found = getattr(found, name, None)
    made_by = _globals_of(module).definitions.get(first, [])
    return found is thing and bool(made_by) and all(map(syntax.is_definition, made_by))


def is_file(module: ModuleType) -> bool:
    """Whether a module is a file of Python."""
    return bool(getattr(module, "__file__", None)) and str(module.__file__).endswith(".py")


class Trail:
    """What a thing depends on: definitions by module and name, and what imports under other names say."""

    def __init__(self, texts: frozenset[str]) -> None:
        self._texts = texts
        self._homes: set[str] = set()
        self._seen: set[tuple[ModuleType, str]] = set()
        self._found: dict[tuple[ModuleType, str], list[ast.stmt]] = {}
        self._words: dict[tuple[ModuleType, str], list[str]] = {}

    def begin(self, thing: Any, module: ModuleType, origin: ModuleType | None) -> bool:
        """Follow a thing to all that it depends on.

        Args:
            thing: A class, a function, or another object that can be called.
            module: That it says it is of.
            origin: The file that it was asked for in, as a plug-in; None if that is not known.

        Returns:
            Whether it is known which file makes it.
        """
        home = _top(module)
        self._homes.add(home)
        named = inspect.isroutine(thing) or isinstance(thing, type)
        if named and (imports.is_own(home) or is_plain(thing)):
            self._follow(module, thing.__qualname__.partition(".")[0])
        else:
            homes = [each for each in list(sys.modules.values()) if isinstance(each, ModuleType) and _top(each) == home]
            roots = [each for each in homes if any(value is thing for value in vars(each).values())]
            if not named and not roots and origin is None:
                return False
            roots.append(module)
            if origin is not None:
                self._homes = {_top(origin)}
                roots = [origin, *(each for each in roots if self._counts(each))]
            for root in roots:
                self._follow_all(root)
        self._follow_changes()
        return True

    def statements(self) -> Iterator[ast.stmt]:
        """Yield the statements that count."""
        for statements in self._found.values():
            yield from statements

    def words(self) -> Iterator[str]:
        """Yield what counts, as text."""
        for (module, _), statements in self._found.items():
            ignored = self._ignored(module)
            yield from (syntax.canonical(statement, ignored) for statement in statements)
        for words in self._words.values():
            yield from words

    def _follow_all(self, module: ModuleType) -> None:
        for name in list(_globals_of(module).definitions):
            self._follow(module, name)

    def _follow(self, module: ModuleType, name: str) -> None:
        """Collect the definition of a module's global name, and of all names that it depends on."""
        if (module, name) in self._seen:
            return
        self._seen.add((module, name))
        definitions, imported = _globals_of(module)
        own = imports.is_own(_top(module))
        for each in imported.get(name, []):
            if (word := each.word(name, own=own, followed=self._is_followed(each))) is not None:
                self._words.setdefault((module, name), []).append(word)
            self._follow_import(each)
        if name not in definitions:
            return
        self._found[module, name] = definitions[name]
        ignored = self._ignored(module)
        for used in sorted({node for statement in definitions[name] for node in syntax.names(statement, ignored)}):
            self._follow(module, used)
        self._follow(module, _EFFECTS)
        if not own:
            self._follow(module, imports.EVERYTHING)
            for each in (each for several in imported.values() for each in several):
                for source in (each.source, each.submodule):  # importing it runs its statements, whatever is used of it
                    whole = sys.modules.get(source)
                    if whole is not None and self._counts(whole) and not imports.is_own(_top(whole)):
                        self._follow(whole, _EFFECTS)

    def _is_followed(self, each: Import) -> bool:
        module = sys.modules.get(each.source)
        return module is not None and self._counts(module)

    def _follow_import(self, each: Import) -> None:
        whole = sys.modules.get(each.submodule)
        if whole is not None and self._counts(whole):  # which names of an imported module are used is not looked into
            self._follow_all(whole)
        module = sys.modules.get(each.source)
        if each.name == imports.EVERYTHING and module is not None and self._counts(module):
            self._follow_all(module)
        elif each.name is not None and module is not None and self._counts(module):
            self._follow(module, each.name)

    def _follow_changes(self) -> None:
        """Follow assignments that call something with what has been found, which they may change."""
        before = -1
        while before != len(self._found):
            before = len(self._found)
            for module in {module for module, _ in self._found if not imports.is_own(_top(module))}:
                used = {name for where, name in self._found if where is module}
                for name, statements in _globals_of(module).definitions.items():
                    changing = (one for one in statements if syntax.calls(one))
                    if name not in used and any(used & {*syntax.names(one, Ignored())} for one in changing):
                        self._follow(module, name)

    def _counts(self, module: ModuleType) -> bool:
        """Return whether code of a module counts."""
        top = _top(module)
        if imports.is_shared(module.__name__) or not is_file(module):
            return False
        if top == "methods" or top in self._homes:
            return True
        return not any(map(imports.is_own, (top, *self._homes))) and imports.is_uninstalled(module)

    def _ignored(self, module: ModuleType) -> Ignored:
        def texts(node: ast.ClassDef) -> frozenset[str]:
            return self._texts if _is_method(module, node) else frozenset()

        return Ignored(texts, lambda decorator: _registers(module, decorator))


def _is_method(module: ModuleType, node: ast.ClassDef) -> bool:
    """Return whether a class of a module is a method, whose texts describe it."""
    found = vars(module).get(node.name)
    return _globals_of(module).definitions.get(node.name) == [node] and (
        isinstance(found, type) and issubclass(found, Method)
    )


def _registers(module: ModuleType, decorator: ast.expr) -> bool:
    """Return whether a decorator is one of the project's that make a thing available by name."""
    found, given = syntax.called(decorator), vars(module)
    if syntax.called_name(decorator) != syntax.REGISTER:
        return False
    if isinstance(found, ast.Attribute):
        if not isinstance(found.value, ast.Name) or found.value.id in _globals_of(module).definitions:
            return False
        value = getattr(given.get(found.value.id), found.attr, None)
    else:
        name = syntax.REGISTER
        if name in _globals_of(module).definitions and not imports.is_own(_top(module)):
            return False
        value = given.get(name)
    source = str(getattr(value, "__module__", ""))
    own = getattr(sys.modules.get(source), syntax.REGISTER, None)
    return value is not None and value is own and imports.is_own(source.partition(".")[0])


@cache
def _globals_of(module: ModuleType) -> _Globals:
    """Return a module's definitions and imports by global name."""
    tree = ast.parse(Path(str(module.__file__)).read_bytes())
    definitions: dict[str, list[ast.stmt]] = {}
    imported: dict[str, list[Import]] = {}
    for statement in tree.body:
        for name, each in imports.of(statement, module):
            imported.setdefault(name, []).append(each)
        names = syntax.bound(statement)
        # A loop or a branch may do more than bind names; that for a script is not taken.
        branches = isinstance(statement, _COMPOUND) and not syntax.is_for_a_script(statement)
        if syntax.acts(statement) and (not names or (branches and not imports.is_own(_top(module)))):
            names.add(_EFFECTS)
        for name in names:
            definitions.setdefault(name, []).append(statement)
    return _Globals(definitions, imported)


def _top(module: ModuleType) -> str:
    return module.__name__.partition(".")[0]
