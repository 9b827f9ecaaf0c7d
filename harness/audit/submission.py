"""The checker of submissions: what is wrong with a record, found from the record and its neighbours alone.

Anyone can run it; it trains nothing and needs no data. A record that passes is consistent with itself to the last
FLOP, which is not a proof that it is honest: `harness.executors.rerun` repeats a short run for that. A run that failed
passes if it says so properly, because failures belong on the board; one that calls itself ``done`` must account for
all.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from harness.audit import counts
from harness.audit import plausible as scores
from harness.records import Record, RecordError, load, record_name, whole_budget

Check = Callable[[Record], list[str]]

SEEDS = 3
"""A submission shows each method, sparsity and task with at least so many seeds, whatever became of them."""

# Clocks of a runner and of the run inside it may differ by so much.
_SLACK = timedelta(seconds=5)


def check(path: Path | str, records: Mapping[str, Record]) -> list[str]:
    """Return why a record is refused, one line per reason; nothing if it passes.

    Args:
        path: The record's file.
        records: The records that it is submitted with, by file name; it may be among them. Its other seeds, and
            copies of it, are looked for there.
    """
    path = Path(path)
    try:
        record = load(path)
    except RecordError as error:
        return [f"schema: {error}"]
    except OSError as error:
        return [f"unreadable: {error.strerror}"]
    others = [other for name, other in records.items() if name != path.name]
    checks: list[Check] = [partial(_name, path), _identity, _rules, _key, _provenance, _times, partial(_seeds, others)]
    if record["status"] == "done":
        checks += [counts.refusals, scores.refusals]
    else:
        checks.append(_reason)
    return [line for each in checks for line in _asked(each, record)]


def _asked(check: Check, record: Record) -> list[str]:
    """Run one check; a config that it cannot work with, which may hold anything, is a refusal as well."""
    try:
        return check(record)
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return [f"config: what is needed to check this record is missing or of another kind ({error})"]


def _reason(record: Record) -> list[str]:
    return [] if record["reason"] else [f"reason: a run that is {record['status']} says why"]


def _name(path: Path, record: Record) -> list[str]:
    expected = record_name(record)
    return [] if path.name == expected else [f"file: {path.name} should be named {expected}"]


def _identity(record: Record) -> list[str]:
    """Hold the head of a record, which the board shows, against its config, which the key covers."""
    config = record["config"]
    said: dict[str, Any] = {name: (config.get(name) or {}).get("name") for name in ("method", "dataset", "model")}
    said |= {name: config.get(name) for name in ("sparsity", "seed")}
    said["budget"] = whole_budget(config.get("budget"))
    head = {name: record[name] for name in said}
    head["budget"] = whole_budget(record["budget"])
    return [f"{name}: {head[name]!r} but the config has {said[name]!r}" for name in said if head[name] != said[name]]


def _rules(record: Record) -> list[str]:
    """Refuse a record made under rules that do not compare; those of before the rules had a number carry none."""
    from harness.config.compose import RULES

    made = str(record["config"].get("rules", RULES))
    same = made.partition(".")[0] == RULES.partition(".")[0]
    return [] if same else [f"rules: made under {made}, which does not compare with {RULES}"]


def _key(record: Record) -> list[str]:
    from harness.plan import price as plan  # it imports torch, which the other checks do not need

    made = record["provenance"]
    key = plan.key_of(record["config"], made["method_sha256"], made["data_sha256"], made["image_id"])
    return [] if key == record["key"] else [f"key: {record['key']} but config and provenance give {key}"]


def _is_hex(text: Any, digits: int) -> bool:
    return isinstance(text, str) and len(text) == digits and set(text) <= set("0123456789abcdef")


def _provenance(record: Record) -> list[str]:
    made, found = record["provenance"], []
    if not _is_hex(made["git_commit"], 40):
        found.append(f"git_commit: {made['git_commit']!r} is no commit; a result comes from a known one")
    if made["git_dirty"] is not False:
        found.append("git_dirty: the source was, or may have been, changed after its commit")
    if not _is_hex(made["method_sha256"], 64):
        found.append(f"method_sha256: {made['method_sha256']!r} is no hash of the method's source")
    if record["runner"] == "docker":
        image = str(made["image_id"])
        if not _is_hex(image.removeprefix("sha256:"), 64):
            found.append(f"image_id: {made['image_id']!r} is no image, and runner is docker")
        if not _is_hex(made["lock_sha256"], 64):
            found.append(f"lock_sha256: {made['lock_sha256']!r} is no hash, and runner is docker")
    elif made["image_id"] is not None:
        found.append("image_id: a local run has no image; it is not verified by naming one")
    if record["status"] != "done":
        return found
    if not _is_hex(made["data_sha256"], 64):
        found.append(f"data_sha256: {made['data_sha256']!r} is no fingerprint of the data")
    missing = [name for name in ("cpu", "python", "torch", "hostname_hash") if not made[name]]
    if record["config"].get("device") == "cuda":
        missing += [name for name in ("gpu", "cuda") if not made[name]]
    return found + [f"{name}: what the run was made on is not known" for name in missing]


def _times(record: Record) -> list[str]:
    started, finished = (
        datetime.fromisoformat(record["provenance"][name]) if record["provenance"][name] else None
        for name in ("started", "finished")
    )
    seconds = record["cost"]["seconds"]
    found = []
    if started and finished:
        if finished < started:
            found.append("finished: before it started")
        elif not record["provenance"]["resumed"] and seconds["total"] is not None:
            lasted = (finished - started + _SLACK).total_seconds()
            if seconds["total"] > lasted:
                found.append(f"seconds.total: {seconds['total']:g}, longer than from started to finished")
    elif record["status"] == "done":
        found.append("started: not known")
    if finished and finished > datetime.now(UTC) + timedelta(days=1):
        found.append("finished: lies in the future")
    parts = [seconds[name] for name in ("train", "eval", "topology") if seconds[name] is not None]
    if seconds["total"] is not None and sum(parts) > seconds["total"] + _SLACK.total_seconds():
        found.append(f"seconds.total: {seconds['total']:g}, less than its parts take")
    if record["status"] == "done" and not (seconds["total"] and seconds["train"]):
        found.append("seconds: no run trains in no time")
    return found


def _of_one_row(record: Record) -> tuple[str, ...]:
    """Return what runs that differ only in their seed have in common."""
    config = {name: value for name, value in record["config"].items() if name not in _ONLY_OF_A_RUN}
    config["dataset"] = {
        name: value for name, value in (config.get("dataset") or {}).items() if name not in ("root", "download")
    }
    return (record["runner"], repr(sorted(config.items(), key=lambda item: item[0])))


# Compared first, for the rest takes longer and there may be thousands.
_QUICK = ("method", "dataset", "model", "sparsity", "runner")
_ONLY_OF_A_RUN = frozenset(
    ("seed", "output", "runner", "workers", "packed", "checkpoint_seconds", "layers", "fixed_flops")
)


def _seeds(others: list[Record], record: Record) -> list[str]:
    found = []
    if any(other["key"] == record["key"] for other in others):
        found.append(f"key: another record has the key {record['key']}; a run has one result")
    row = _of_one_row(record)
    alike = (other for other in others if all(other[name] == record[name] for name in _QUICK))
    seeds = {record["seed"]} | {other["seed"] for other in alike if _of_one_row(other) == row}
    if len(seeds) < SEEDS:
        listed = ", ".join(str(seed) for seed in sorted(seeds))
        found.append(f"seeds: {listed} only; a submission has at least {SEEDS}, those that failed included")
    return found
