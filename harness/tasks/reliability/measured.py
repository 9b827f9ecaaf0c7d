"""The group ``reliability`` of a record, measured in the final pass over the test set; the referee does the same."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from harness.records import reliability
from harness.tasks.data import Batches
from harness.tasks.reliability.calibration import BINS
from harness.tasks.score import Score


def group(
    score: Score,
    model: nn.Module,
    test: Batches,
    config: Mapping[str, Any],
    *,
    corruptions: bool,
    tell: Callable[[float], object] = lambda passes: None,
) -> dict[str, Any]:
    """Return the group, with accuracies under corruptions if requested.

    Args:
        score: Of the model on the test set, with its calibration.
        model: On the device of the batches.
        test: The test set.
        config: The resolved config of the run.
        corruptions: Whether to score the model on corrupted images too.
        tell: See `harness.tasks.reliability.corruptions.accuracies`.
    """
    assert score.calibration is not None
    found = None
    if corruptions:
        from harness.tasks.reliability.corruptions import accuracies  # here: its transforms take long to import

        data = config["dataset"]
        found = accuracies(model, test, data["mean"], data["std"], tell)
    return reliability.group(BINS, score.calibration.ece, score.calibration.brier, found)
