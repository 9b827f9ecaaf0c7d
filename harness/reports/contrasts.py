"""What else two rows differ in: cost, layers, settings, how they were made; and where their records are."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from harness.board import units, wording
from harness.board.statistics import mean_of_known
from harness.board.usage import hardware
from harness.console import shown
from harness.records import ruleset
from harness.records.identity import of_record
from harness.records.metrics import ACCURACY, field
from harness.reports import history, pairing
from harness.reports.page import UNKNOWN, Plot, Section, Table, flops, number, percent, points
from harness.reports.pairing import Line, Pair
from harness.reports.sides import Side

Values = tuple[dict[int, Any], dict[int, Any]]

_COSTS: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("training FLOPs", "train_flops", flops),
    ("FLOPs of one prediction", "inference_flops", flops),
    ("steps", "steps", number),
)
_MOST_LAYERS = 15
_MOST_CURVES = 5
_DIGITS = 12


def cost(pair: Pair) -> Section:
    """Compare what runs cost; times only where both sides had the same hardware to themselves."""
    trained = f"training {wording.samples(pair.first.row.example)}"
    costs = (*_COSTS, (trained, "samples", number))
    rows = [_ratio(label, pair.values("cost", name), word) for label, name, word in costs]
    usage = [line.row.usage for line in pair.lines]
    same = len(usage[0]) == 1 and usage[0].keys() == usage[1].keys()
    alone = same and all(each.undisturbed for side in usage for each in side.values())
    rows += [
        _ratio("wall-clock", pair.values("cost", "seconds", "total"), units.seconds, alone),
        _ratio("peak memory", pair.values("cost", "peak_memory_bytes"), units.memory, same),
        _ratio("energy", pair.values("cost", "energy_joules"), units.energy, alone),
    ]
    notes = (
        [] if alone else ["Time and energy have no ratio: both sides must have had the same hardware to themselves."]
    )
    found = [row for row in rows if row]
    return Section("Cost", tables=[Table(["mean of a run", "A", "B", "A / B"], found)] if found else [], notes=notes)


def _ratio(label: str, sides: Values, word: Callable[[float | None], str], compared: bool = True) -> list[str]:
    means = [mean_of_known(side.values()) for side in sides]
    if means[0] is None or means[1] is None:
        return []
    return [label, *map(word, means), units.ratio(means[0] / means[1]) if compared and means[1] else UNKNOWN]


def layers(pair: Pair) -> Section:
    """Compare the mean densities of layers at the end, the largest differences first."""
    sides = pair.values("metrics", "layer_density")
    names = [set.intersection(*(set(each) for each in side.values())) if side else set() for side in sides]
    rows = []
    for name in sorted(names[0] & names[1]):
        means = [mean_of_known(each[name] for each in side.values()) for side in sides]
        if means[0] is not None and means[1] is not None:
            rows.append((abs(means[0] - means[1]), name, means[0], means[1]))
    rows.sort(key=lambda row: (-row[0], row[1]))
    cells = [[name, percent(a), percent(b), points(a - b)] for _, name, a, b in rows]
    alone = [f"Only {letter} has {_count(len(own))}." for letter, own in _alone(*names) if own]
    table = [Table(["layer", "A", "B", "A − B"], cells, shown=_MOST_LAYERS)] if cells else []
    return Section("Density by layer at the end, largest differences first", tables=table, notes=alone)


def _alone(first: set[str], second: set[str]) -> Iterable[tuple[str, set[str]]]:
    return ("A", first - second), ("B", second - first)


def _count(layers: int) -> str:
    return f"{layers:,} more layer" + ("" if layers == 1 else "s")


def settings(pair: Pair) -> Section:
    """List the settings that the sides do not share."""
    rows = [[name, *values] for name, values in pairing.settings_that_differ(*pair.lines).items()]
    if not rows:
        return Section("Settings that differ", notes=["None."])
    return Section("Settings that differ", tables=[Table(["setting", "A", "B"], rows, words=3)])


def made(pair: Pair) -> Section:
    """List how the sides were made, where they differ, which may be why their results do."""
    rows = [[name, *values] for name, values in ways(pair).items()]
    if not rows:
        return Section("Made differently", notes=["Same code, data, environment and hardware."])
    note = "These differences are not of the methods and may be part of the difference of results."
    return Section("Made differently", tables=[Table(["", "A", "B"], rows, words=3)], notes=[note])


def ways(pair: Pair) -> dict[str, tuple[str, str]]:
    """Return in what the sides were made differently, settings aside, with both values."""
    ours, theirs = map(_way, pair.lines)
    return {name: (value, theirs[name]) for name, value in ours.items() if value != theirs[name]}


def _way(line: Line) -> dict[str, str]:
    runs = line.row.runs.values()
    identity = of_record(line.row.example)
    return {
        "results version": str(identity.code["results"]),
        "model code": (identity.code["model"] or "the project's")[:_DIGITS],
        "shared code": (identity.code["shared"] or "the project's")[:_DIGITS],
        "runner": str(identity.environment["runner"]),
        "image": _all((run["image"] or {}).get("content") for run in runs)[:_DIGITS],
        "torch": _all(run["provenance"]["torch"] for run in runs),
        "hardware": _all(hardware(run) for run in runs),
        "ruleset": ruleset.words(line.row.example),
    }


def _all(values: Iterable[str | None]) -> str:
    return ", ".join(sorted({value for value in values if value})) or UNKNOWN


def curves(pair: Pair) -> Section:
    """Draw the results on the validation split over the steps, a line a run."""
    lines, metric = [], pair.metric
    title = "validation accuracy, %" if metric == ACCURACY else f"validation {metric.label}"
    for color, (letter, line) in enumerate(zip("AB", pair.lines, strict=True)):
        for seed in pair.seeds[:_MOST_CURVES]:
            run, name = line.row.runs[seed], field(metric, "val")
            series = history.curve(run, name, f"{letter}, seed {seed}", metric.scale, color)
            lines += [series] if series else []
    return Section("Over training", plots=[Plot(title, lines)] if lines else [])


def records(pair: Pair, sides: tuple[Side, Side]) -> Section:
    """Name the records that were compared, and what was left out."""
    rows = [
        [letter, str(seed), shown(Path(line.row.files[seed]))]
        for letter, line in zip("AB", pair.lines, strict=True)
        for seed in pair.seeds
    ]
    left_out = {f"Left out: {problem.file}: {problem.reason}" for side in sides for problem in side.left_out}
    return Section("Records", tables=[Table(["side", "seed", "record"], rows, words=3)], notes=sorted(left_out)[:10])
