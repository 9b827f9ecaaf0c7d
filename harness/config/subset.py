"""Parts of a data set that a run is trained and tested on: its counts follow from them."""

from typing import TYPE_CHECKING, Any

from harness.errors import UsageError, unknown
from harness.records.metrics import CLASSIFICATION
from harness.vocabulary import VALIDATIONS

if TYPE_CHECKING:
    from omegaconf import DictConfig

_COUNTS = {"subset": "train_examples", "test_subset": "test_examples"}


def settle(config: "DictConfig", given: dict[str, Any]) -> None:
    """Make the counts of a data set those of its subsets, in place, and give what is the default its one name.

    Args:
        config: The settings of a run, all but those that depend on these counts.
        given: Settings of the command line.

    Raises:
        UsageError: A subset is larger than the data set, or its count is set as well.
    """
    dataset = config.dataset
    for name, count in _COUNTS.items():
        if not dataset[name]:
            continue
        if f"dataset.{count}" in given:
            raise UsageError(f"dataset.{name}={dataset[name]} sets dataset.{count}: drop one of them")
        if not 0 < dataset[name] <= dataset[count]:
            raise UsageError(f"dataset.{name}={dataset[name]}: allowed are 1 to {dataset[count]}, 0 for all")
        dataset[count] = dataset[name]
    if dataset.validation not in VALIDATIONS:
        raise unknown("dataset.validation", dataset.validation, VALIDATIONS)
    if dataset.validation == "stratified" and dataset.task == CLASSIFICATION:
        dataset.validation = "default"
