"""When a comparison says that one side is better, and when it withholds that."""

import pytest
from records import make
from test_compare import compared, runs

FAR = {0: 0.95, 1: 0.951, 2: 0.952}
NEAR = {0: 0.85, 1: 0.8505, 2: 0.851}


def test_a_side_that_lost_seeds_is_not_shown_to_be_better_but_may_be_shown_to_be_worse():
    lost = make("rigl", 0.9, 3, status="diverged")
    withheld = "nothing is shown, for the seeds that {} lost may be its worst"
    assert compared([*runs("rigl", FAR), lost], runs("set", NEAR)).lead[1].endswith(withheld.format("A"))
    assert compared(runs("set", NEAR), [*runs("rigl", FAR), lost]).lead[1].endswith(withheld.format("B"))
    assert compared([*runs("rigl", NEAR), lost], runs("set", FAR)).lead[1].endswith("A is shown to be worse")
    assert compared(runs("rigl", FAR), runs("set", NEAR)).lead[1].endswith("A is shown to be better")


@pytest.mark.parametrize(("reached", "withheld"), [(0.8995, False), (0.873, True)])
def test_a_side_that_is_denser_than_requested_is_named_so_and_not_shown_to_be_better(reached, withheld):
    first = runs("set", FAR)
    for each in first:
        each["config"]["reaches"] = True
        each["metrics"]["sparsity"] = reached
    page = compared(first, runs("rigl", NEAR))
    assert page.title == f"A: set at sparsity {reached} (requested 0.9) against B: rigl at sparsity 0.9"
    said = "nothing is shown, for A keeps more weights than requested (reaches 87.3 %)"
    assert page.lead[1].endswith(said if withheld else "A is shown to be better")
