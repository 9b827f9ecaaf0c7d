"""Checks that the masks keep what was booked, that nothing is non-zero outside them, and that they end as promised.

Also that a plug-in's task remembers nothing, which no checkpoint would hold.
"""

from typing import Any

from harness.errors import UsageError
from harness.tasks import base, state
from harness.tasks.base import Task
from methods import Masks, Method
from methods.parts.patterns import Pattern


class Promises:
    """Counts weights instead of trusting the method.

    Attributes:
        broken: One line for each broken promise found so far.
    """

    def __init__(self, masks: Masks, target: float, method: Method | None = None, task: Task | None = None) -> None:
        """Find nothing yet.

        Args:
            masks: Of the run.
            target: Global density that it has to end with.
            method: Says whether its sparsity is a result, and which pattern it has; None if neither.
            task: What the network is trained for, before its loss is called; only a plug-in's is looked at.
        """
        self._masks, self._target = masks, target
        self._pattern = method.pattern(target) if method else None
        self._exact = method is None or method.exact
        self._task = None if task is None or base.is_own(task) else task
        self._remembered = {} if self._task is None else state.attributes(self._task)
        self.broken: list[str] = []

    def check(self, step: int) -> None:
        """Count what the masks keep and what escaped them after ``step`` iterations; only the first finding stays."""
        if self.broken:
            return
        outside = self._masks.outside()
        if self._masks.counted() != self._masks.active:
            self.broken.append(f"at step {step} the masks keep other numbers of weights than were booked")
        if outside:
            self.broken.append(
                f"at step {step} {outside:,} weights or optimiser entries are not zero outside the masks"
            )
        self.check_charged(step)

    def check_charged(self, step: int) -> None:
        """Count the weights that are trained for free; once the last masks are set, none is trained any more."""
        if not self.broken and (uncharged := self._masks.uncharged()):
            self.broken.append(f"at step {step} {uncharged:,} weights are trained whose gradient is not charged")

    def check_task(self, step: int) -> None:
        """Look for what the task remembers after ``step`` iterations, as before each checkpoint.

        Raises:
            UsageError: There is something. The run has failed: it says nothing of the method.
        """
        if self._task is not None and (names := state.changed(self._remembered, self._task)):
            raise UsageError(
                f"by step {step} task {self._task.name!r} has changed {', '.join(names)}, which is in no checkpoint: a "
                f"run that is resumed, or comes after another one, would train other weights"
            )

    def at_end(self, step: int) -> list[str]:
        """Return every broken promise of a run that has ended after ``step`` iterations.

        Raises:
            UsageError: See `check_task`.
        """
        self.check(step)
        self.check_task(step)
        target, slack = round(self._target * self._masks.maskable), 1
        if self._pattern is not None:
            fixed = self._pattern.counts(self._masks.shapes)
            target = target if fixed is None else sum(fixed)
            slack = max(slack, self._pattern.tolerance(self._masks.shapes, target))
        active = sum(self._masks.counted())
        if self._exact and abs(active - target) > slack:
            return [*self.broken, f"{active:,} active weights where the target is {target:,}"]
        if not active:
            return [*self.broken, "no weight is left"]
        return list(self.broken)


def pattern_problems(config: dict[str, Any], masks: Masks) -> list[str]:
    """Return in a line how the final masks break the pattern that a resolved config promises, if they do."""
    if (described := config.get("pattern")) is None:
        return []
    pattern = Pattern.of(described)
    broken = {name: count for name, mask in masks.tensors() if (count := pattern.violations(mask))}
    if not broken:
        return []
    return [f"the {pattern.kind} pattern is broken {sum(broken.values()):,} times, in {', '.join(broken)}"]
