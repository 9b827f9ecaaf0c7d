"""Two rows side by side, paired by seed."""

from collections.abc import Iterator

from harness.board import eligible, wording
from harness.board.tables import Row, mean_of_known, result
from harness.records.bits import differing
from harness.records.metrics import ACCURACY, Metric, field
from harness.reports import contrasts, pairing
from harness.reports.page import UNKNOWN, Page, Section, Table, gap, told
from harness.reports.pairing import Pair
from harness.reports.sides import Side

_LOSS = Metric("loss", "loss", higher=False, digits=4)
_BY_MASKS = ("exploration_rate", "sparsity")
"""What the masks decide, and no sample: without an interval."""


def page(first: Side, second: Side) -> Page:
    """Compare two sides.

    Raises:
        UsageError: They cannot be compared (`harness.reports.pairing.pair`).
    """
    pair = pairing.pair(first, second)
    one, other = pair.rows
    return Page(
        f"A: {_named(one)} against B: {_named(other)}",
        [*_tasks(pair), _verdict(pair), *_lost(pair), *_otherwise(pair)],
        [
            _metrics(pair),
            Section("By seed", tables=[_by_seed(pair)], notes=_unpaired(pair)),
            contrasts.cost(pair),
            contrasts.layers(pair),
            contrasts.settings(pair),
            contrasts.made(pair),
            contrasts.curves(pair),
            contrasts.records(pair, (first, second)),
        ],
    )


def _named(row: Row) -> str:
    """Name a row by the sparsity that it has; where its method does not set that, beside the requested one."""
    requested, reached = f"{row.sparsity:.6g}", row.mean("metrics", "sparsity")
    if reached is None or not any(map(eligible.may_fall_short, row.runs.values())) or f"{reached:.4g}" == requested:
        return f"{row.name} at sparsity {requested}"
    return f"{row.name} at sparsity {reached:.4g} (requested {requested})"


def _verdict(pair: Pair) -> str:
    metric = pair.metric
    sides = pair.values("metrics", field(metric, "test"))
    found = pairing.paired_difference(*sides, _resolution(pair, "test_examples"))
    assert found is not None  # every finished run has one
    difference = gap(metric, found.mean, found.half_width)
    said = f"A − B: {difference} of test accuracy" if metric == ACCURACY else f"A − B: {difference} on the test set"
    said += "" if metric.higher else " (lower is better)"
    if found.half_width is None:
        return f"{said} from one common seed: no interval, nothing is shown"
    words = "no difference is shown"
    if abs(found.mean) > found.half_width:
        words = _shown(pair, metric.gain(found.mean) > 0)
    p = "" if found.p is None else f", p = {found.p:.2g}"
    return f"{said} ({found.n} seeds, 95 % interval{p}): {words}"


def _shown(pair: Pair, first_is_better: bool) -> str:
    """Say which side is better, unless that one has lost seeds or keeps more weights than requested."""
    letter, row = ("A", pair.rows[0]) if first_is_better else ("B", pair.rows[1])
    if row.lost:
        return f"nothing is shown, for the seeds that {letter} lost may be its worst"
    if short := eligible.falls_short(row):
        return f"nothing is shown, for {letter} keeps more weights than requested ({short})"
    return f"A is shown to be {'better' if first_is_better else 'worse'}"


def _tasks(pair: Pair) -> list[str]:
    """Return the task, or both where model or recipe differ."""
    titles = [line.table.title for line in pair.lines]
    return (
        titles[:1]
        if titles[0] == titles[1]
        else [f"{letter}: {title}" for letter, title in zip("AB", titles, strict=True)]
    )


def _lost(pair: Pair) -> list[str]:
    """Say which seeds ended without a result, on which the comparison says nothing."""
    found = []
    for letter, row in zip("AB", pair.rows, strict=True):
        if row.lost:
            ends = ", ".join(f"{count} {status}" for status, count in row.statuses.items() if status != "done")
            found.append(f"{letter} lost seeds ({ends}): the difference is of the seeds that both finished")
    return found


