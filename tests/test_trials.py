"""Trials of a tuning: what their records say, and that they leave the test set alone."""

from dataclasses import replace

import pytest
from records import make
from runs import small, train

from harness import config
from harness.records import empty
from harness.training import report
from harness.tuning import search


def test_a_trial_fits_if_it_is_as_sparse_as_requested_up_to_a_hundredth_of_its_density():
    def fits(sparsity, **settings):
        like = make("rigl", 0.9, 0)
        record = like | {"metrics": like["metrics"] | {"sparsity": sparsity}, "config": like["config"] | settings}
        return search._trial({}, record).fits

    assert fits(0.8991, reaches=True)
    assert not fits(0.8989, reaches=True)
    assert fits(0.0, reaches=True, budget_share=0.3)


def test_a_trial_ends_without_reading_a_test_image():
    settings = small("static", "steps:2")
    made = train(settings)

    class Closed:
        def __getattribute__(self, name):
            raise AssertionError(f"{name} of the test set was read")

        def __iter__(self):
            raise AssertionError("the test set was read")

    ended = empty(config.to_dict(replace(settings, test=False)), "0" * 16, "local")
    report.finish(ended, made, Closed())
    assert ended["status"] == "done"
    assert {ended["metrics"][name] for name in ("test_accuracy", "test_top5", "test_loss")} == {None}
    with pytest.raises(AssertionError, match="the test set was read"):
        report.finish(ended | {"config": ended["config"] | {"test": True}}, made, Closed())
