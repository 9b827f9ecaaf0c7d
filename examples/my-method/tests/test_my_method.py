"""The method keeps what SparseBench expects of every method, and what is peculiar to it."""

import pytest

import sparsebench as sb
from sparsebench.testing import conformance


@conformance(method="my_method")
def test_conforms(check):
    """Hold in everything that the kit checks."""
    check()


def test_prunes_in_equal_steps_until_half_way(tmp_path):
    """Keep 60 % and then 20 % of the weights."""
    run = ("dataset=digits", "budget=steps:40", "device=cpu", "runner=local", "evaluations=2")
    record = sb.run(["method=my_method", "method.cuts=2", "sparsity=0.8", *run, f"output={tmp_path}"])
    assert record["status"] == "done", record["reason"]
    maskable = record["metrics"]["maskable"]
    kept = [(entry["step"], round(sum(entry["active"]) / maskable, 3)) for entry in record["topology"]]
    assert [density for _, density in kept] == [1.0, 0.6, 0.2]
    assert kept[-1][0] <= 21


def test_a_number_of_prunings_below_one_is_refused():
    """Name the setting in the error."""
    with pytest.raises(ValueError, match=r"method\.cuts: 0 is not a positive number"):
        sb.resolve(["method=my_method", "method.cuts=0"])
