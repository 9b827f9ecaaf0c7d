"""What holds for all tests: which are slow, how processes share them, and the fixtures of several files."""

import fcntl
import os
import shutil
import signal
import sys

import pytest

# Before torch is imported: tests run beside each other, and sums depend on the number of threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell that starts the tests in the background, or nohup, has them ignore these, and so would every program that they
# start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

MOST_PROCESSES = 8
"""More gain nothing: the tests that share the container engine take turns, and take an eighth of the whole time."""

SLOW = (
    *("containers/", "faults/", "fuzz/"),
    *("test_chain", "test_cli", "test_data_dali", "test_local_runner", "test_packing", "test_page", "test_plugins"),
    *("test_processes", "test_rerun", "test_second_count", "test_speed", "test_suites", "test_usage", "test_zoo"),
    *("test_committed_board", "test_doctor", "test_graph", "test_makefile", "test_verification"),
    *("test_conformance", "test_my_method", "test_flops", "test_models", "test_moving_runs", "test_data_folders"),
    *("test_budget", "test_at_initialisation", "test_statistics", "test_standing", "test_results_version"),
    *("test_board", "test_kept_networks", "test_interface", "test_record", "test_train", "test_site"),
    *("test_deploy", "test_device_clock", "test_exporters", "test_leases", "test_packaging", "test_publish"),
    *("test_reliability_networks", "test_retries", "test_status", "test_tasks", "test_trackers"),
    *("test_batches", "test_elsewhere", "test_language", "test_ray", "test_slurm"),
)
"""What starts processes, containers and browsers, or trains many networks: left out by ``--fast``."""


def _forget_plugins():
    from harness import plugins

    for module in [name for name in sys.modules if name.startswith("plugin_")]:
        plugins._forget(module)
    plugins._module.cache_clear()


@pytest.fixture
def forgotten():
    """Forget, after a test, the plug-ins that it has registered."""
    yield
    _forget_plugins()


@pytest.fixture(autouse=True, scope="module")
def _forgotten_by_other_files():
    """Forget the plug-ins of a file before the next: tests that go through all methods would meet them."""
    yield
    if "harness.plugins" in sys.modules:
        _forget_plugins()


@pytest.fixture
def reduced(monkeypatch):
    """Compute in bfloat16, as on CUDA."""
    import torch

    from harness.tasks import score
    from harness.training import probing, step

    def precision(device):
        return torch.autocast(device.type, dtype=torch.bfloat16)

    for module in (step, score, probing):
        monkeypatch.setattr(module, "precision", precision)


@pytest.fixture(scope="session")
def ten_thousand(tmp_path_factory):
    """A folder of ten thousand records, written once for all processes of a run."""
    import records

    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each process has a folder of its own in it
    folder = base / "ten thousand"
    with open(base / "ten thousand.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            draft = folder.with_name("fewer")  # of a process that was stopped
            shutil.rmtree(draft, ignore_errors=True)
            records.write_ten_thousand(draft)
            draft.rename(folder)
    return folder


@pytest.fixture(scope="module")
def browser():
    """A running Chromium."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    import pages

    if pages.CHROMIUM is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    with api.sync_playwright() as playwright:
        # the sandbox needs privileges that a container lacks, and the page is our own
        running = playwright.chromium.launch(executable_path=pages.CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The page of a board that has everything, see `pages.everything`."""
    import pages

    return pages.everything(tmp_path_factory.mktemp("full"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="leave out tests that take long; under three minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is slow, or put it first, so that no process is left with it at the end."""
    folder = f"{config.rootpath / 'tests'}/"
    slow = {item for item in items if str(item.path).removeprefix(folder).startswith(SLOW)}
    if config.getoption("--fast"):
        config.hook.pytest_deselected(items=[item for item in items if item in slow])
        items[:] = [item for item in items if item not in slow]
    items.sort(key=lambda item: item not in slow)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many processes ``-n auto`` starts: one for each CPU that this process may use, within its cgroup."""
    from joblib import cpu_count

    return min(cpu_count(), MOST_PROCESSES)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Give out whole files, since fixtures belong to modules, in the order of collection.

    The tests in containers count as one file: some remove from the engine what a killed harness has left there, and
    others look whether it is there.
    """
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "containers" if nodeid.startswith("tests/containers/") else super()._split_scope(nodeid)

    config.option.loadscopereorder = False
    return Scheduling(config, log)