def _otherwise(pair: Pair) -> list[str]:
    found = contrasts.ways(pair)
    return [f"A and B were also made differently: {', '.join(found)}"] if found else []


def _resolution(pair: Pair, examples: str) -> float:
    """Return the share of one sample of a split; 0 if its size is not known, or for a metric that is no accuracy."""
    if pair.metric != ACCURACY:
        return 0.0
    count = pair.first.table.task["dataset"].get(examples)
    return 1 / count if isinstance(count, int) and count > 0 else 0.0


def _metrics(pair: Pair) -> Section:
    rows = []
    for label, metric, examples, path in _measures(pair):
        sides = pair.values("metrics", *path)
        found = pairing.paired_difference(*sides, _resolution(pair, examples))
        if found is not None:
            means = [mean_of_known(side.values()) for side in sides]
            half_width = None if path[-1] in _BY_MASKS else found.half_width
            rows.append([label, *(told(metric, mean) for mean in means), _difference(metric, found.mean, half_width)])
    notes = ["One common seed: no interval."]
    if len(pair.seeds) > 1:
        notes = [
            f"Means over {len(pair.seeds)} common seeds; ± half a 95 % interval of the differences (paired t).",
            "The interval is for this one pair: the board corrects for all the pairs that it tests.",
        ]
    return Section("Result", tables=[Table(["", "A", "B", "A − B"], rows)], notes=notes)


def _measures(pair: Pair) -> Iterator[tuple[str, Metric, str, tuple[str, ...]]]:
    """Return what is compared: name, metric, the name of its split's size, and its place in a record's metrics."""
    metric = pair.metric
    yield f"test {metric.noun}", metric, "test_examples", (field(metric, "test"),)
    yield "test top-5", ACCURACY, "test_examples", ("test_top5",)
    more = [run["metrics"].get("test_more") or {} for row in pair.rows for run in row.runs.values()]
    for name in sorted({name for each in more for name in each}):
        yield f"test {name}", _LOSS, "", ("test_more", name)
    yield f"validation {metric.noun}", metric, "val_examples", (field(metric, "val"),)
    yield "test loss", _LOSS, "", ("test_loss",)
    yield "explored weights", ACCURACY, "", ("exploration_rate",)
    yield "sparsity", ACCURACY, "", ("sparsity",)


def _difference(metric: Metric, value: float, half_width: float | None) -> str:
    return gap(metric, value, half_width).removesuffix(f" {_LOSS.label}" if metric is _LOSS else "")


def _by_seed(pair: Pair) -> Table:
    headers, rows = ["seed", "A", "B", "A − B"], []
    bits = pair.values("metrics", "test_right")
    samples, named = pair.first.table.task["dataset"].get("test_examples"), wording.samples(pair.first.row.example)
    for seed in pair.seeds:
        values = [result(line.row.runs[seed]) for line in pair.lines]
        row = [str(seed), *(told(pair.metric, value) for value in values), gap(pair.metric, values[0] - values[1])]
        if bits[0]:
            row.append(_differing(bits[0].get(seed), bits[1].get(seed), samples))
        rows.append(row)
    return Table(headers + ([f"{named} that one alone gets right"] if bits[0] else []), rows)


def _differing(first: str | None, second: str | None, samples: int | None) -> str:
    """Return on how many test samples exactly one of two runs is right."""
    if first is None or second is None or not samples:
        return UNKNOWN
    try:
        return f"{differing(first, second, samples):,} of {samples:,}"
    except ValueError:
        return "unreadable"


def _unpaired(pair: Pair) -> list[str]:
    found = []
    for letter, row in zip("AB", pair.rows, strict=True):
        if alone := sorted(row.runs.keys() - set(pair.seeds)):
            found.append(f"Only {letter} has finished seed {', '.join(map(str, alone))}: left out.")
        if row.superseded:
            found.append(f"{letter}: {row.superseded} older records are replaced by newer ones: left out.")
    return found
