"""Two rows side by side, paired by seed."""

from harness.board import eligible
from harness.board.tables import Row, mean_of_known
from harness.records.bits import differing
from harness.reports import contrasts, pairing
from harness.reports.page import UNKNOWN, Page, Section, Table, percent, points
from harness.reports.pairing import Difference, Pair
from harness.reports.sides import Side

_LOSS = "test_loss"
_METRICS = (
    ("test accuracy", "test_accuracy", "test_examples"),
    ("test top-5", "test_top5", "test_examples"),
    ("validation accuracy", "val_accuracy", "val_examples"),
    ("test loss", _LOSS, ""),
    ("explored weights", "exploration_rate", ""),
    ("sparsity", "sparsity", ""),
)
_ON_IMAGES = ("test_accuracy", "test_top5", "val_accuracy")


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
    found = pairing.paired_difference(*pair.values("metrics", "test_accuracy"), _resolution(pair, "test_examples"))
    assert found is not None  # every finished run has one
    gap = f"A − B: {points(found.mean, found.half_width)} of test accuracy"
    if found.half_width is None:
        return f"{gap} from one common seed: no interval, nothing is shown"
    words = "no difference is shown"
    if abs(found.mean) > found.half_width:
        words = _shown(pair, found.mean > 0)
    p = "" if found.p is None else f", p = {found.p:.2g}"
    return f"{gap} ({found.n} seeds, 95 % interval{p}): {words}"


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
    """Return the share of one image of a split; 0 if its size is not known."""
    count = pair.first.table.task["dataset"].get(examples)
    return 1 / count if isinstance(count, int) and count > 0 else 0.0


def _metrics(pair: Pair) -> Section:
    rows = []
    for label, name, examples in _METRICS:
        sides = pair.values("metrics", name)
        found = pairing.paired_difference(*sides, _resolution(pair, examples))
        if found is not None:
            means = [mean_of_known(side.values()) for side in sides]
            rows.append([label, *_told(name, means), *_told_gap(name, found)])
    notes = ["One common seed: no interval."]
    if len(pair.seeds) > 1:
        notes = [
            f"Means over {len(pair.seeds)} common seeds; ± half a 95 % interval of the differences (paired t).",
            "The interval is for this one pair: the board corrects for all the pairs that it tests.",
        ]
    return Section("Result", tables=[Table(["", "A", "B", "A − B"], rows)], notes=notes)


def _told(name: str, means: list[float | None]) -> list[str]:
    if name != _LOSS:
        return [percent(mean) for mean in means]
    return [UNKNOWN if mean is None else f"{mean:.4f}" for mean in means]


def _told_gap(name: str, found: Difference) -> list[str]:
    """Return a difference: with its interval for what is measured on images, alone for what the masks decide."""
    if name != _LOSS:
        return [points(found.mean, found.half_width if name in _ON_IMAGES else None)]
    return [f"{found.mean:+.4f}" + ("" if found.half_width is None else f" ± {found.half_width:.4f}")]


def _by_seed(pair: Pair) -> Table:
    headers, rows = ["seed", "A", "B", "A − B"], []
    bits = pair.values("metrics", "test_right")
    images = pair.first.table.task["dataset"].get("test_examples")
    for seed in pair.seeds:
        values = [line.row.runs[seed]["metrics"]["test_accuracy"] for line in pair.lines]
        gap = points(values[0] - values[1])
        row = [str(seed), *map(percent, values), gap]
        if bits[0]:
            row.append(_images(bits[0].get(seed), bits[1].get(seed), images))
        rows.append(row)
    return Table(headers + (["images that one alone gets right"] if bits[0] else []), rows)


def _images(first: str | None, second: str | None, images: int | None) -> str:
    """Return on how many test images exactly one of two runs is right."""
    if first is None or second is None or not images:
        return UNKNOWN
    try:
        return f"{differing(first, second, images):,} of {images:,}"
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
