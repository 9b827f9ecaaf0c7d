"""The conformance kit: a method that breaks a promise is found by the check that is there for it."""

import pytest
from breaking import BREAKS, FOUND, HEAD

from harness.conformance.errors import ConformanceError
from harness.conformance.kit import Examination

pytestmark = pytest.mark.usefixtures("forgotten")

AT = ("budget=steps:20", "evaluations=1", "recipe.batch_size=16", "model=mlp", "sparsity=0.9")


@pytest.mark.parametrize("how", sorted(BREAKS))
def test_a_broken_promise_is_found_by_its_check(how, tmp_path):
    path, (name, found) = tmp_path / "mine.py", FOUND[how]
    path.write_text(f"{HEAD}\n\n@dataclass\nclass Broken(Mine):\n{BREAKS[how]}")
    with pytest.raises(ConformanceError, match=found) as caught:
        Examination("method", f"{path}:Broken", AT).check(name)
    assert "\n" not in str(caught.value)
