"""Numbers and facts of the board as a person reads them, in the same words in every view."""

from collections.abc import Callable

from harness.board import published, sampling, units
from harness.board.escape import Markdown
from harness.board.published import Published
from harness.board.tables import REFERENCE, Row, Table, in_words
from harness.board.usage import Usage
from harness.records import Record, metrics
from harness.records.metrics import ACCURACY, Metric
from harness.records.neurons import Neurons, by_layer

_HEADERS = ("training FLOPs", "inference FLOPs", "wall-clock", "peak memory", "energy", "hardware", "image", "commit")
FAILURE_HEADERS = ["status", "data set", "model", "method", "sparsity", "budget", "seed", "runner", "why", "record"]


def headers(metric: Metric) -> list[str]:
    """Return the columns of the full board."""
    which = "" if metric == ACCURACY else f" ({metric.better} is better)"
    return ["rank", "method", "sparsity", f"{metric.label} ± 95 % interval{which}", *_HEADERS, "status"]


def yes_no(value: bool) -> str:
    """Return a boolean as the CSV has it."""
    return "yes" if value else "no"


def estimated(row: Row) -> str:
    """Return a row's result with its interval, its number of seeds and of seeds lost."""
    if row.score is None:
        return f"– ({row.lost} lost)" if row.lost else "–"
    mean, half, n = row.score
    shown = row.metric.shown
    seeds = f"{n} of {len(row.runs)} seeds" if len(row.runs) > n else f"{n} seeds"
    lost = f", {row.lost} lost" if row.lost else ""
    if half is None:
        return f"{shown(mean)} (1 seed, no interval{lost})"
    if row.says_nothing:
        return f"{shown(mean)} ({seeds} from {_span_of_seeds(row)}, too far apart for an interval{lost})"
    wide = sampling.half_width(row)
    whole = f"; ± {shown(wide)} with other test {samples(row.example)}" if wide is not None else ""
    return f"{shown(mean)} ± {shown(half)} ({seeds}{lost}{whole})"


def score(row: Row | None) -> str:
    """Return a row's result for a narrow table, and whether seeds were lost."""
    if row is None or not (row.runs or row.lost):
        return "–"
    lost = f"{row.lost} of {row.lost + len(row.runs)} seeds lost" if row.lost else ""
    if row.score is None:
        return lost
    (mean, half, _), shown = row.score, row.metric.shown
    interval = "" if half is None else f" ± {shown(half)}"
    if row.says_nothing:
        interval = f" (seeds from {_span_of_seeds(row)})"
    return f"{shown(mean)}{interval}" + (f", {lost}" if lost else "")


def _span_of_seeds(row: Row) -> str:
    found, shown = row.scores.values(), row.metric.shown
    return f"{shown(min(found))} to {shown(max(found))}"


def samples(record: Record) -> str:
    """Return what the samples of a record's data set are called, in the plural."""
    return metrics.samples(record["config"].get("dataset") or {})


def ranked_score(row: Row | None) -> Markdown:
    """Return a row's result for a narrow table with its rank: bold if no row is shown to be better."""
    text = score(row)
    if row is None or not row.runs:
        return Markdown(text)
    if row.place is None:
        return Markdown(f"{text}, not ranked")
    place = str(row.place) if row.place.first != row.place.last else f"[{row.place}]"
    return Markdown(f"**{text}** {place}" if row.place.may_lead else f"{text} {place}")


def times(row: Row) -> str:
    """Return a row's training FLOPs as a multiple of the dense run's."""
    return units.ratio(row.mean("cost", "train_flops_ratio"))


def per_hardware(row: Row) -> dict[str, str]:
    """Return time, memory and energy of a row by column name; one value per kind of hardware."""

    def told(say: Callable[[float | None], str], part: str, disturbed: str = " †") -> str:
        values = ((usage, getattr(usage, part)) for usage in used.values())
        shown = [say(found) + ("" if usage.undisturbed or found is None else disturbed) for usage, found in values]
        return "; ".join(shown) or "–"

    used: dict[str, Usage] = row.usage
    return {
        "wall-clock": told(units.seconds, "seconds"),
        "peak memory": told(units.memory, "peak_memory_bytes", disturbed=""),
        "energy": told(units.energy, "energy_joules"),
        "hardware": "; ".join(used) or "–",
    }


