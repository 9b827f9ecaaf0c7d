"""The conformance kit in pytest: what ``sparsebench doctor method`` and ``doctor model`` check, a test for each thing.

In a test file::

    from sparsebench.testing import conformance

    @conformance(method="my_method.py:MyMethod")
    def test_my_method_conforms(check):
        check()

Or without one, by the plug-in of this package: ``pytest --sparsebench-method my_method.py:MyMethod``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    import pytest

    from harness.conformance.kit import Examination

__all__ = ["Check", "checks", "conformance"]


@dataclass(frozen=True)
class Check:
    """One thing that must hold of a method or a model.

    Attributes:
        name: What it is called in the output of ``sparsebench doctor``.
    """

    name: str
    _examination: Callable[[], Examination]

    def __call__(self) -> str:
        """Check it, print what was found and return that; runs that several checks need are trained once.

        Raises:
            AssertionError: It does not hold; the message says what was found.
            UsageError: The method or model cannot be imported, or a setting is wrong.
        """
        found = self._examination().check(self.name)
        print(found)
        return found


def checks(*, method: str | None = None, model: str | None = None, overrides: Iterable[str] = ()) -> list[Check]:
    """Return the checks of a method or a model; nothing of it is imported yet.

    Args:
        method: A name, ``path/file.py:Class`` or ``package.module:Class``.
        model: A name, ``path/file.py:function`` or ``package.module:function``; instead of a method.
        overrides: Settings of the runs, as on the command line: ``"method.at=0.5"``, ``"dataset.shape=[1,28,28]"``.

    Raises:
        UsageError: Not exactly one of ``method`` and ``model`` is given.
    """
    # Only here, since it imports torch.
    from harness.conformance.kit import CHECKS, Examination

    if (method is None) == (model is None):
        raise UsageError("conformance: give either method or model")
    group, text = ("method", method) if method is not None else ("model", model)
    assert text is not None
    given = tuple(overrides)

    @cache
    def examination() -> Examination:
        return Examination(group, text, given)

    return [Check(name, examination) for name in CHECKS[group]]


def conformance(
    *, method: str | None = None, model: str | None = None, overrides: Iterable[str] = ()
) -> pytest.MarkDecorator:
    """Run a test function once for each check, as its argument ``check``; see `checks` for the arguments."""
    import pytest

    found = checks(method=method, model=model, overrides=overrides)
    return pytest.mark.parametrize("check", [pytest.param(each, id=each.name.replace(" ", "-")) for each in found])
