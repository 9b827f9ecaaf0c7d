"""Speed as measured: the JSON kept for each kind of machine, and the README made from it."""

import json
import math
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy import stats

from harness.records import write_atomic

Measured = dict[str, Any]

_PARAMETERS = ("param", "params")

INTRODUCTION = """\
# Speed, as measured

Made by `make speed` from `results/*.json`, which pytest-benchmark wrote; edit neither. Each ratio divides what stands
before the slash by what stands after it; "ours" and "baseline" are the medians of each, of one step, event, batch or
command. The two sides were timed in turns, so that whatever else the machine did slowed both alike, and the ratio is
the median of the ratios of neighbouring repeats, with its 95 % interval in brackets.

- `sort_based.py` is the baseline of events: a sorted top-k over all weights to prune, two full sorts a layer to drop
  and grow, counts read back with `.item()`.
- `bare_loop.py` is the baseline of steps: a training loop as a careful user writes it by hand. A loop that misses one
  of two tricks is slower than the harness on convolutional nets; the rows "bare loop's step with ..." say by how much.
  Images lie in memory with their *channels last*, which convolutions on a CPU take as a request to work that way.
  (`contiguous(memory_format=torch.channels_last)` leaves images of one channel as they are, so that the trick looks
  as if it did nothing; `to(memory_format=torch.channels_last)` does not.) And *freed memory is kept*: otherwise glibc
  returns it to the kernel in each step, which hands it out again page by page, zeroed. In a process that has much
  else in memory it may happen to be kept anyway, so two measurements of one loop can differ by a quarter.
- Commands are timed from a cold start, in CPU seconds. `ARGS="--against REVISION"` times another commit's alongside.
"""


def machine(measured: Measured) -> str:
    """Name the hardware that was measured: the GPU where there is one, else the CPU and its threads."""
    info = measured["machine_info"]
    return str(info["gpu"]["name"] if info["gpu"] else info["cpu"])


def keep(measured: Measured, folder: Path) -> list[Path]:
    """Write the JSON of this machine and the README of all machines; return the paths written.

    Args:
        measured: What pytest-benchmark wrote.
        folder: The folder of the suites.
    """
    results = folder / "results"
    results.mkdir(exist_ok=True)
    kept = results / f"{re.sub(r'[^a-z0-9]+', '-', machine(measured).lower()).strip('-')}.json"
    write_atomic(kept, json.dumps(_lean(measured), indent=1) + "\n")
    everything = [json.loads(path.read_text()) for path in sorted(results.glob("*.json"))]
    write_atomic(folder / "README.md", page(everything))
    return [kept, folder / "README.md"]


def paired_ratio(ours: Sequence[float], baseline: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """Return the median of the ratios of pairs, and its 95 % interval; None where there are too few for one.

    Not the ratio of the medians: on a machine with fast and slow spells, those may come from different spells. The
    interval is the binomial one, which assumes nothing about how times are distributed.
    """
    ratios = [one / other for one, other in zip(ours, baseline, strict=True)]
    low, high = stats.quantile_test(ratios, p=0.5).confidence_interval(0.95)
    return statistics.median(ratios), None if math.isnan(low + high) else (float(low), float(high))


def page(everything: list[Measured]) -> str:
    """Return the README: a table for each machine."""
    return "\n".join([INTRODUCTION, *map(_section, everything)])


def amount(value: float, unit: str) -> str:
    """Write a number with its unit, seconds in the unit that suits them."""
    if unit != "s":
        return f"{value:,.0f} {unit}"
    for factor, name in ((1, "s"), (1e3, "ms")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {name}" if value * factor < 1000 else f"{value * factor:,.0f} {name}"
    return f"{value * 1e6:.3g} µs"


def _section(measured: Measured) -> str:
    info, commit = measured["machine_info"], measured["commit_info"]
    versions = [f"torch {info['torch']}", f"Python {info['python']}"]
    if info["gpu"]:
        versions += [f"CUDA {info['cuda']}", f"cuDNN {info['cudnn']}", f"driver {info['gpu']['driver']}"]
    changed = " with changes" if commit["dirty"] else ""
    lines = [
        f"## {machine(measured)}",
        "",
        f"{measured['datetime'][:10]}, commit {commit['id'][:12]}{changed}; {', '.join(versions)}; {info['system']}.",
        "",
        "| ratio of | ratio | target | ours | baseline |",
        "|---|---:|---|---:|---:|",
    ]
    for benchmark in measured["benchmarks"]:
        found = benchmark["extra_info"]
        ours, baseline = (amount(found[key], found["unit"]) for key in ("value", "baseline"))
        target = _target(found["ratio"], found["target"])
        interval = found.get("interval")
        around = f" ({interval[0]:.4g}–{interval[1]:.4g})" if interval else ""
        lines.append(f"| {found['name']} | {found['ratio']:.4g}{around} | {target} | {ours} | {baseline} |")
    return "\n".join([*lines, ""])


def _target(ratio: float, target: Sequence[Any] | None) -> str:
    """Return the target of a ratio (``["at most", 1.01]``) in words, and whether it was missed."""
    if target is None:
        return ""
    bound, number = target
    missed = ratio > number if bound == "at most" else ratio < number
    return f"{bound} {number:g}{': missed' if missed else ''}"


def _lean(measured: Measured) -> Measured:
    """Leave out who committed and on which branch, and parameters, for a name says them and they hold paths of here."""
    commit = {key: measured["commit_info"].get(key) for key in ("id", "dirty")}
    lean = [{key: value for key, value in one.items() if key not in _PARAMETERS} for one in measured["benchmarks"]]
    return {**measured, "commit_info": commit, "benchmarks": lean}
