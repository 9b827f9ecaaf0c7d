"""What a task measures: name, unit and direction of its primary metric, and where a record holds it.

Records of classification hold accuracies under names of their own, ``test_accuracy`` and ``val_accuracy``, as all did
before there were other tasks. Any other record holds ``test_score`` and ``val_score``, and ``config.dataset`` says what
they are: ``task``, and ``metric`` as `Metric.described` returns it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.records.record import Record

CLASSIFICATION = "classification"
"""The task of a data set that names none."""
LANGUAGE = "language"


@dataclass(frozen=True)
class Metric:
    """What networks are compared by.

    Attributes:
        name: One word, such as ``accuracy`` or ``bits_per_byte``.
        label: Name and unit as a heading, such as ``bits per byte``.
        higher: Whether a higher value is better.
        scale: Factor from the value in a record to the one that is shown.
        digits: Digits shown after the point.
        lowest: No value is lower; None for no bound.
        highest: No value is higher; None for no bound.
    """

    name: str
    label: str
    higher: bool
    scale: float = 1.0
    digits: int = 3
    lowest: float | None = None
    highest: float | None = None

    def gain(self, value: float) -> float:
        """Return a value such that more is better, whichever way the metric goes; applied twice, the value itself."""
        return value if self.higher else -value

    @property
    def share(self) -> bool:
        """Whether values are shares, from 0 to 1."""
        return (self.lowest, self.highest) == (0, 1)

    @property
    def better(self) -> str:
        """Which values are better, in words."""
        return "higher" if self.higher else "lower"

    @property
    def noun(self) -> str:
        """Its name in a sentence."""
        return self.name if self.label.endswith("%") else self.label

    @property
    def unit(self) -> str:
        """What differences of values are counted in."""
        return "points" if self.label.endswith("%") else self.label

    def shown(self, value: float) -> str:
        """Return a value, or a difference of values, as it is shown, without its unit."""
        return f"{self.scale * value:.{self.digits}f}"

    def signed(self, value: float) -> str:
        """Return a difference of values with its sign, without its unit."""
        return f"{self.scale * value:+.{self.digits}f}".replace("-", "−")

    def told(self, value: float) -> str:
        """Return a value with its unit: ``88.68 %`` or ``2.1034 bits per byte``."""
        return f"{self.shown(value)} {'%' if self.label.endswith('%') else self.label}"

    def described(self) -> dict[str, Any]:
        """Return what a record holds of it."""
        return asdict(self)


ACCURACY = Metric("accuracy", "top-1 %", higher=True, scale=100, digits=2, lowest=0.0, highest=1.0)
BITS_PER_BYTE = Metric("bits_per_byte", "bits per byte", higher=False, digits=4, lowest=0.0)

BUILT_IN = {CLASSIFICATION: ACCURACY, LANGUAGE: BITS_PER_BYTE}
"""The primary metrics of this project's own tasks: what a record says of one of these must be the same."""


def of_dataset(dataset: Mapping[str, Any]) -> Metric:
    """Return the primary metric of the task of a data set.

    Args:
        dataset: The ``dataset`` of a record's config, or the settings of one.
    """
    described = dataset.get("metric")
    return Metric(**described) if described else ACCURACY


def of(record: "Record") -> Metric:
    """Return the primary metric of a record."""
    return of_dataset(record["config"].get("dataset") or {})


def task_of(dataset: Mapping[str, Any]) -> str:
    """Return the name of the task of a data set."""
    return str(dataset.get("task") or CLASSIFICATION)


def samples(dataset: Mapping[str, Any]) -> str:
    """Return what the samples of a data set are called, in the plural: images, or samples of any other kind."""
    return "images" if task_of(dataset) == CLASSIFICATION and dataset.get("mean") != [] else "samples"


def test(record: "Record") -> float | None:
    """Return the value of the primary metric on the test set; None if it was not measured."""
    return _first(record["metrics"], "test_accuracy", "test_score")


def validation(holder: Mapping[str, Any]) -> float | None:
    """Return the value of the primary metric on the validation split; None if it was not measured.

    Args:
        holder: A point of a curve, a round, or the ``metrics`` of a record.
    """
    return _first(holder, "val_accuracy", "val_score")


def field(metric: Metric, split: str) -> str:
    """Return the name under which a record holds a metric: of the split ``test`` or ``val``."""
    return f"{split}_{'accuracy' if metric == ACCURACY else 'score'}"


def _first(holder: Mapping[str, Any], *names: str) -> float | None:
    return next((value for name in names if (value := holder.get(name)) is not None), None)
