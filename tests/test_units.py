"""Units of latencies and sizes: three digits, in the unit that needs no exponent."""

import pytest

from harness.board import units


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "–"), (2.5, "2.5 s"), (0.9996, "1 s"), (0.9994, "999 ms"), (9.996e-4, "1 ms"), (1.5e-6, "1.5 µs")],
)
def test_latency(seconds, said):
    assert units.latency(seconds) == said


@pytest.mark.parametrize(
    ("size", "said"),
    [(None, "–"), (12, "0.012 kB"), (999_600, "1 MB"), (1_234_567, "1.23 MB"), (80_600_000, "80.6 MB"), (3e9, "3 GB")],
)
def test_size(size, said):
    assert units.size(size) == said
