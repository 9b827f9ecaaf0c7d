"""The sources that decide on results, and those that the golden runs have passed with.

The lock (`harness.records.lock`) holds digests of shared code, methods and models. Code that agrees with it needs no
digest in a key, for the results version says all. A change of code that leaves every golden run as it was keeps the
version and only renews the lock (``make golden``); a test fails until that is done.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.config import RunConfig
from harness.places import ROOT
from harness.records import lock
from harness.records.source import source_digest, tree_digest
from harness.tasks import models
from methods import methods

_SHARED = (
    "harness/generators.py",
    "harness/machine/precision.py",
    "harness/seeds.py",
    "harness/budget",
    "harness/tasks",
    "harness/training",
    "methods/base.py",
    "methods/parts",
)
#: Extension points: a new file here changes nobody else's results. A model has a digest of its own, data a fingerprint.
_EXTENSIONS = ("harness/tasks/models", "harness/tasks/data/sets")
_SHARED_EXTENSION_CODE = ("__init__.py", "registry.py")


@dataclass(frozen=True)
class Sources:
    """Digests of the code behind a run, 64 hexadecimal digits each."""

    method: str
    model: str
    shared: str

    def code(self, run: RunConfig, results: str) -> dict[str, str | None]:
        """Return the ``code`` of an identity: the results version, and the digests that the lock does not hold.

        Args:
            run: The run.
            results: The version that last changed such a run (`harness.records.identity.results_version`).
        """
        return {
            "results": results,
            "method": _unless_locked(self.method, "method", run.method.name),
            "model": _unless_locked(self.model, "model", run.model.name),
            "shared": _unless_locked(self.shared, "shared"),
        }


def _unless_locked(digest: str, part: str, name: str = "") -> str | None:
    """Return the digest of code as it is now; None if it is the one with which the golden runs passed last."""
    return None if lock.passed(part, name)[:1] == [digest] else digest


def of_run(run: RunConfig) -> Sources:
    """Return the digests of the code that trains a run."""
    return Sources(source_digest(run.method), source_digest(models.builder(run.model.name)), shared())


@cache
def shared() -> str:
    """Return the digest of the code that all runs share."""
    found = [path for part in _SHARED for path in _files(ROOT / part)]
    return tree_digest(path for path in found if not _extends(path))


def _extends(path: Path) -> bool:
    """Whether a file is a new member of an extension point, or part of one that has a folder of its own."""
    points = [ROOT / folder for folder in _EXTENSIONS]
    if path.parent in points:
        return path.name not in _SHARED_EXTENSION_CODE
    return any(point in path.parents for point in points)


def lock_text() -> str:
    """Return what the lock must hold for the present code: its digests, and after them those that were there before."""
    ours = {name: source_digest(one) for name, one in sorted(methods().items()) if _is_ours(type(one))}
    built = {name: source_digest(make) for name, make in sorted(models.MODELS.items()) if _is_ours(make)}
    found = {
        "shared": _renewed(shared(), "shared"),
        "methods": {name: _renewed(digest, "method", name) for name, digest in ours.items()},
        "models": {name: _renewed(digest, "model", name) for name, digest in built.items()},
    }
    return json.dumps(found, indent=1) + "\n"


def _renewed(digest: str, part: str, name: str = "") -> list[str]:
    return [digest, *(earlier for earlier in lock.passed(part, name) if earlier != digest)]


def _is_ours(thing: type | Callable[..., Any]) -> bool:
    return thing.__module__.partition(".")[0] in ("methods", "harness")


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


if __name__ == "__main__":  # `make golden`, once the golden runs have passed
    lock.LOCK.write_text(lock_text())
