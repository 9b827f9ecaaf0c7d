"""What a suite puts up with before it stops: ``retries=`` and ``max_failures=``, which are no settings of its runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.errors import UsageError, short

if TYPE_CHECKING:
    from harness.executors.base import Finished

RETRIES = 2
_RANGES = {"retries": (0, 100), "max_failures": (1, 10**6)}

HELP = (
    f"retries=N: times that a run is tried again when the machine has failed it, {RETRIES} by default; "
    "max_failures=N: failed runs that stop the suite, by default any number"
)


class Limits(NamedTuple):
    """What a suite puts up with.

    Attributes:
        retries: Times that a run is tried again after a failure of the machine.
        max_failures: Failed runs after which the others are cancelled; None for any number.
        wait: Whether to wait for runs that other processes train.
    """

    retries: int = RETRIES
    max_failures: int | None = None
    wait: bool = True

    @property
    def reached(self) -> bool:
        """Whether too many runs have failed."""
        return self.max_failures is not None and self.max_failures <= 0

    def after(self, ended: "Sequence[Finished]") -> "Limits":
        """Return what is left once some runs have ended."""
        if self.max_failures is None:
            return self
        return self._replace(max_failures=self.max_failures - sum(event.failed for event in ended))


def read(overrides: Sequence[str], *, wait: bool) -> tuple[Limits, list[str]]:
    """Return the limits that overrides set, and the other overrides.

    Args:
        overrides: Of a suite.
        wait: See `Limits`.

    Raises:
        UsageError: A limit is not a whole number in its range.
    """
    from harness.config import values

    found: dict[str, int] = {}
    rest = []
    for override in overrides:
        name, equals, text = override.partition("=")
        if name not in _RANGES or not equals:
            rest.append(override)
            continue
        number, (least, most) = values.read(name, int, text), _RANGES[name]
        if not isinstance(number, int) or not least <= number <= most:
            raise UsageError(f"{name}={short(text)} is not in {least}...{most}")
        found[name] = number
    return Limits(wait=wait, **found), rest
