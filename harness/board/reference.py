"""Reads what is quoted from papers: the CSV files and the tables of one study in ``results/reference``."""

import csv
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

from harness.board.published import Published
from harness.config.names import MODEL_ALIASES
from harness.errors import cut
from harness.places import PROJECT
from harness.records import Problem
from harness.records.metrics import ACCURACY

REFERENCE = PROJECT / "results" / "reference"
STUDY = "renda2020.json"

# A paper's name for what is one of our methods; the rest either carry our name or are no method of ours.
_OUR_NAMES = {"granet_s05": "granet", "WeightRewind": "lth_rewind", "LR-rewind": "lr_rewind"}
_RENDA = "Renda, Frankle, Carbin 2020 (arXiv 2003.02389), authors' released result tables, medians of 3"
# Epochs of the schedule and of each retraining, as the names of the authors' tables have them.
_RENDA_EPOCHS = {"resnet20": 182, "resnet56": 182, "resnet50": 90}
_TEXTS = ("source", "dataset", "model", "protocol", "method", "distribution", "note")
_NUMBERS = ("sparsity", "top1", "top1_std", "train_flops_x", "inference_flops_x")
# What a note says of the number in the column top1_std where it is no standard deviation.
_SPREADS = {"standard error": "standard error", "95 % interval": "half a 95 % interval", "is the range": "range"}


def read(folder: Path | str = REFERENCE) -> tuple[list[Published], list[Problem]]:
    """Read every CSV file of a folder, and `STUDY`.

    Returns:
        The published numbers, and what is left off: a file that cannot be read, and each row that gives no sparsity or
        result to compare with. One problem says so if there is no number at all.
    """
    folder = Path(folder)
    found: list[Published] = []
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.csv")):
        numbers, left_off = _csv(path)
        found += numbers
        problems += left_off
    if (folder / STUDY).exists():
        try:
            tables = json.loads((folder / STUDY).read_text(encoding="utf-8"))
            extra = [p for name, methods in tables.items() for p in _from_renda(name, methods)]
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            problems.append(_problem(STUDY, f"cannot be read: {type(error).__name__}"))
        else:
            # published.csv already quotes some of them, rounded to two digits
            known = {(p.dataset, p.model, p.ours, p.sparsity, p.top1) for p in found}
            found += [p for p in extra if (p.dataset, p.model, p.ours, p.sparsity, round(p.top1, 2)) not in known]
    if not found:
        problems.append(_problem("", "no published numbers: nothing stands beside the runs"))
    return found, problems


def _problem(file: str, why: str) -> Problem:
    return Problem(f"reference/{file}", why)


def _csv(path: Path) -> tuple[list[Published], list[Problem]]:
    found: list[Published] = []
    problems: list[Problem] = []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in (*_TEXTS, *_NUMBERS) if name not in (rows.fieldnames or ())]
            if missing:
                return [], [_problem(path.name, f"has no column {', '.join(missing)}")]
            for row in rows:
                try:
                    found.append(_from_row(row))
                except ValueError as error:
                    problems.append(_problem(path.name, f"line {rows.line_num}: {error}"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problems.append(_problem(path.name, f"cannot be read: {' '.join(str(error).split())}"))
    return found, problems


def _from_row(row: dict[str, str]) -> Published:
    texts = {name: row[name] or "" for name in _TEXTS}
    texts["model"] = MODEL_ALIASES.get(texts["model"], texts["model"])
    base, stretch = texts["method"], 1.0
    if stretched := re.fullmatch(r"(.+)_(\d+(?:\.\d+)?)x", base):
        base, stretch = stretched[1], float(stretched[2])
    ours = _OUR_NAMES.get(base, base)
    if ours == "gmp" and texts["distribution"] == "uniform":
        ours = "gmp_uniform"
    sparsity, top1 = _number(row, "sparsity"), _number(row, "top1")
    if sparsity is None or not 0 <= sparsity < 1:
        raise ValueError(f"sparsity {_cell(row, 'sparsity')} is not one number in [0, 1)")
    metric = row.get("metric") or ACCURACY.name
    if top1 is None or (metric == ACCURACY.name and not 0 <= top1 <= 100):
        raise ValueError(f"top1 {_cell(row, 'top1')} is not a number of per cent")
    return Published(
        **texts,
        ours=ours,
        stretch=stretch,
        sparsity=sparsity,
        top1=top1,
        std=_optional(row, "top1_std"),
        spread=next((word for said, word in _SPREADS.items() if said in texts["note"]), "std"),
        train_flops_x=_optional(row, "train_flops_x"),
        inference_flops_x=_optional(row, "inference_flops_x"),
        metric=metric,
    )


def _cell(row: dict[str, str], name: str) -> str:
    return repr(cut(row[name] or ""))


def _number(row: dict[str, str], name: str) -> float | None:
    """Return the number of a column; None for anything that is none."""
    try:
        value = float(row[name] or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _optional(row: dict[str, str], name: str) -> float | None:
    value = _number(row, name)
    if value is None and row[name]:
        raise ValueError(f"{name} {_cell(row, name)} is not a number")
    return value


def _below(most: float, value: float) -> float:
    if not 0 <= value < most:
        raise ValueError(f"{value:g} is not in [0, {most:g})")
    return value


def _from_renda(name: str, methods: dict[str, dict[str, float]]) -> Iterator[Published]:
    """Read a table of the rewinding study, named like ``resnet20_iter_182.0``: epochs of each retraining."""
    model, _, epochs = name.split("_")
    retrained = float(epochs)
    start = _RENDA_EPOCHS[model] - retrained
    notes = {
        "LR-rewind": f"learning rate rewound by {retrained:g} epochs",
        "WeightRewind": f"weights of epoch {start:g}" if start else "weights at initialisation",
    }
    for method, note in notes.items():
        for density, top1 in methods.get(method, {}).items():
            yield Published(
                source=_RENDA,
                dataset="imagenet" if model == "resnet50" else "cifar10",
                model=model,
                protocol=f"{_RENDA_EPOCHS[model]} epochs, then {retrained:g} more for each 20 % pruned",
                method=method,
                ours=_OUR_NAMES[method],
                stretch=1.0,
                distribution="global",
                sparsity=round(_below(1, 1 - float(density)), 4),
                top1=_below(100, float(top1)),
                std=None,
                train_flops_x=None,
                inference_flops_x=None,
                note=note,
            )