def commits(row: Row, short: bool = True) -> list[str]:
    """Return the commits of a row's runs, ``+changes`` where the tree was not clean, or the version of a package."""
    found = set()
    for run in row.runs.values():
        commit, dirty = run["provenance"]["git_commit"], run["provenance"]["git_dirty"]
        if commit:
            found.add((commit[:10] if short else commit) + ("+changes" if dirty else ""))
        elif package := run["provenance"].get("package"):
            found.add(f"package {package}")
    return sorted(found)


def images(row: Row) -> list[str]:
    """Return the first digits of the IDs of the images that a row's runs were made in."""
    return [image.removeprefix("sha256:")[:12] for image in row.provenance("image_id")]


def statuses(row: Row) -> str:
    """Return how the seeds of a row ended, e.g. ``2 done, 1 diverged``, and what newer code could not finish."""

    def told(counts: dict[str, int]) -> str:
        return ", ".join(f"{count} {status}" for status, count in counts.items())

    return told(row.statuses) + (f"; since, otherwise made: {told(row.newer)}" if row.newer else "")


def mark(row: Row) -> str:
    """Return ``verified`` if the row's runs were made in a container, else ``local``."""
    return "verified" if row.runner == "docker" else "local"


def rank(row: Row) -> str:
    """Return a row's rank interval, ``ref`` for the dense reference, a dash where it is not ranked."""
    if row.place is not None:
        return str(row.place)
    return "ref" if row.name == REFERENCE and row.runs else "–"


def cells(row: Row) -> dict[str, str]:
    """Return a row of the full board, in the order of `headers`."""
    training, inference = row.mean("cost", "train_flops"), row.mean("cost", "inference_flops")
    return {
        "rank": rank(row),
        "method": row.method,
        "sparsity": f"{row.sparsity:g}",
        "score": estimated(row),
        "training FLOPs": f"{units.flops(training)} ({times(row)})",
        "inference FLOPs": f"{units.flops(inference)} ({units.ratio(row.mean('cost', 'inference_flops_ratio'))})",
        **per_hardware(row),
        "image": ", ".join(images(row)) or "none",
        "commit": ", ".join(commits(row)) or "unknown",
        "status": f"{mark(row)}: {statuses(row)}" + (f"; not ranked: {row.unranked}" if row.unranked else ""),
    }


def neurons(row: Row) -> str:
    """Return the fan-in and the share of active neurons of each layer, over seeds; empty where records lack them."""
    layers: dict[str, list[Neurons]] = {}
    for run in row.counted.values():
        for name, found in by_layer(run).items():
            layers.setdefault(name, []).append(found)
    told = [
        f"{name.removesuffix('.weight')} {_span([each.fan_in for each in seeds])}, "
        f"{100 * sum(each.share for each in seeds) / len(seeds):.3g} %"
        for name, seeds in layers.items()
    ]
    return f"Fan-in and active neurons by layer: {'; '.join(told)}." if told else ""


def _span(values: list[int]) -> str:
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"


def published_cells(number: Published, table: Table) -> list[str]:
    """Return one published number alongside our row for it."""
    row = published.ours(number, table)
    theirs = f"{number.top1:g}" + ("" if number.std is None else f" ± {number.std:g} ({number.spread})")
    return [
        number.method + (f", {number.distribution}" if number.distribution else ""),
        f"{number.sparsity:g}",
        theirs,
        units.ratio(number.train_flops_x),
        score(row),
        published.difference(number, table, row),
        number.source,
    ]


def failure_cells(name: str, record: Record) -> list[str]:
    """Return one failed run for the list of failures."""
    return [
        record["status"],
        record["dataset"],
        record["model"],
        record["method"],
        f"{record['sparsity']:g}",
        in_words(record["budget"]),
        str(record["seed"]),
        record["runner"],
        record["reason"] or "no reason given",
        name,
    ]
