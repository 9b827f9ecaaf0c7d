"""Output of commands: one row for a run, a table for a plan, lines for a board."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness import config
from harness.board import Summary
from harness.cli import apart, layout
from harness.config import RunConfig
from harness.config.plain import NEWER
from harness.console import printable, say, shown
from harness.records import Record, reached, reliability
from harness.records.metrics import of, test
from methods import methods

if TYPE_CHECKING:  # they take torch, which a board does not
    from harness.executors.base import Finished
    from harness.plan.planned import Planned
    from harness.plan.price import Price


def notice_dense(overrides: Sequence[str], run: RunConfig) -> None:
    """Say that a sparsity, or a setting of masks, was given to a method without masks."""
    if run.method.masked:
        return
    given = {override.partition("=")[0] for override in overrides}
    if "model.init_fan=mask" in overrides:
        say(f"{run.method.name} has no masks: model.init_fan changes nothing and is {run.model.init_fan}")
    if "sparsity" in given:
        say(f"{run.method.name} has no masks: its sparsity is 0")
    for name, usual in config.unused(run.method).items():
        if f"method.{name}" in given:
            say(f"{run.method.name} has no masks: method.{name} changes nothing and is {usual}")


def row(result: "Finished") -> None:
    """Print the row of a run: every figure with its unit."""
    record = result.record
    assert record is not None
    assert result.path is not None
    metric, metrics, cost = of(record), record["metrics"], record["cost"]
    cells = {
        "method": record["method"],
        "task": f"{record['dataset']}/{record['model']}",
        "sparsity": _sparsity(record),
        "seed": str(record["seed"]),
        "status": record["status"],
        f"test {layout.heading(metric)}": layout.score(metric, test(record)),
        "active": "-" if metrics["active"] is None else f"{metrics['active']:,} of {metrics['maskable']:,}",
        "train FLOPs": _times(cost["train_flops"], cost["train_flops_ratio"]),
        "inference": _times(cost["inference_flops"], cost["inference_flops_ratio"]),
        "wall-clock": _seconds(cost["seconds"]["total"]),
        "runner": record["runner"],
    }
    print(layout.one(cells, layout.width()))
    if record["reason"]:
        say(f"{record['status']}: {record['reason']}")
    print(f"record: {shown(result.path)}")


def without_corruptions(ended: "Sequence[Finished]") -> None:
    """Say which finished runs should have accuracies under corruptions and were done without, and how to have them."""
    lacking = []
    for result in ended:
        if result.planned.run.corruptions and result.status == "done" and result.record is not None:
            output, known = Path(result.planned.run.output), result.record.get("reliability") or {}
            if "corruptions" not in known and "corruptions" not in (reliability.of_run(output, result.record) or {}):
                lacking.append(output)
    if lacking:
        said = "the record of a run has" if len(lacking) == 1 else f"the records of {len(lacking)} runs have"
        say(f"{said} no accuracy under corruptions: sparsebench reliability output={lacking[0]} measures it")


def plan(runs: "Sequence[Planned]") -> None:
    """Print a plan: a line a run, why those that have records are not done, what to know of them, and a total.

    Runs that would look alike show the settings in which they differ.
    """
    rows = [
        {
            "key": planned.key,
            "method": planned.run.method.name + placed(planned.run),
            "task": f"{planned.run.dataset.name}/{planned.run.model.name}",
            "sparsity": f"{planned.run.sparsity:g}",
            "seed": str(planned.run.seed),
            "budget": _budget(planned.run),
            "train FLOPs": _about(planned.price, _times(planned.price.train_flops, planned.price.train_flops_ratio)),
            "inference": _about(
                planned.price, _times(planned.price.inference_flops, planned.price.inference_flops_ratio)
            ),
            "done": "yes" if planned.done else "no",
        }
        for planned in runs
    ]
    alike = [tuple(row[name] for name in ("method", "task", "sparsity", "seed", "budget")) for row in rows]
    settings = apart.settings([planned.run for planned in runs], alike)
    if any(settings):
        for row, own in zip(rows, settings, strict=True):
            row["settings"] = own or "-"
    print(layout.many(rows, layout.width()))
    todo = [planned for planned in runs if not planned.done]
    for why, count in Counter(planned.why_not for planned in todo if planned.found is not None).most_common(10):
        print(f"not done: {_count(count, 'run')} with an older record that does not count: {printable(why)}")
    notes = Counter(note for planned in runs for note in planned.price.notes)
    for note, count in notes.most_common(10):
        print(f"note{'' if len(runs) == 1 else f' on {count}'}: {printable(note)}")
    known = [flops for planned in todo if (flops := planned.price.train_flops) is not None]
    timed = f", and {len(todo) - len(known)} as many as fit in their seconds" if len(known) < len(todo) else ""
    if any(planned.price.estimated for planned in runs):
        print("~: estimated from untrained weights, since the method's own decisions place the weights")
    done = len(runs) - len(todo)
    print(f"{_count(len(runs), 'run')}, {done} done; the rest will train {sum(known):.3g} FLOPs{timed}")


def placed(run: RunConfig) -> str:
    """Say where the masks of a run are and what its model is, as far as that is not the default.

    For example ``" [distribution=uniform, model.init_fan=mask]"``; a width that follows from the sparsity is left out.
    """
    usual = methods()[run.method.name].distribution
    found = [] if run.method.distribution == usual else [f"distribution={run.method.distribution}"]
    found += [f"dense_layers={run.dense_layers}"] if run.dense_layers else []
    for name, value in NEWER["model"].items():
        own = getattr(run.model, name)
        found += [f"model.{name}={own}"] if own != value and not (name == "width" and run.reference) else []
    return f" [{', '.join(found)}]" if found else ""


def _about(price: "Price", figure: str) -> str:
    return f"~{figure}" if price.estimated and figure != "-" else figure


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _budget(run: RunConfig) -> str:
    budget = run.budget
    stretch = "" if budget.stretch == 1 else f"x{budget.stretch:g}"
    return f"{budget.kind}:{budget.amount:g}{stretch}" + (" each round" if budget.rounds == "each" else "")


def board(summary: Summary) -> None:
    """Print what a board was made of, and name what was left off."""
    counts = {"record": summary.records, "table": summary.tables, "failure": summary.failures}
    print(", ".join(_count(number, thing) for thing, number in counts.items()))
    for problem in summary.problems:
        say(f"left off the board: {problem.file}: {problem.reason}")
    for path in summary.written:
        print(f"wrote {shown(path)}")


def _sparsity(record: Record) -> str:
    """Return the requested sparsity, and the reached one where it is a result; short dense nets have no target."""
    requested, ended = f"{record['sparsity']:.4g}", record["metrics"]["sparsity"]
    if ended is None or not reached.is_result(record["config"]):
        return requested
    return f"{requested} (reached {ended:.4g})"


def _times(flops: int | None, ratio: float | None) -> str:
    return "-" if flops is None or ratio is None else f"{flops:.3g} ({ratio:.3f}x)"


def _seconds(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.1f} s"
