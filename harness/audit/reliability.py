"""Checks of what a record says of its model's reliability."""

import math
from typing import Any

from harness.audit import scores
from harness.records import Record, reliability
from harness.records.reliability_schema import BINS
from harness.vocabulary import CORRUPTIONS

TOLERANCE = 1e-3
"""By how much an error may differ from what another process measures, beyond what `_MOVED` samples explain."""

_SINCE = [1, 2]  # rules under which every classification has the group
_MOVED = 2  # samples that rounding may put into another bin, or into another class


def problems(claimed: dict[str, Any] | None, found: dict[str, Any] | None, samples: int) -> list[str]:
    """Return where a claim differs from what was measured, a line each.

    Args:
        claimed: The group ``reliability`` of a record; None where it has none.
        found: The group as measured; None for a trial of tuning.
        samples: Of the test set.
    """
    if claimed is None or found is None:
        return [] if claimed is found else ["reliability is missing, or was measured on no sample"]
    mine, theirs = _values(claimed), _values(found)
    if mine.keys() != theirs.keys() or claimed["bins"] != found["bins"]:
        return ["reliability holds other values than were requested"]
    share = (_MOVED + 0.5) / samples
    allowed = dict.fromkeys(theirs, share) | {"ece": TOLERANCE + 2 * share, "brier": TOLERANCE + 2 * share}
    return [
        f"reliability.{name} is {mine[name]!r}, measured {value!r}"
        for name, value in theirs.items()
        if not abs(mine[name] - value) <= allowed[name]
    ]


def refusals(record: Record) -> list[str]:
    """Return what cannot be true of the reliability of a record that is done.

    Args:
        record: A record that keeps its schema.

    Raises:
        KeyError, TypeError: The config lacks a part, or one is of the wrong type.
    """
    group = record.get("reliability")
    if group is None:
        return _missing(record)
    found, accuracy = _bounds(record, group), record["metrics"]["test_accuracy"]
    # A wrong answer gives the truth a probability of at most one half, and another class at least as much.
    if group["brier"] < 0.5 * (1 - accuracy) - TOLERANCE:
        found.append(f"reliability.brier: {group['brier']:g}, but an accuracy of {accuracy} costs more")
    under = group.get("corruptions")
    if under is None:
        return found
    data = record["config"]["dataset"]
    if not data["mean"]:
        return [*found, "reliability.corruptions: the data set has no images that could be corrupted"]
    images = data["test_examples"]
    every = {f"{name}[{place}]": value for name in CORRUPTIONS for place, value in enumerate(under[name])}
    for name, value in every.items():
        if not scores.is_share(value, images):
            found.append(f"reliability.corruptions.{name}: {value} is not a multiple of 1/{images}")
    if not math.isclose(under["mean"], sum(every.values()) / len(every), abs_tol=1e-9):
        found.append(f"reliability.corruptions.mean: {under['mean']} is not the mean of the accuracies")
    return found


def _missing(record: Record) -> list[str]:
    """Refuse a record without the group where the rules that it was made under have it measured."""
    measured = reliability.of_config(record["config"]) == "" and scores.made_under(record, _SINCE)
    return ["reliability: missing, which is measured of every classification"] if measured else []


def _bounds(record: Record, group: dict[str, Any]) -> list[str]:
    """Refuse errors that do not fit the accuracy or one another."""
    accuracy, classes = record["metrics"]["test_accuracy"], record["config"]["dataset"]["classes"]
    found = [] if group["bins"] == BINS else [f"reliability.bins: {group['bins']}, measured are {BINS}"]
    # A right answer has at least the probability of any other class, so it costs less than 1 - 1/classes.
    most = 2 * (1 - accuracy) + accuracy * (1 - 1 / classes)
    if group["brier"] > most + TOLERANCE:
        found.append(f"reliability.brier: {group['brier']:g}, but an accuracy of {accuracy} costs at most {most:.4g}")
    # Of each sample the square of what its confidence misses is at most its Brier score.
    if group["ece"] > math.sqrt(group["brier"]) + TOLERANCE:
        found.append(f"reliability.ece: {group['ece']:g}, over the root of the Brier score {group['brier']:g}")
    return found


def _values(group: dict[str, Any]) -> dict[str, float]:
    found = {"ece": group["ece"], "brier": group["brier"]}
    for name, values in group.get("corruptions", {}).items():
        if name == "mean":
            found[f"corruptions.{name}"] = values
        else:
            found |= {f"corruptions.{name}[{place}]": value for place, value in enumerate(values)}
    return found
