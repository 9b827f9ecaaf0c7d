"""What holds for all tests."""

import signal
import sys

import pytest

# A shell that starts the tests in the background, or nohup, has them ignore these, and so would every program that they
# start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

SLOW = (
    *("containers/", "faults/", "fuzz/"),
    *("test_chain", "test_cli", "test_data_dali", "test_local_runner", "test_packing", "test_page", "test_plugins"),
    *("test_processes", "test_rerun", "test_second_count", "test_speed", "test_suites", "test_usage", "test_zoo"),
    *("test_committed_board", "test_doctor", "test_graph", "test_makefile", "test_verification"),
    *("test_conformance", "test_my_method", "test_flops", "test_models", "test_moving_runs", "test_data_folders"),
    *("test_budget", "test_at_initialisation", "test_statistics", "test_standing", "test_results_version"),
    *("test_board", "test_kept_networks", "test_interface", "test_record", "test_train"),
)
"""What starts processes, containers and browsers, or trains many networks: left out by ``--fast``."""


@pytest.fixture
def forgotten():
    """Forget, after a test, the plug-ins that it has registered."""
    from harness import plugins

    yield
    for module in [name for name in sys.modules if name.startswith("plugin_")]:
        plugins._forget(module)
    plugins._module.cache_clear()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="leave out tests that take long; about two minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--fast"):
        return
    folder = f"{config.rootpath / 'tests'}/"
    slow = [item for item in items if str(item.path).removeprefix(folder).startswith(SLOW)]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in set(slow)]
