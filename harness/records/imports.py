"""What import statements of code bind, and what they say that the code itself does not."""

import ast
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

EVERYTHING = "*"
"""The name under which ``from x import *`` is kept."""

_OWN = ("methods", "harness", "sparsebench")
#: Code of the project that methods and models share; `harness.records.identity.RESULTS` is its version.
_SHARED = ("methods.base", "methods.registry", "methods.entry_points", "methods.parts", "harness", "sparsebench")
_MODELS = "harness.tasks.models"
#: Names that say what they are of, wherever they are used.
_USUAL = {
    "np": "numpy",
    "nn": "torch.nn",
    "F": "torch.nn.functional",
    "Tensor": "torch.Tensor",
    "functional": "torch.nn.functional",
}
#: Modules of Python from which a name says enough.
_PLAIN = frozenset(
    ("__future__", "abc", "collections", "collections.abc", "dataclasses", "enum", "functools", "itertools", "math")
) | {"pathlib", "typing"}
_NEVER_A_FILE_OF_ITS_AUTHOR = ("torch", "numpy")
_INSTALLED = ("site-packages", "dist-packages")


class Import(NamedTuple):
    """What a name is imported from.

    Attributes:
        source: The module.
        name: The name in it; None for the module itself.
    """

    source: str
    name: str | None

    @property
    def submodule(self) -> str:
        """The module that the name is, if it is one."""
        return self.source if self.name is None else f"{self.source}.{self.name}"

    def word(self, name: str, *, own: bool, followed: bool) -> str | None:
        """Return what an import says that code which uses the name does not show; None if nothing.

        Args:
            name: That it is bound to.
            own: Whether the importing code is of this project, which imports in one way.
            followed: Whether the code of the module counts.
        """
        renamed = None if self.name in (None, name) else f"{self.name} as {name}"
        package = self.source.partition(".")[0]
        if own:
            return None if is_own(package) else renamed
        if self.name is None:
            usual = name in (package, self.source) or _USUAL.get(name) == self.source
            return None if usual or self.source in _OWN else f"{self.source} as {name}"
        if renamed is None and self.source in _PLAIN:
            return None
        if followed or is_own(package) or _USUAL.get(name) == self.submodule:
            return renamed
        return f"{self.submodule} as {name}"


def of(statement: ast.stmt, module: ModuleType) -> Iterator[tuple[str, Import]]:
    """Yield the names that a statement of a module imports, in whatever is inside it."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Import):
            yield from ((a.asname or a.name.partition(".")[0], Import(a.name, None)) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, module)
            yield from ((a.asname or a.name, Import(source, a.name)) for a in node.names)


def renamed(node: ast.stmt) -> Iterator[str]:
    """Yield what a statement imports from other people's code under another name: the code shows only that name."""
    if isinstance(node, ast.ImportFrom) and not is_own(str(node.module).partition(".")[0]):
        yield from (f"{a.name} as {a.asname}" for a in node.names if a.asname not in (None, a.name))


def is_own(package: str) -> bool:
    """Return whether a package is of this project: its code counts, so the name that it is imported by need not."""
    return package in _OWN


def is_shared(module: str) -> bool:
    """Return whether a module of this project has the version of its results instead of a digest."""
    return not module.startswith(_MODELS) and any(f"{module}.".startswith(f"{shared}.") for shared in _SHARED)


def is_uninstalled(module: ModuleType | None) -> bool:
    """Return whether a module is a Python file outside the folders of installed packages: its author may edit it."""
    file = str(getattr(module, "__file__", None) or "")
    if module is None or not file.endswith(".py"):
        return False
    top = module.__name__.partition(".")[0]
    if is_own(top) or top in (*_NEVER_A_FILE_OF_ITS_AUTHOR, *sys.stdlib_module_names):
        return False
    parts, standard = Path(file).parts, Path(sysconfig.get_path("stdlib"))
    return not any(folder in parts for folder in _INSTALLED) and standard not in Path(file).parents


def _absolute(node: ast.ImportFrom, module: ModuleType) -> str:
    """Return the module that an import, relative or not, names."""
    if not node.level:
        return str(node.module)
    package = (module.__package__ or "").split(".")
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])
