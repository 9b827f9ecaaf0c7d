"""Seconds of several ways to do one thing, taken in turns."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from threadpoolctl import threadpool_limits

from harness.speed.page import paired_ratio

Work = Callable[[], object]

WARM_UP = 3
"""Calls before the first that counts."""

_SHORTEST = 2e-4  # seconds of a sample: much more than reading the clock takes
_MOST_CALLS = 1000  # of one sample
_HOPELESS = 3.0


@dataclass(frozen=True)
class Timed:
    """Samples of one way.

    Attributes:
        seconds: Of one call, a value for each repeat; of one that was dropped, the last of the warm-up.
        dropped: Whether it was so slow in the warm-up that it was not repeated.
    """

    seconds: list[float]
    dropped: bool = False

    @property
    def median(self) -> float:
        """The median seconds of a call."""
        return statistics.median(self.seconds)


def in_turns(ways: Mapping[str, Work], repeats: int, device: torch.device) -> dict[str, Timed]:
    """Time ways to do one thing: after a warm-up, each repeat runs all of them, starting with another each time.

    Whatever else the machine does thus slows all alike. A way that takes more than three times the first one's seconds
    in the warm-up is not repeated.

    Args:
        ways: By name; the first is what the others are compared with.
        repeats: Samples of each way. A sample of what takes less than 0.2 ms is the mean of several calls.
        device: Where they compute.
    """
    warm = {name: _warmed(way, device) for name, way in ways.items()}
    limit = _HOPELESS * next(iter(warm.values()))
    dropped = {name for name, seconds in warm.items() if seconds > limit}
    calls = {name: min(math.ceil(_SHORTEST / seconds), _MOST_CALLS) for name, seconds in warm.items()}
    names = [name for name in ways if name not in dropped]
    found: dict[str, list[float]] = {name: [] for name in names}
    for repeat in range(repeats):
        start = repeat % len(names)
        for name in names[start:] + names[:start]:
            found[name].append(_seconds(ways[name], calls[name], device))
    return {name: Timed([warm[name]], dropped=True) if name in dropped else Timed(found[name]) for name in ways}


def ratio(baseline: Timed, ours: Timed) -> tuple[float, float | None, float | None]:
    """Return how many times faster one way is, the median over repeats, with the ends of its 95 % interval."""
    if ours.dropped:
        return min(baseline.seconds) / ours.seconds[0], None, None
    middle, interval = paired_ratio(baseline.seconds, ours.seconds)
    return (middle, *interval) if interval else (middle, None, None)


def compared(dense: Timed, ours: Timed) -> dict[str, float | None]:
    """Return two ways as a deployment holds them: seconds of both, and how many times faster ours is."""
    middle, low, high = ratio(dense, ours)
    return {"dense_seconds": dense.median, "seconds": ours.median, "speedup": middle, "low": low, "high": high}


@contextmanager
def exact() -> Iterator[None]:
    """Keep float32 products on a GPU in float32, rather than in TensorFloat-32."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Have torch, and every other OpenMP library of the process, compute with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with threadpool_limits(number):
            yield
    finally:
        torch.set_num_threads(before)


def _warmed(way: Work, device: torch.device) -> float:
    """Return the least seconds of a call in the warm-up."""
    return min(_seconds(way, 1, device) for _ in range(WARM_UP))


def _seconds(way: Work, calls: int, device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    for _ in range(calls):
        way()
    _wait(device)
    return max((time.perf_counter() - start) / calls, 1e-9)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
