"""The two sides of a comparison: which records each of them is, from what a command line names."""

import glob
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from harness.board import grouping
from harness.config.names import MODEL_ALIASES
from harness.console import printable
from harness.errors import UsageError, cut, short, unknown
from harness.records import Problem, Record, is_trial, load_files, whole_budget
from harness.records.folder import TRIAL
from harness.records.identity import canonical, settings
from harness.reports import find

_PLAIN = ("method", "dataset", "model", "sparsity", "seed", "runner", "status")
NAMES = (*_PLAIN, "recipe", "device", "budget")
"""What a selector may name beside single settings such as ``method.interval``."""

_TOKEN = re.compile(r"[A-Za-z_][\w.]*=.+")
_MOST_VALUES = 8  # that a message lists
_Known: TypeAlias = tuple[Record, dict[str, Any]]  # a record and what a selector can ask for


@dataclass(frozen=True)
class Side:
    """One side.

    Attributes:
        letter: ``A`` or ``B``.
        given: What the command line named.
        files: Its records by file.
        left_out: Files among them that are not records of results, with the reason.
    """

    letter: str
    given: str
    files: Mapping[str, Record]
    left_out: tuple[Problem, ...] = ()


def read(letter: str, text: str, output: Path) -> Side:
    """Read the records of a side.

    Args:
        letter: Which side it is, for messages.
        text: A file, a folder, a glob, a selector such as ``method=rigl sparsity=0.9`` within ``output/records``, or a
            key or the beginning of a name there.
        output: The folder that holds ``records``.

    Raises:
        UsageError: Nothing is named by it, or what is named is no result.
    """
    path = find.existing(text)
    if path is not None and path.is_dir():
        return _folder(letter, text, path)
    if path is None and (tokens := _tokens(text)):
        return _selected(letter, tokens, output)
    globbed = path is None and glob.has_magic(text)
    paths = _globbed(text, output) if globbed else [find.one(text, output)[0]]
    return Side(letter, text, {str(each): _result(letter, each) for each in paths})


def _folder(letter: str, text: str, folder: Path) -> Side:
    inner = folder / "records"
    place = inner if inner.is_dir() else folder
    records, problems = load_files(place)
    if not records:
        raise UsageError(f"{letter}: {short(place)} holds no records of results")
    return Side(letter, text, {str(place / name): record for name, record in records.items()}, tuple(problems))


def _globbed(text: str, output: Path) -> list[Path]:
    found = sorted(glob.glob(text)) or sorted(map(str, (output / "records").glob(text) if _relative(text) else ()))
    if not found:
        raise UsageError(f"no file matches {short(text)}, here or in {short(output / 'records')}")
    return [Path(each) for each in found]


def _relative(text: str) -> bool:
    return not Path(text).is_absolute() and ".." not in text


def _result(letter: str, path: Path) -> Record:
    record = find.read(path)
    if is_trial(record):
        raise UsageError(f"{letter}: {short(path)} is {TRIAL}")
    return record


def _tokens(text: str) -> list[tuple[str, str]]:
    """Return the names and values of a selector; nothing if it is none."""
    parts = text.split()
    if not all(_TOKEN.fullmatch(part) for part in parts):
        return []
    return [(name, value) for name, _, value in (part.partition("=") for part in parts)]


def _selected(letter: str, tokens: Iterable[tuple[str, str]], output: Path) -> Side:
    folder = output / "records"
    if not folder.is_dir():
        raise UsageError(f"no records: {short(folder)} is not a folder")
    records, problems = load_files(folder)
    left = {name: (record, _facts(record)) for name, record in records.items()}
    said = ""
    for name, value in tokens:
        if "." not in name and name not in NAMES:
            raise unknown("name in a selector", name, NAMES)
        kept = _kept(left, name, value)
        if not kept and name in ("model", "model.name") and value in MODEL_ALIASES:
            kept = _kept(left, name, MODEL_ALIASES[value])
        if not kept:
            raise UsageError(f"{letter}: no record has {said}{name}={value}{_others(name, left.values())}")
        left, said = kept, f"{said}{name}={value} "
    files = {str(folder / file): record for file, (record, _) in left.items()}
    return Side(letter, said.strip(), files, tuple(problems))


def _kept(left: Mapping[str, _Known], name: str, value: str) -> dict[str, _Known]:
    return {file: each for file, each in left.items() if name in each[1] and _same(name, each[1][name], value)}


def _others(name: str, left: Iterable[_Known]) -> str:
    """Say which values the records have that are left."""
    values = sorted({printable(cut(_word(facts[name]))) for _, facts in left if name in facts})
    if not values:
        return "; none has such a setting" if "." in name else ""
    more = f" and {len(values) - _MOST_VALUES} more" if len(values) > _MOST_VALUES else ""
    return f"; there is {', '.join(values[:_MOST_VALUES])}{more}"


def _facts(record: Record) -> dict[str, Any]:
    """Return what a selector can ask for, by name."""
    found = {name: record[name] for name in _PLAIN}
    resolved = settings(record["config"])
    found |= {"device": grouping.device(record), "budget": whole_budget(record["budget"])}
    found["recipe"] = (resolved.get("recipe") or {}).get("name")
    return found | dict(flat(resolved))


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the single settings of nested ones under dotted names."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        elif prefix or name not in NAMES:
            yield prefix + name, value


def _same(name: str, value: Any, text: str) -> bool:
    """Tell whether a text stands for a value: numbers to six digits, as the board shows them."""
    if name == "budget":
        return _same_budget(value, text)
    if isinstance(value, bool) or value is None or isinstance(value, list):
        return _word(value).replace(" ", "") == text.lower().replace(" ", "")
    if isinstance(value, int | float):
        try:
            return f"{float(text):.6g}" == f"{float(value):.6g}"
        except (OverflowError, ValueError):
            return False
    return str(value) == text


def _same_budget(value: dict[str, Any], text: str) -> bool:
    """Compare a budget with ``epochs``, ``epochs:3`` or ``epochs:3x2``."""
    kind, colon, rest = text.partition(":")
    amount, _, stretch = rest.partition("x")
    if value["kind"] != kind or not colon:
        return bool(value["kind"] == kind)
    return _same("", value["amount"], amount) and _same("", value["stretch"], stretch or "1")


def _word(value: Any) -> str:
    if isinstance(value, dict):  # a budget
        return f"{value['kind']}:{value['amount']:g}" + ("" if value["stretch"] == 1 else f"x{value['stretch']:g}")
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else canonical(value)
