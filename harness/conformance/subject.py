"""What the kit examines: a method or a model, by name, file or module, and the short runs that it takes part in."""

import importlib
import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from harness import config, plugins
from harness.budget.kinds import kind
from harness.config import RunConfig
from harness.errors import UnfitError, UsageError, file_of, short
from harness.plan.planned import Planned, plan
from harness.tasks import models
from methods import registry

GROUPS = ("method", "model")
"""What can be examined."""

FORMS = "NAME, path/file.py:OBJECT or package.module:OBJECT"

_DENSE = ("sparsity=0",)  # which every method can have
_SHORT = 15  # iterations between events: four of them in 60 steps
_RUNS = {
    "method": ("dataset=digits", "budget=steps:60", "evaluations=4"),
    "model": (
        *("dataset=synthetic", "dataset.train_examples=80", "dataset.val_examples=20", "dataset.test_examples=40"),
        *("recipe.batch_size=8", "recipe.lr=0.01", "recipe.threads=1", "budget=steps:16", "evaluations=4"),
        *("method=rigl", "method.interval=3"),
    ),
}
_SPARSITIES = {"method": ("0.5", "0.75", "0.8", "0.9", "0.95"), "model": ("0.5", "0.9")}
_MODULE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Subject:
    """A method or a model that is examined.

    Attributes:
        group: ``"method"`` or ``"model"``.
        text: Its name, ``path/file.py:object`` or ``package.module:object``.
        overrides: Settings of the runs, as on the command line; they replace those of the kit.
    """

    group: str
    text: str
    overrides: tuple[str, ...] = ()

    def load(self) -> None:
        """Import and register what is examined, if it is in a file or a module.

        Raises:
            UsageError: It cannot be imported, or is not a method or a model.
        """
        if self._is_module:
            _ = self._module_name

    @property
    def sparsities(self) -> tuple[str, ...]:
        """The sparsities that are tried: those of the kit, or the one among the overrides."""
        chosen = [each.partition("=")[2] for each in self.overrides if each.startswith("sparsity=")]
        return tuple(chosen[-1:]) or _SPARSITIES[self.group]

    def planned(self, sparsity: str, folder: str) -> Planned:
        """Plan the run at a sparsity.

        Args:
            sparsity: As on the command line.
            folder: Where its output would go; nothing is written.

        Raises:
            UsageError: It cannot be trained as configured.
        """
        run = self._resolved((f"sparsity={sparsity}", *self._interval))
        run.output = folder
        (planned,) = plan([run])
        return planned

    def require_sound(self) -> None:
        """Check the settings of the runs, whatever sparsity they have.

        Raises:
            UsageError: One is unknown or out of range, or its runs could not be compared to the bit.
        """
        with suppress(UnfitError):  # a sparsity that the method cannot have is a finding
            self._resolved(())
        run = self._resolved(_DENSE)
        if run.device != "cpu":
            raise UsageError(f"device={run.device}: the kit trains on the CPU alone")
        if kind(run.budget.kind).timed:
            raise UsageError(f"budget={run.budget.kind}: runs of a time are never the same; choose steps")

    @property
    def file(self) -> str:
        """The file that it comes from; nothing if that cannot be told."""
        return file_of(self._object)

    @property
    def _object(self) -> Any:
        run = self._resolved(_DENSE)
        return type(run.method) if self.group == "method" else models.registry.builder(run.model.name)

    def _resolved(self, more: tuple[str, ...]) -> RunConfig:
        chosen = [] if self._is_module and self.group == "model" else [f"{self.group}={self._named}"]
        fixed = ("runner=local", "checkpoint_seconds=0", "keep=none")
        own_data = any(each.startswith("dataset=") for each in self.overrides)
        usual = [each for each in _RUNS[self.group] if not (own_data and each.startswith("dataset"))]
        given = ["device=cpu", *usual, *self.overrides, *chosen, *more, *fixed]
        run = config.resolve(given)
        if not chosen:
            run.model = replace(run.model, name=self._module_name)
        return run

    @cached_property
    def _interval(self) -> tuple[str, ...]:
        """Shorten the interval of a method whose events a short run would hardly see, if the method allows it."""
        if self.group == "model" or any(each.startswith("method.interval=") for each in self.overrides):
            return ()
        if self._resolved(_DENSE).method.interval <= _SHORT:
            return ()
        try:
            self._resolved((*_DENSE, f"method.interval={_SHORT}"))
        except UsageError:
            return ()
        return (f"method.interval={_SHORT}",)

    @property
    def _is_module(self) -> bool:
        return not self.text.partition(":")[0].endswith(".py") and bool(_MODULE.fullmatch(self.text))

    @property
    def _named(self) -> str:
        return self._module_name if self._is_module else self.text

    @cached_property
    def _module_name(self) -> str:
        """Import an object of a module and return the name under which it is registered from now on."""
        module, _, name = self.text.partition(":")
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            found = getattr(importlib.import_module(module), name)
            if self.group == "method":
                return plugins.add_method(found)
            models.registry.add(name, found)
        except (Exception, SystemExit) as error:  # importing a module runs its author's code
            why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise UsageError(f"{self.group} {short(self.text)} cannot be used: {why}") from None
        return name


def subject(group: str, text: str, overrides: tuple[str, ...] = ()) -> Subject:
    """Return what is to be examined, once the settings of its runs are known to be good.

    Raises:
        UsageError: It does not exist, or a setting is unknown or out of range.
    """
    if group not in GROUPS:
        raise UsageError(f"{short(group)} cannot be examined: allowed are {', '.join(GROUPS)}")
    taken = [each for each in overrides if each.startswith((f"{group}=", "runner=", "output="))]
    if taken:
        raise UsageError(f"{short(taken[0])}: the kit decides that itself")
    registry.methods()
    found = Subject(group, text, overrides)
    found.load()
    found.require_sound()
    return found
