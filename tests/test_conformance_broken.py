"""The conformance kit: a method that breaks a promise is found by the check that is there for it."""

import sys

import pytest
from breaking import BREAKS, FOUND, HEAD

from harness import plugins
from harness.conformance.errors import ConformanceError
from harness.conformance.kit import Examination

AT = ("budget=steps:20", "evaluations=1", "recipe.batch_size=16", "model=mlp", "sparsity=0.9")


@pytest.fixture(autouse=True)
def forgotten():
    """Forget, after each test, what it has registered."""
    yield
    for module in [name for name in sys.modules if name.startswith("plugin_")]:
        plugins._forget(module)
    plugins._module.cache_clear()


@pytest.mark.parametrize("how", sorted(BREAKS))
def test_a_broken_promise_is_found_by_its_check(how, tmp_path):
    path, (name, found) = tmp_path / "mine.py", FOUND[how]
    path.write_text(f"{HEAD}\n\n@dataclass\nclass Broken(Mine):\n{BREAKS[how]}")
    with pytest.raises(ConformanceError, match=found) as caught:
        Examination("method", f"{path}:Broken", AT).check(name)
    assert "\n" not in str(caught.value)
