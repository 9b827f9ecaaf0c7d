"""A deployment on a page: measured latency, formats of the layers, sizes, a sparse training step."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from harness.board import units
from harness.records.deployment_schema import DENSE
from harness.records.deployments import Deployment, conditions
from harness.reports.page import UNKNOWN, Page, Section, Table, number, percent

_MEASURED = (
    "Seconds are medians; a speed-up is the median of the ratios of neighbouring repeats, dense divided by sparse, "
    "with its 95 % interval. Dense and sparse took turns after a warm-up."
)

_WIDE = 2.0  # ends of an interval, as a ratio; in the table of docs/deploy.md, from an idle machine, at most 1.6


def page(made: Deployment) -> Page:
    """Return the page of a deployment.

    Args:
        made: As `harness.records.deployments.load` returns it.
    """
    about = made["about"]
    task = f"{about['dataset']}/{about['model']}"
    title = f"{about['method']} on {task}, sparsity {about['sparsity']:.6g}, seed {about['seed']}"
    flops = "" if made["flops_ratio"] is None else f"{units.ratio(made['flops_ratio'])} the FLOPs of its dense form; "
    speed = ", ".join(f"{_with_interval(each)} at batch {each['batch']}{_unclear(each)}" for each in made["latency"])
    lead = [f"measured on {conditions(made)}", f"{flops}measured speed-up {speed}"]
    if any(_wide(each) for each in (*made["latency"], (made["training"] or {}).get("all") or {})):
        lead.append(
            "Other work slowed this machine while it measured (see the intervals): measure again when it is idle."
        )
    return Page(title, lead, [_latency(made), _size(made), _layers(made), _training(made)])


def row(made: Deployment) -> dict[str, str]:
    """Return a deployment as one row of a table, by column."""
    about, size, training = made["about"], made["network"], made["training"] or {}
    found = {
        "network": f"{about['dataset']}/{about['model']} {about['method']}",
        "sparsity": f"{about['sparsity']:g}",
        "FLOPs": units.ratio(made["flops_ratio"]),
    }
    for each in made["latency"]:
        batch = each["batch"]
        found[f"dense, batch {batch}"] = units.latency(each["dense_seconds"])
        found[f"sparse, batch {batch}"] = units.latency(each["seconds"])
        found[f"speed-up, batch {batch}"] = _times(each)
    found["file, dense"] = units.size(size["dense_bytes"])
    found["packed"] = units.size(size["bytes"])
    found["zstd"] = units.size(size["zstd_bytes"])
    found["training step"] = _times(training["all"]) if training.get("all") else UNKNOWN
    return found


def _latency(made: Deployment) -> Section:
    rows = [
        [
            f"batch {each['batch']}",
            units.latency(each["dense_seconds"]),
            units.latency(each["seconds"]),
            _with_interval(each),
            number(each["sparse_layers"]),
            f"{each['error']:.1e}",
        ]
        for each in made["latency"]
    ]
    headers = ["", "dense", "sparse", "measured speed-up", "layers in sparse formats", "difference of outputs"]
    notes = [_MEASURED, f"Outputs may differ from dense by {made['tolerance']:g} of the largest."]
    return Section("Latency of the network", tables=[Table(headers, rows)], notes=notes)


def _size(made: Deployment) -> Section:
    size = made["network"]
    facts = {
        "dense": f"{units.size(size['dense_bytes'])}, by zstd {units.size(size['dense_zstd_bytes'])}",
        "packed": f"{units.size(size['bytes'])}, by zstd {units.size(size['zstd_bytes'])}",
        "dense / packed": f"{size['dense_bytes'] / size['bytes']:.3g}",
    }
    return Section("File", facts=facts)


def _layers(made: Deployment) -> Section:
    layers = made["layers"]
    if not layers:
        return Section("Formats by layer", notes=["The network has no masks: everything is dense."])
    batches = [each["batch"] for each in made["latency"]]
    headers = ["layer", "shape", "density"] + [f"batch {batch}" for batch in batches]
    rows = []
    for layer in layers:
        at = {each["batch"]: each for each in layer["batches"]}
        cells = [_chosen(at[batch]) if batch in at else DENSE for batch in batches]
        rows.append([layer["name"], "×".join(map(str, layer["shape"])), percent(layer["density"]), *cells])
    notes = [f"Dense, not measured: {names} ({why})." for why, names in _kept_dense(layers).items()]
    notes += [f"{name} was refused: {why}." for name, why in _refused(layers).items()]
    notes.append("Convolutions in sparse formats multiply with patches laid out as columns (im2col).")
    return Section("Fastest format by layer", tables=[Table(headers, rows, words=2)], notes=notes)


def _chosen(at: Mapping[str, Any]) -> str:
    """Say which format is the fastest, and how fast; of dense, how fast the best other is."""
    speedups = {each["name"]: each["speedup"] for each in at["formats"] if each["speedup"] is not None}
    if at["chosen"] != DENSE:
        return f"{at['chosen']} {units.ratio(speedups[at['chosen']])}"
    if not speedups:
        return DENSE
    best = max(speedups, key=lambda name: speedups[name])
    return f"{DENSE} ({best} {units.ratio(speedups[best])})"


def _kept_dense(layers: list[Mapping[str, Any]]) -> dict[str, str]:
    """Return the layers that were not measured, by the reason."""
    found: dict[str, list[str]] = {}
    for layer in layers:
        if layer["refused"]:
            found.setdefault(layer["refused"], []).append(layer["name"])
    return {why: ", ".join(names) for why, names in found.items()}


def _refused(layers: list[Mapping[str, Any]]) -> dict[str, str]:
    """Return why formats were refused, by their name and in how many layers; the most frequent reason of each."""
    reasons: dict[str, Counter[str]] = {}
    for layer in layers:
        said = {(each["name"], each["refused"]) for at in layer["batches"] for each in at["formats"] if each["refused"]}
        for name, why in said:
            reasons.setdefault(name, Counter())[why] += 1
    told = {}
    for name, found in sorted(reasons.items()):
        (why, count), *others = found.most_common()
        more = f"; and {sum(each for _, each in others)} for other reasons" if others else ""
        told[f"{name} in {count} layer{'s' if count != 1 else ''}"] = why + more
    return told


def _training(made: Deployment) -> Section:
    training = made["training"]
    title = "Training step of the linear layers, truly sparse"
    if training is None:
        return Section(title, notes=["The network has no masked linear layer."])
    if training["refused"]:
        return Section(title, notes=[f"Not measured: {training['refused']}."])
    measured = [(each["name"], each["shape"], each) for each in training["layers"]]
    if len(measured) > 1:
        measured.append(("all of them", [], training["all"]))
    rows = [
        [
            name,
            "×".join(map(str, shape)),
            units.latency(each["dense_seconds"]),
            units.latency(each["seconds"]),
            _with_interval(each),
        ]
        for name, shape, each in measured
    ]
    note = (
        f"By {training['library']}: forward, backward to weights and input, plain SGD, batch {training['batch']}, each "
        f"layer by itself; gradients are zeroed in place on both sides."
    )
    headers = ["layer", "shape", "dense", "sparse", "measured speed-up"]
    return Section(title, tables=[Table(headers, rows, words=2)], notes=[note])


def _unclear(ratio: Mapping[str, Any]) -> str:
    """Return words for a speed-up whose interval holds 1."""
    return " (not shown to differ)" if ratio["low"] is not None and ratio["low"] <= 1 <= ratio["high"] else ""


def _wide(ratio: Mapping[str, Any]) -> bool:
    """Whether an interval of a speed-up is so wide that its figures say little."""
    return ratio.get("low") is not None and bool(ratio["high"] > _WIDE * ratio["low"])


def _times(ratio: Mapping[str, Any]) -> str:
    return units.ratio(ratio["speedup"])


def _with_interval(ratio: Mapping[str, Any]) -> str:
    around = "" if ratio["low"] is None else f" ({ratio['low']:.3g}–{ratio['high']:.3g})"
    return _times(ratio) + around
