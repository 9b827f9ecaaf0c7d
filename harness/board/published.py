"""Published numbers, and how their protocol differs from ours, in words.

They are facts copied from the papers (``results/reference``), never ranked against runs of ours: a paper
chooses its checkpoint, its budget and its seeds by its own rules.
"""

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.board.tables import Row, Table
from harness.places import PROJECT

REFERENCE = PROJECT / "results" / "reference"

# A paper's name for what is one of our methods; the rest either carry our name or are no method of ours.
_OUR_NAMES = {"granet_s05": "granet", "WeightRewind": "lth_rewind", "LR-rewind": "lr_rewind"}
_RENDA = "Renda, Frankle, Carbin 2020 (arXiv 2003.02389), authors' released result tables, medians of 3"
# Epochs of the schedule and of each retraining, as the names of the authors' tables have them.
_RENDA_EPOCHS = {"resnet20": 182, "resnet56": 182, "resnet50": 90}
# Densities this near to each other are shown side by side, with the difference said: 0.8**10 is not 0.1.
_NEAR = 0.10


@dataclass(frozen=True)
class Published:
    """One number of a paper.

    Attributes:
        method: The paper's name for the method.
        ours: Our name for it, whether or not we have it.
        stretch: How many times longer than its table's protocol it trained (5 for "RigL 5×").
        top1: Test accuracy, per cent.
        std: Its standard deviation over seeds, per cent; None where not given.
        train_flops_x: Training FLOPs as a multiple of the dense run's.
        inference_flops_x: The same for inference.
    """

    source: str
    dataset: str
    model: str
    protocol: str
    method: str
    ours: str
    stretch: float
    distribution: str
    sparsity: float
    top1: float
    std: float | None
    train_flops_x: float | None
    inference_flops_x: float | None
    note: str


def load(folder: Path | str = REFERENCE) -> list[Published]:
    """Read ``published.csv`` and ``renda2020.json`` of a folder; what is not there adds nothing."""
    folder = Path(folder)
    found: list[Published] = []
    if (folder / "published.csv").exists():
        with open(folder / "published.csv", encoding="utf-8", newline="") as file:
            found += [_from_row(row) for row in csv.DictReader(file)]
    if (folder / "renda2020.json").exists():
        tables = json.loads((folder / "renda2020.json").read_text(encoding="utf-8"))
        known = {(p.dataset, p.model, p.ours, p.sparsity, p.top1) for p in found}
        extra = [p for name, methods in tables.items() for p in _from_renda(name, methods)]
        # published.csv already quotes some of them, rounded to two digits
        found += [p for p in extra if (p.dataset, p.model, p.ours, p.sparsity, round(p.top1, 2)) not in known]
    return found


def _from_row(row: dict[str, str]) -> Published:
    base, stretch = row["method"], 1.0
    if stretched := re.fullmatch(r"(.+)_(\d+(?:\.\d+)?)x", row["method"]):
        base, stretch = stretched[1], float(stretched[2])
    ours = _OUR_NAMES.get(base, base)
    if ours == "gmp" and row["distribution"] == "uniform":
        ours = "gmp_uniform"
    return Published(
        **{name: row[name] for name in ("source", "dataset", "model", "protocol", "method", "distribution", "note")},
        ours=ours,
        stretch=stretch,
        sparsity=float(row["sparsity"]),
        top1=float(row["top1"]),
        std=_number(row["top1_std"]),
        train_flops_x=_number(row["train_flops_x"]),
        inference_flops_x=_number(row["inference_flops_x"]),
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def _from_renda(name: str, methods: dict[str, dict[str, float]]) -> list[Published]:
    """Read a table of the rewinding study, named like ``resnet20_iter_182.0``: epochs of each retraining."""
    model, _, epochs = name.split("_")
    retrained = float(epochs)
    start = _RENDA_EPOCHS[model] - retrained
    notes = {
        "LR-rewind": f"learning rate rewound by {retrained:g} epochs",
        "WeightRewind": f"weights of epoch {start:g}" if start else "weights at initialisation",
    }
    return [
        Published(
            source=_RENDA,
            dataset="imagenet" if model == "resnet50" else "cifar10",
            model=model,
            protocol=f"{_RENDA_EPOCHS[model]} epochs, then {retrained:g} more for each 20 % pruned",
            method=method,
            ours=_OUR_NAMES[method],
            stretch=1.0,
            distribution="global",
            sparsity=round(1 - float(density), 4),
            top1=top1,
            std=None,
            train_flops_x=None,
            inference_flops_x=None,
            note=notes[method],
        )
        for method in notes
        for density, top1 in methods.get(method, {}).items()
    ]


def _near(one: float, other: float) -> bool:
    """Tell whether two sparsities are near enough to be looked at side by side."""
    if one == 0 or other == 0:
        return one == other
    return abs((1 - one) - (1 - other)) <= _NEAR * max(1 - one, 1 - other)


def beside(published: list[Published], table: Table) -> list[Published]:
    """Return the published numbers on a table's data set and model, at about one of its sparsities.

    Args:
        published: All that are known.
        table: The table; the order is by sparsity, then method, then accuracy, best first.
    """
    levels = {row.sparsity for row in table.rows}
    here = [
        p
        for p in published
        if (p.dataset, p.model) == (table.dataset, table.model) and any(_near(p.sparsity, s) for s in levels)
    ]
    return sorted(here, key=lambda p: (p.sparsity, p.method, -p.top1, p.source, p.note))


def ours(published: Published, table: Table) -> Row | None:
    """Return our row for a published number: its method, about its sparsity, trained as many times longer."""
    if published.stretch != table.stretch:
        return None
    rows = [
        row for row in table.rows if row.name == published.ours and row.runs and _near(row.sparsity, published.sparsity)
    ]
    # the nearest sparsity first, then what a container made, then the plainest name
    return min(rows, key=lambda row: (abs(row.sparsity - published.sparsity), row.runner, row.method), default=None)


def difference(published: Published, table: Table, row: Row | None) -> str:
    """Say in words how the published protocol differs from a table of ours.

    Args:
        published: The number.
        table: The table it stands beside.
        row: Our row for it, as `ours` finds it.
    """
    recipe = table.task["recipe"]
    mine = [f"recipe {table.recipe}", table.budget]
    if batch := recipe.get("batch_size"):
        mine.append(f"batch {batch:g}")
    words = [f"theirs: {published.protocol}", f"ours: {', '.join(mine)}, last epoch, test set used once"]
    if row is not None:
        if abs(published.sparsity - row.sparsity) > 1e-9:
            words.append(f"sparsity theirs {published.sparsity:.4g}, ours {row.sparsity:.4g}")
        layers: Any = row.settings.get("distribution")
        if published.distribution and layers and str(layers) != published.distribution:
            words.append(f"layer densities theirs {published.distribution}, ours {layers}")
    if published.note:
        words.append(f"note: {published.note}")
    return "; ".join(words)
