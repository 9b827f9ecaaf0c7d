"""One run on a page."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.board import units, wording
from harness.board.tables import in_words
from harness.board.usage import disturbances, hardware
from harness.console import shown
from harness.records import Record, is_trial, metrics, ruleset
from harness.records.metrics import ACCURACY
from harness.records.neurons import by_layer
from harness.records.validate import shortened
from harness.reports import history
from harness.reports.page import UNKNOWN, Page, Plot, Section, Series, Table, flops, number, percent, told
from harness.vocabulary import CORRUPTIONS

_CURVES = (
    ("density", "density, %", 100.0),
    ("train_loss", "training loss", 1.0),
    ("lr", "learning rate", 1.0),
)
_LONGEST_VALUE = 300
_DIGITS = 12  # of hashes


def page(path: Path, record: Record) -> Page:
    """Return the page of a run, of any status.

    Args:
        path: The record's file.
        record: As `harness.records.load` returns it.
    """
    task = f"{record['dataset']}/{record['model']}"
    title = f"{record['method']} on {task}, sparsity {record['sparsity']:.6g}, seed {record['seed']}"
    return Page(
        title,
        _lead(record),
        [
            _result(record),
            _reliability(record),
            _cost(record),
            Section("Over training", plots=list(_curves(record))),
            _layers(record),
            _events(record),
            _rounds(record),
            _made(path, record),
            Section("Settings", facts=_settings(record["config"])),
        ],
    )


def _lead(record: Record) -> list[str]:
    metric, where = metrics.of(record), "in a container" if record["runner"] == "docker" else "locally, not verified"
    state = f"{record['status']}: made {where}, budget {in_words(record['budget'])}"
    if record["status"] != "done":
        return [state, f"why: {record['reason'] or 'no reason given'}"]
    if is_trial(record):
        scored = f"validation {metric.noun} {_validation(record)}; a trial of tuning has no test {metric.noun}"
    else:
        scored = f"test {metric.noun} {told(metric, metrics.test(record))}"
    ratio = units.ratio(record["cost"]["train_flops_ratio"])
    return [state, f"{scored} for {ratio} the dense run's training FLOPs"]


def _result(record: Record) -> Section:
    found, metric = record["metrics"], metrics.of(record)
    facts = {
        "status": record["status"],
        "reason": record["reason"],
        f"test {metric.noun}": told(metric, metrics.test(record)),
        "test top-5": percent(found.get("test_top5")),
        **{f"test {name}": number(value) for name, value in (found.get("test_more") or {}).items()},
        "test loss": number(found["test_loss"]),
        f"validation {metric.noun}": _validation(record),
        "sparsity": f"{number(found['sparsity'])} of {number(record['sparsity'])} requested",
        "active weights": f"{number(found['active'])} of {number(found['maskable'])}",
        "non-zero weights": number(found["nonzero"]),
        "explored weights": percent(found["exploration_rate"]),
    }
    return Section("Result", facts=_known(facts))


def _validation(record: Record) -> str:
    """Return the result on the validation split, and if it is a share of how many samples."""
    metric = metrics.of(record)
    samples = (record["config"].get("dataset") or {}).get("val_examples") if metric.share else None
    value = told(metric, metrics.validation(record["metrics"]))
    return value if value == UNKNOWN or not samples else f"{value} of {number(samples)}"


def _reliability(record: Record) -> Section:
    found = record.get("reliability")
    if found is None:
        return Section("Reliability")
    under = found.get("corruptions") or {}
    facts = {
        f"calibration error, {found['bins']} bins": percent(found["ece"]),
        "Brier score": number(found["brier"]),
        "mean accuracy under corruptions": percent(under.get("mean")),
        **{f"under {name}": ", ".join(map(percent, under[name])) for name in CORRUPTIONS if name in under},
    }
    return Section("Reliability", facts=_known(facts))


def _cost(record: Record) -> Section:
    cost = record["cost"]
    seconds, probe = cost["seconds"], cost.get("probe") or {}
    parts = [f"{name} {units.seconds(seconds[name])}" for name in ("setup", "train", "topology", "eval")]
    total = seconds["total"]
    facts = {
        "steps": number(cost["steps"]),
        f"training {wording.samples(record)}": number(cost["samples"]),
        "training FLOPs": flops(cost["train_flops"], cost["train_flops_ratio"]),
        "of these before the first step": flops(probe.get("flops")),
        "FLOPs of one prediction": flops(cost["inference_flops"], cost["inference_flops_ratio"]),
        "wall-clock": UNKNOWN if total is None else f"{units.seconds(total)} ({', '.join(parts)})",
        "time was disturbed": ", ".join(disturbances(record)),
        "peak memory": units.memory(cost["peak_memory_bytes"]),
        "energy": units.energy(cost["energy_joules"]),
        "GPU throttled": percent(cost.get("throttled")),
        "had a core": percent(cost.get("core")),
        "GPU at its power limit": percent(cost.get("power_capped")),
    }
    return Section("Cost", facts=_known(facts))


def _curves(record: Record) -> Iterator[Plot]:
    metric, validated = metrics.of(record), metrics.field(metrics.of(record), "val")
    label = "accuracy, %" if metric == ACCURACY else metric.label
    for name, title, factor in ((validated, f"validation {label}", metric.scale), *_CURVES):
        series = history.curve(record, name, title, factor)
        if series is not None:
            yield Plot(title, [series], small=name != validated)


def _layers(record: Record) -> Section:
    found = history.layers(record)
    if not found:
        return Section("Density by layer")
    drawn = any(layer.over_time for layer in found)
    neurons = by_layer(record)
    headers = ["layer", "shape", "weights", "at the start", "at the end"]
    headers += (["neurons × fan-in"] if neurons else []) + (["over the steps"] if drawn else [])
    rows = []
    for layer in found:
        cells: list[str | Series] = [
            layer.name,
            "×".join(map(str, layer.shape)) or UNKNOWN,
            number(layer.weights or None),
            percent(layer.start),
            percent(layer.end),
        ]
        if neurons:
            counted = neurons.get(layer.name)
            cells.append(f"{counted.active} × {counted.fan_in}" if counted else UNKNOWN)
        rows.append(cells + ([layer.over_time or UNKNOWN] if drawn else []))
    note = ["Over the steps: from 0 to the highest density of the layer."] if drawn else []
    return Section("Density by layer", tables=[Table(headers, rows, words=2)], notes=note)


def _events(record: Record) -> Section:
    found = history.events(record)
    if not found:
        return Section("Events", notes=["The masks had no event."] if record["topology"] else [])
    total = record["cost"]["train_flops"]
    rows = []
    for kind in found:
        share = "" if not (kind.flops and total) else f" ({kind.flops / total:.2%} of all)"
        steps = f"{kind.steps[0]:,}" if len(kind.steps) == 1 else f"{kind.steps[0]:,} to {kind.steps[-1]:,}"
        gradients = "yes" if kind.dense_gradient else "no"
        rows.append([kind.change, gradients, number(len(kind.steps)), steps, flops(kind.flops) + share])
    headers = ["left", "read dense gradients", "events", "at steps", "FLOPs for that"]
    note = "FLOPs: what the dense gradients cost beyond an ordinary step, recounted from the record."
    return Section("Events", tables=[Table(headers, rows, words=2)], notes=[note])


def _rounds(record: Record) -> Section:
    rows = [
        [
            number(each["round"]),
            number(each["step"]),
            percent(each["density"]),
            told(metrics.of(record), metrics.validation(each)),
        ]
        for each in record["rounds"]
    ]
    headers = ["training", "ended at step", "density", f"validation {metrics.of(record).noun}"]
    return Section("Trainings", tables=[Table(headers, rows, words=0)] if rows else [])


def _made(path: Path, record: Record) -> Section:
    made, code, image, kept = record["provenance"], record["code"], record["image"] or {}, record.get("network") or {}
    foreign = [f"{part} {digest[:_DIGITS]}" for part in ("method", "model", "shared") if (digest := code[part])]
    gpu = made["gpu"] or {}
    facts = {
        "record": shown(path),
        "key": record["key"],
        "hardware": hardware(record),
        "processor": made["cpu"],
        "GPU driver": gpu.get("driver"),
        "started": made["started"],
        "finished": made["finished"],
        "processes": _processes(made.get("ranks")),
        "resumed": "yes: peak memory and energy are not of the whole run" if made["resumed"] else None,
        "runner": record["runner"],
        "image": _digits(made["image_id"]),
        "image's content": _digits(image.get("content")),
        "image's base": image.get("base") or made["base_digest"],
        "Python, torch": f"{made['python'] or UNKNOWN}, {made['torch'] or UNKNOWN}",
        "CUDA, cuDNN": f"{made['cuda'] or UNKNOWN}, {made['cudnn'] or UNKNOWN}" if gpu else None,
        "commit": made["git_commit"] and made["git_commit"] + (" with changes" if made["git_dirty"] else ""),
        "package": made.get("package"),
        "results version": code["results"],
        "code from outside": ", ".join(foreign),
        "data": _digits(made["data_sha256"]),
        "limits that were not kept": ", ".join(made.get("unlimited") or []),
        "nondeterministic operators": ", ".join(made.get("nondeterministic") or []),
        "network": f"{units.size(kept['bytes'])}, {_digits(kept['sha256'])}" if kept else None,
        "ruleset": ruleset.words(record),
    }
    return Section("How it was made", facts=_known(facts))


def _processes(ranks: Mapping[str, Any] | None) -> str | None:
    """Say of a run of several processes how many they were, and whose batch statistics normalised."""
    if not ranks:
        return None
    return f"{ranks['count']}, {ranks['backend']}" + (", batch statistics of each" * bool(ranks["batch_statistics"]))


def _digits(digest: str | None) -> str | None:
    return digest and digest.removeprefix("sha256:")[:_DIGITS]


def _settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of a run by group, without what was measured of the model."""
    groups = {name: values for name, values in config.items() if isinstance(values, dict)}
    others = {name: value for name, value in config.items() if name not in (*groups, "layers")}
    return {name: _words(values) for name, values in groups.items()} | {"others": _words(others)}


def _words(values: Mapping[str, Any]) -> str:
    return "  ".join(f"{name}={shortened(str(value), _LONGEST_VALUE)}" for name, value in values.items())


def _known(facts: Mapping[str, str | None]) -> dict[str, str]:
    """Leave out what is not known."""
    return {name: value for name, value in facts.items() if value and value != UNKNOWN}
