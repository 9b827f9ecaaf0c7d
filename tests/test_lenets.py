"""The two LeNet-5: the sizes that papers print, what they cost, their smallest images, and short sparse runs."""

import pytest
import torch
from networks import EVERY_STEP
from runs import record, small
from test_zoo import assert_counts_agree

from harness.audit import counts
from harness.budget.measure import measure
from harness.errors import UsageError
from harness.tasks.models import build

GREY = (1, 28, 28)


def sizes(name, shape=GREY, **more):
    return {layer.name: layer.weights for layer in measure(build(name, 10, shape, 0, **more), shape).layers}


def test_caffe_s_lenet_has_the_weights_of_snip_and_snfs():
    found = sizes("lenet_5_caffe")
    assert list(found.values()) == [20 * 25, 50 * 20 * 25, 800 * 500, 500 * 10]
    assert sum(found.values()) == 430_500
    parameters = sum(each.numel() for each in build("lenet_5_caffe", 10, GREY, 0).parameters())
    assert parameters == 430_500 + 20 + 50 + 500 + 10


def test_lenet_5_has_the_weights_of_1998_with_c3_connected_to_all_maps():
    found = sizes("lenet_5")
    assert list(found.values()) == [6 * 25, 16 * 6 * 25, 400 * 120, 120 * 84, 84 * 10]
    assert sum(each.numel() for each in build("lenet_5", 10, GREY, 0).parameters()) == 61_706
    assert list(found) == [f"{name}.weight" for name in ("conv1", "conv2", "hidden.0", "hidden.1", "classifier")]
    assert sizes("lenet_5", (1, 32, 32)) == found  # the border that 28x28 images get is there already


@pytest.mark.parametrize("name", ["lenet_5", "lenet_5_caffe"])
@pytest.mark.parametrize("shape", [GREY, (3, 32, 32)])
def test_they_cost_what_torch_counts_in_both_modes(name, shape):
    model = build(name, 10, shape, 0)
    assert_counts_agree(model, shape, measure(model, shape, classes=10))


@pytest.mark.parametrize(("name", "smallest"), [("lenet_5", 12), ("lenet_5_caffe", 16)])
def test_the_smallest_images_are_taken_and_smaller_ones_refused(name, smallest):
    assert build(name, 10, (1, smallest, 40), 0)(torch.zeros(2, 1, smallest, 40)).shape == (2, 10)
    with pytest.raises(UsageError, match=f"'{name}' needs images of at least {smallest}x{smallest}, not 8x8"):
        build(name, 10, (1, 8, 8), 0)


@pytest.mark.parametrize("method", ["static", "rigl", "gmp", "small_dense"])
@pytest.mark.parametrize("name", ["lenet_5", "lenet_5_caffe"])
def test_they_train_two_steps_at_90_percent_with_exact_counts(name, method, tmp_path):
    run = small(method, "steps:2", dataset={"shape": list(GREY)}, evaluations=1, **EVERY_STEP.get(method, {}))
    run.model.name = name
    if method == "small_dense":
        from harness.plan.planned import plan

        (planned,) = plan([run])
        run = planned.run
        assert 0 < run.model.width < 1
    made = record(run, tmp_path)
    assert (made["status"], made["reason"]) == ("done", None)
    assert counts.refusals(made) == []
    wanted = made["metrics"]["maskable"] if method == "small_dense" else round(0.1 * made["metrics"]["maskable"])
    assert abs(made["metrics"]["active"] - wanted) <= 1
