"""Checks during training that the masks keep what was booked and that nothing is non-zero outside them."""

from methods import Masks


class Promises:
    """Counts weights instead of trusting the method.

    Attributes:
        broken: One line for each broken promise found so far.
    """

    def __init__(self, masks: Masks, target: float) -> None:
        """Find nothing yet.

        Args:
            masks: Of the run.
            target: Global density that it has to end with.
        """
        self._masks, self._target = masks, target
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

    def at_end(self, step: int) -> list[str]:
        """Return every broken promise of a run that has ended after ``step`` iterations."""
        self.check(step)
        target = round(self._target * self._masks.maskable)
        active = sum(self._masks.counted())
        wrong = [f"{active:,} active weights where the target is {target:,}"] if abs(active - target) > 1 else []
        return self.broken + wrong
