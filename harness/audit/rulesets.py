"""Checks of how hyper-parameters were chosen, and of seeds: of a record alone, and beside the others of its folder."""

import json
from collections import Counter, defaultdict
from functools import lru_cache
from typing import Any, NamedTuple

from harness.records import Record, identity, is_trial, ruleset, whole_budget
from harness.records.identity import canonical
from harness.tuning.result import FEWEST, MOST, SPLIT
from harness.tuning.space import draw, from_plain

REQUIRED = (0, 1, 2)
"""Seeds that every row of a submission has, whatever became of them."""

_DETAILS = ("space", "trials", "flops", "split")


def refusals(record: Record) -> list[str]:
    """Return what is wrong with how a record says that its settings were chosen.

    Raises:
        UsageError: The space that it names is malformed.
    """
    if is_trial(record):
        return [f"test: false, so this is a trial of a tuning, scored on the {SPLIT} split alone, and no submission"]
    tuning = record.get("tuning") or {"chosen": "default"}  # older than the field
    if tuning["chosen"] != "tuned":
        given = [name for name in _DETAILS if tuning.get(name) is not None]
        return [f"tuning: {given[0]} is given, though the settings are {tuning['chosen']} ones"] if given else []
    missing = [name for name in _DETAILS if not tuning.get(name)]
    if missing:
        return [f"tuning: {missing[0]} is missing, though the settings were tuned"]
    return _details(tuning) or _drawn(record, tuning)


def _details(tuning: dict[str, Any]) -> list[str]:
    if tuning["split"] != SPLIT:
        return [f"tuning: on the split {tuning['split']!r}; the {SPLIT} split alone may be tuned on"]
    if not FEWEST <= tuning["trials"] <= MOST:
        return [f"tuning: {tuning['trials']} trials; allowed are {FEWEST} to {MOST}"]
    return []


def _drawn(record: Record, tuning: dict[str, Any]) -> list[str]:
    """Draw the trials again: the settings of the run have to be among them."""
    own = _own(record)
    task = f"{record['dataset']}/{record['model']}"
    if canonical(own) in _trials(canonical(tuning["space"]), task, tuning["trials"]):
        return []
    shown = ", ".join(f"{name}={value}" for name, value in own.items())
    return [f"tuning: {shown} is none of the {tuning['trials']} trials that its space gives"]


@lru_cache(maxsize=1024)  # the same for every seed and sparsity of a row
def _trials(space: str, task: str, count: int) -> frozenset[str]:
    return frozenset(map(canonical, draw(from_plain(json.loads(space)), task, count)))


def _own(record: Record) -> dict[str, Any]:
    """Return the values that a record has for the settings that were tuned."""
    names = [(name, *name.split(".", 1)) for name in ruleset.space(record)]
    return {name: record["config"][group].get(field) for name, group, field in names}


class Entry(NamedTuple):
    """What the others of its folder need to know of a record.

    Attributes:
        row: What runs that differ only in their seed have in common.
        seed: Its seed.
        trials: Of its tuning, if there was one.
        table: What the tuned rows of a table have in common.
        choice: What one setting has to serve: a method in a table, whatever ranges its own settings had.
        chosen: The setting.
    """

    row: str
    seed: int
    trials: int | None
    table: str = ""
    choice: str = ""
    chosen: str = ""


class Rulesets:
    """The seeds, numbers of trials and chosen settings of the records of one folder."""

    def __init__(self) -> None:
        """Begin with none."""
        self._entries: dict[str, Entry] = {}
        self._seeds: dict[str, set[int]] = defaultdict(set)
        self._trials: dict[str, Counter[int]] = defaultdict(Counter)
        self._choices: dict[str, set[str]] = defaultdict(set)

    def add(self, file: str, new: Entry) -> None:
        """Take in what is known of a record by the name of its file, different for each."""
        self._entries[file] = new
        self._seeds[new.row].add(new.seed)
        if new.trials is not None:
            self._trials[new.table][new.trials] += 1
            self._choices[new.choice].add(new.chosen)

    def refusals(self, file: str) -> list[str]:
        """Return what the others say against a record; nothing about a file that was not added."""
        if file not in self._entries:
            return []
        own = self._entries[file]
        found, seeds = [], self._seeds[own.row]
        absent = [str(seed) for seed in REQUIRED if seed not in seeds]
        if absent and len(seeds) >= len(REQUIRED):  # of fewer seeds the neighbours are told already
            found.append(f"seeds: {', '.join(absent)} missing; a submission has the seeds 0, 1, 2 and on")
        if own.trials is None:
            return found
        counts = self._trials[own.table]
        usual = min(counts, key=lambda number: (-counts[number], number))
        if own.trials != usual:
            found.append(f"tuning: {own.trials} trials, but the other rows of its table have {usual}")
        if len(self._choices[own.choice]) > 1:
            found.append("tuning: other runs of the method have another choice; one serves all sparsities and seeds")
        return found


def entry(record: Record) -> Entry | None:
    """Return what the others need to know of a record that keeps its schema; none if its config is in no row."""
    try:
        row, trials = record["runner"] + identity.row(record["config"]), ruleset.trials(record)
        if trials is None:
            return Entry(row, record["seed"], None)
        table = _table(record)
        choice, chosen = canonical([table, record["method"], trials]), canonical(_own(record))
    except (AttributeError, KeyError, TypeError, ValueError):  # a config without its parts
        return None
    return Entry(row, record["seed"], trials, table, choice, chosen)


def _table(record: Record) -> str:
    """Return what the tuned rows of one table have in common, but for the number of trials."""
    found = identity.settings(record["config"])
    shared = ruleset.shared(record)
    recipe = {name: value for name, value in found["recipe"].items() if name not in shared}
    budget = whole_budget(record["budget"])
    device = record["config"].get("device")
    return canonical([found["dataset"], record["model"], recipe, shared, budget, device, record["runner"]])
