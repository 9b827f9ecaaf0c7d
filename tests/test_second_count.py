"""The referee's second count of a model's products: equal to ours wherever fvcore can count at all."""

import pytest
from natural import inputs_of
from networks import COUNTED, SHAPE
from test_zoo import TORCHVISION

from harness.audit.second_count import forward_flops
from harness.budget.measure import measure
from harness.tasks.models import MODELS, build

SIDES = {"resnet50": 224, "mlp": 28}
#: Attention and recurrent kernels, for which fvcore has no count, and what it cannot trace.
BEYOND_FVCORE = {"attention", "grouped", "encoder", "lstm_cell", "gru_cell", "lstm", "gru", "vit", "swin"}
OURS_BEYOND = {"vit_tiny", "vit_b_16", "gpt_nano", "gpt_tiny", "gpt_small", "llama_60m"}


@pytest.mark.parametrize("name", MODELS)
def test_the_projects_models_are_counted_twice(name):
    inputs = inputs_of(name, SIDES.get(name, 32))
    model = build(name, inputs.tokens or 10, inputs.shape, 0)
    assert forward_flops(model, inputs) == (None if name in OURS_BEYOND else measure(model, inputs).dense)


@pytest.mark.parametrize("name", [*COUNTED, *TORCHVISION])
def test_where_fvcore_counts_it_agrees(name):
    made, shape = (COUNTED[name], SHAPE) if name in COUNTED else (TORCHVISION[name], (3, 32, 32))
    model = made()
    second = forward_flops(model, shape)
    assert (second is None) == (name in BEYOND_FVCORE)
    if second is not None:
        assert second == measure(model, shape).dense
