"""What the suites leave of a comparison, for `harness.speed` to read."""

import statistics
from collections.abc import Sequence

from pytest_benchmark.fixture import BenchmarkFixture

from harness.speed.page import paired_ratio

Target = tuple[str, float]
"""``"at most"`` or ``"at least"``, and a number."""


def leave_pairs(
    benchmark: BenchmarkFixture,
    name: str,
    ours: Sequence[float],
    baseline: Sequence[float],
    *,
    target: Target | None = None,
    inverse: bool = False,
) -> None:
    """Leave the medians of two series of seconds that were measured in turns, and the ratio of neighbours.

    Args:
        benchmark: Of the test.
        name: ``numerator / denominator, where``, as the table shows it.
        ours: What is measured.
        baseline: What it is compared with.
        target: What the ratio should be, for the page.
        inverse: Whether the ratio is baseline / ours ("times faster") rather than ours / baseline.
    """
    ratio, interval = paired_ratio(*((baseline, ours) if inverse else (ours, baseline)))
    benchmark.extra_info.update(
        name=name,
        ratio=ratio,
        interval=interval,
        value=statistics.median(ours),
        baseline=statistics.median(baseline),
        unit="s",
        target=target,
    )


def leave_limit(benchmark: BenchmarkFixture, name: str, limit: float, seconds: float) -> None:
    """Leave seconds and their ratio to what they may be."""
    benchmark.extra_info.update(
        name=f"{name} / the {limit:g} s that it may take",
        ratio=seconds / limit,
        value=seconds,
        baseline=limit,
        unit="s",
        target=("at most", 1),
    )
