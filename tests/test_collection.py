"""How the tests are collected: what ``--fast`` leaves out exists."""

from pathlib import Path

TESTS = Path(__file__).parent


def test_everything_that_is_called_slow_is_there(request):
    slow = request.config.pluginmanager.get_plugin(str(TESTS / "conftest.py")).SLOW
    assert len(set(slow)) == len(slow)
    assert [name for name in slow if not list(TESTS.glob(f"{name}*"))] == []
