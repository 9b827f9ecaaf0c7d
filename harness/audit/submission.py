"""The checker of submissions: finds what is wrong with a record from the record and its neighbours alone.

Anyone can run it; it trains nothing and needs no data. A record that passes is consistent with itself to the last
FLOP, which does not prove that it is honest: `harness.executors.rerun` repeats a short run for that. A failed run
passes if it says why it failed, because failures belong on the board; one that calls itself ``done`` must account for
everything.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from typing import NamedTuple

from harness.audit import (
    counts,
    curves,
    kept,
    neighbours,
    origin,
    plausible,
    reliability,
    rulesets,
    scores,
    settings,
    splits,
)
from harness.errors import UsageError
from harness.records import Problem, Record, identity, is_trial, record_name, whole_budget
from harness.records.folder import load_or_problem, record_paths
from harness.records.validate import one_line
from harness.vocabulary import RULES

Check = Callable[[Record], list[str]]

_WORTH_A_PROCESS = 100
"""Records whose check takes longer than the start of a process."""


class _Read(NamedTuple):
    """What the file of one record says.

    Attributes:
        reasons: Why it is refused whatever the others are.
        notes: What no check knows of its scores.
        among: What its neighbours need to know of it, and what their rules do.
    """

    reasons: list[str]
    notes: list[str]
    among: tuple[neighbours.Entry, rulesets.Entry | None] | None


def check(
    paths: Iterable[Path], unchecked: dict[Path, list[str]] | None = None, workers: int = 1
) -> dict[Path, list[str]]:
    """Check records, each together with the others of its folder, which is read once.

    Args:
        paths: Their files.
        unchecked: Filled with what no check knows of the scores of records, by path.
        workers: Processes that read them. More than one are forked: of a process without other threads.

    Returns:
        For each path, in the same order, why the record is refused, one line per reason; empty if it passes.
    """
    wanted = list(paths)
    names: dict[Path, set[str]] = defaultdict(set)
    for path in wanted:
        names[path.parent].add(path.name)
    notes = {} if unchecked is None else unchecked
    found: dict[Path, list[str]] = {}
    for folder, inside in names.items():
        found |= {folder / name: reasons for name, reasons in _check_in(folder, inside, notes, workers).items()}
    return {path: found[path] for path in wanted}


def _check_in(folder: Path, wanted: set[str], notes: dict[Path, list[str]], workers: int) -> dict[str, list[str]]:
    """Check records of one folder by name; only what their neighbours need to know of them is kept in memory."""
    among, ruled = neighbours.Neighbours(), rulesets.Rulesets()
    names = sorted({path.name for path in record_paths(folder)} | wanted)
    found = dict(zip(names, _read_all([(folder / name, name in wanted) for name in names], workers), strict=True))
    for name, read in found.items():
        if read.among:
            entry, rules = read.among
            among.add(name, entry)
            if rules:
                ruled.add(name, rules)
        if read.notes:
            notes[folder / name] = read.notes
    return {name: [*found[name].reasons, *among.refusals(name), *ruled.refusals(name)] for name in sorted(wanted)}


def _read_all(files: list[tuple[Path, bool]], workers: int) -> list[_Read]:
    """Read files, in processes if there are enough for each to be worth its start."""
    workers = min(workers, len(files) // _WORTH_A_PROCESS)
    if workers <= 1:
        return [_read(file) for file in files]
    with ProcessPoolExecutor(workers, get_context("fork"), signal, (SIGINT, SIG_IGN)) as pool:
        return list(pool.map(_read, files, chunksize=len(files) // (4 * workers)))


def _read(file: tuple[Path, bool]) -> _Read:
    """Read the file of a record; check it as well if that is wanted."""
    path, wanted = file
    record = load_or_problem(path)
    if isinstance(record, Problem):
        return _Read([record.reason], [], None)
    genuine = not (_name(path.name, record) or _tried(_head, record))
    reasons = _reasons(path, record) if wanted else []
    notes = [one_line(note) for note in splits.unknown(record)] if wanted and not reasons else []
    return _Read(reasons, notes, (neighbours.entry(path.name, record, genuine=genuine), rulesets.entry(record)))


def _reasons(path: Path, record: Record) -> list[str]:
    """Return why a record is refused whatever its neighbours are."""
    checks: list[Check] = [
        partial(_name, path.name),
        _head,
        _rules,
        _key,
        scores.metric_refusals,
        rulesets.refusals,
        origin.refusals,
        origin.time_refusals,
    ]
    if record["status"] != "done":
        checks.append(_reason)
    elif not is_trial(record):
        checks += [counts.refusals, settings.refusals, plausible.refusals, curves.refusals, reliability.refusals]
        checks += [partial(kept.refusals, path.absolute().parent.parent)]
    found = [one_line(reason) for each in checks for reason in _tried(each, record)]
    return list(dict.fromkeys(found))  # checks that read the same part say the same of it


def _tried(check: Check, record: Record) -> list[str]:
    """Run one check; a config that it cannot work with, since a config may hold anything, is a refusal as well."""
    try:
        return check(record)
    except UsageError as error:
        return [f"config: {error}"]
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        what = f"{type(error).__name__}: {error}"
        return [f"config: a setting needed to check this record is missing or of the wrong type ({what})"]


def _reason(record: Record) -> list[str]:
    return [] if record["reason"] else [f"reason: missing, but the run is {record['status']}"]


def _name(file: str, record: Record) -> list[str]:
    expected = record_name(record)
    return [] if file == expected else [f"file: {file} should be named {expected}"]


def _head(record: Record) -> list[str]:
    """Compare the head of a record, which the board shows, with its config, which the key covers."""
    config = record["config"]
    configured = {name: (config.get(name) or {}).get("name") for name in ("method", "dataset", "model")}
    configured |= {name: config.get(name) for name in ("sparsity", "seed")}
    configured["budget"] = whole_budget(config.get("budget"))
    head = {name: record[name] for name in configured}
    head["budget"] = whole_budget(record["budget"])
    return [
        f"{name}: {head[name]!r} but the config has {configured[name]!r}"
        for name in configured
        if head[name] != configured[name]
    ]


def _rules(record: Record) -> list[str]:
    """Refuse a record made under rules that do not compare; records older than the first numbered rules have none."""
    made = str(record["config"].get("rules", RULES))
    same = made.partition(".")[0] == RULES.partition(".")[0]
    return [] if same else [f"rules: made under {made}, which does not compare with {RULES}"]


def _key(record: Record) -> list[str]:
    key = identity.recorded_key(record)
    return [] if key == record["key"] else [f"key: {record['key']} but config and provenance give {key}"]
