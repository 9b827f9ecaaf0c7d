"""The pytest plug-in: ``--sparsebench-method X`` and ``--sparsebench-model X`` add the checks of the kit as tests.

Both options may be given several times, and in ``addopts``. Without them it does nothing and imports nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_GROUPS = ("method", "model")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    options = parser.getgroup("sparsebench", "conformance of methods and models")
    for group in _GROUPS:
        options.addoption(
            f"--sparsebench-{group}",
            action="append",
            default=[],
            metavar="X",
            help=f"check a {group}: NAME, path/file.py:OBJECT or package.module:OBJECT",
        )
    options.addoption(
        "--sparsebench-set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the runs of these checks, such as recipe.lr=0.01",
    )


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add a test for each check of what the options name."""
    for group in _GROUPS:
        for text in config.getoption(f"--sparsebench-{group}"):
            items.extend(_tests(session, group, text, tuple(config.getoption("--sparsebench-set"))))


def _tests(session: pytest.Session, group: str, text: str, overrides: tuple[str, ...]) -> list[pytest.Item]:
    from sparsebench.testing import checks

    made: list[pytest.Item] = []
    for check in checks(**{group: text}, overrides=overrides):
        name = f"{group} {text} [{check.name}]"
        made.append(_ConformanceTest.from_parent(session, name=name, check=check))
    return made


class _ConformanceTest(pytest.Item):
    """A check as a test."""

    def __init__(self, *, check: Callable[[], Any], **more: Any) -> None:
        super().__init__(**more)
        self._check = check

    def runtest(self) -> None:
        """Check it."""
        self._check()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what does not hold in one line; the traceback only of what went wrong in the kit itself."""
        expected = isinstance(excinfo.value, AssertionError | ValueError)
        return str(excinfo.value) if expected else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return what heads the report of a failure."""
        return self.path, None, self.name
