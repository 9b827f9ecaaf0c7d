"""The speed suites' fixture and options: `sparsebench speed` runs them, `harness.speed` reads what they leave."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from commands import checkout
from measured import Target, leave_pairs
from pytest_benchmark.fixture import BenchmarkFixture

from harness.machine import provenance
from harness.machine.allocator import keep_freed_memory

CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"

keep_freed_memory()  # as the worker does, for ours and for baselines


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="small nets and two rounds: that it runs, not how fast")
    parser.addoption("--against", metavar="REVISION", help="time the commands of another commit alongside")
    parser.addoption("--all", action="store_true", help="time whole commands too: a board, a run in a container")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: seconds a round; left out of --quick")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say at once, not after half an hour, that the other commit's commands do not start."""
    if revision := session.config.getoption("--against"):
        with TemporaryDirectory() as folder:
            try:
                checkout(revision, Path(folder)).seconds(["list"])
            except RuntimeError as error:
                why = str(error).strip().splitlines()[-1]
                pytest.exit(f"--against {revision}: its commands do not start here ({why}); install what it needs", 4)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--quick"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="seconds a round: not in --quick"))


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Name what decides speed, the GPU too, in place of what names this machine or fills pages."""
    kept = {name: machine_info[name] for name in ("machine", "system")}
    machine_info.clear()
    machine_info.update(kept, **provenance.machine(DEVICE))
    del machine_info["hostname_hash"]


@pytest.fixture
def whole_commands(request: pytest.FixtureRequest) -> None:
    """Skip what takes minutes unless it was requested."""
    if not request.config.getoption("--all"):
        pytest.skip("takes minutes: requested with --all")


@pytest.fixture
def quick(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--quick"))


@dataclass
class Compare:
    """Times two calls in turns, so that whatever else the machine does slows both alike."""

    benchmark: BenchmarkFixture
    quick: bool

    def __call__(
        self,
        name: str,
        ours: Callable[[], object],
        baseline: Callable[[], object],
        *,
        rounds: int,
        target: Target | None = None,
        times: int = 1,
        times_baseline: float = 1,
        inverse: bool = False,
        before: Callable[[], object] = lambda: None,
        threads: int | None = None,
    ) -> None:
        """Leave the median of each and their ratio, see `measured.leave_pairs`.

        Args:
            name: ``numerator / denominator, where``, as the table shows it.
            ours: What is measured.
            baseline: What it is compared with.
            rounds: Times that each is timed; quick mode takes two.
            target: What the ratio should be, for the page.
            times: How often each does its work in one call: medians are divided by it.
            times_baseline: Further factor of the baseline, e.g. 100 where it stands for 100 of its calls.
            inverse: Whether the ratio is baseline / ours ("times faster") rather than ours / baseline.
            before: Called before each timing of each of the two, untimed.
            threads: Of the CPU, for both; None for all.
        """
        spent: list[float] = []
        baseline()  # once each, to warm up
        ours()

        def first_the_baseline() -> None:
            before()
            spent.append(_timed(baseline))
            before()

        with _threads(threads):
            self.benchmark.pedantic(lambda: _timed(ours), setup=first_the_baseline, rounds=2 if self.quick else rounds)
        each = [seconds / times for seconds in self.benchmark.stats.stats.data]
        baseline_each = [seconds / times * times_baseline for seconds in spent]
        leave_pairs(self.benchmark, name, each, baseline_each, target=target, inverse=inverse)
        self.benchmark.extra_info["baseline_rounds"] = spent


@pytest.fixture
def compare(benchmark: BenchmarkFixture, quick: bool) -> Compare:
    return Compare(benchmark, quick)


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """Compute with so many threads inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes, its work on the device included."""
    started = time.perf_counter()
    call()
    if CUDA:
        torch.cuda.synchronize()
    return time.perf_counter() - started
