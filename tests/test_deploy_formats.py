"""Sparse formats compute what dense does, or are refused by name; timing takes turns; sparse steps train as dense."""

import copy
import sys
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Attentive
from torch import nn
from torch.nn import functional as F

from harness.budget.parts import parts
from harness.deploy import choice, formats, layers, timing, training
from harness.deploy.conditions import Conditions

CPU = torch.device("cpu")
SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24), st.integers(1, 9))


def sparse(shape, density, seed=0):
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=draws) * (torch.rand(shape, generator=draws) < density)


@settings(max_examples=30, deadline=None)
@given(SHAPES, st.floats(0, 1), st.integers(0, 99))
def test_every_format_multiplies_as_float64_does(shape, density, seed):
    rows, inner, columns = shape
    matrix, right = sparse((rows, inner), density, seed), torch.randn(inner, columns)
    expected = matrix.double().numpy() @ right.double().numpy()
    found = []
    for name, make in formats.FORMATS.items():
        try:
            multiply = make(matrix)
        except formats.UnsuitedError:
            found.append(name)
            continue
        np.testing.assert_allclose(multiply(right).numpy(), expected, rtol=1e-4, atol=1e-5)
        transposed = torch.randn(columns, inner).t()
        np.testing.assert_allclose(
            multiply(transposed).numpy(), matrix.double().numpy() @ transposed.double().numpy(), rtol=1e-4, atol=1e-5
        )
    assert "csr" not in found


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(3, 8, 3),
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.Conv2d(3, 8, (3, 1), stride=(1, 2), padding=(2, 0), dilation=(2, 1)),
        nn.Conv2d(3, 8, 1),
        nn.Conv2d(3, 8, 1, stride=2, bias=False),
        nn.Conv2d(3, 8, 1, padding=1),
        nn.Linear(9, 8),
        nn.Linear(9, 8, bias=False),
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [1, 5])
@torch.no_grad()
def test_layers_in_csr_give_what_torch_gives(module, batch):
    module.weight.mul_(sparse(module.weight.shape, 0.3) != 0)
    images = torch.randn(batch, 3, 9, 9)
    expected = module(images)
    layer = layers.Layer("weight", module)
    for channels_last in (False, True):
        ours = layer.using(formats.csr(layer.matrix(channels_last)), channels_last)(images)
        assert ours.shape == expected.shape
        torch.testing.assert_close(ours, expected)
        assert ours.is_contiguous() or isinstance(module, nn.Linear)
        if isinstance(module, nn.Conv2d):  # as they lie on CUDA
            copied = layers.Layer("weight", copy.deepcopy(module).to(memory_format=torch.channels_last))
            multiply = formats.csr(copied.matrix(channels_last))
            laid_out = images.to(memory_format=torch.channels_last)
            torch.testing.assert_close(copied.using(multiply, channels_last)(laid_out), expected)


def test_blocks_must_be_whole_and_some_empty():
    with pytest.raises(formats.UnsuitedError, match="a matrix of 6×8 is not whole blocks of 4×4"):
        formats.bsr(4)(torch.zeros(6, 8))
    with pytest.raises(formats.UnsuitedError, match="no block of 4×4 is empty"):
        formats.bsr(4)(torch.ones(8, 8))
    block = torch.zeros(8, 8)
    block[:4, 4:] = 1.0
    assert torch.equal(formats.bsr(4)(block)(torch.ones(8, 1)), block @ torch.ones(8, 1))


def test_semi_structured_needs_its_pattern_and_its_device():
    assert formats.has_pattern(torch.tensor([[1.0, 0, 2, 0], [0, 0, 0, 3]]))
    assert not formats.has_pattern(torch.tensor([[1.0, 4, 2, 0]]))
    assert not formats.has_pattern(torch.tensor([[1.0, 0, 0]]))
    convolution = nn.Conv2d(4, 1, 2)
    with torch.no_grad():
        convolution.weight[:, 2:] = 0.0  # 2 of 4 channels at each position of the kernel
    layer = layers.Layer("weight", convolution)
    assert formats.has_pattern(layer.matrix(channels_last=True))
    assert not formats.has_pattern(layer.matrix())
    with pytest.raises(formats.UnsuitedError, match=r"needs an NVIDIA GPU of compute capability 8\.0 or newer"):
        formats.semi_structured(torch.zeros(4, 4))


def test_a_format_that_disagrees_or_fails_is_refused_by_name(monkeypatch):
    def fails(_):
        raise RuntimeError("no kernel\nsecond line")

    def unsuited(_):
        raise formats.UnsuitedError("does not fit")

    monkeypatch.setattr(
        choice,
        "FORMATS",
        {
            "right": lambda matrix: lambda columns: matrix @ columns,
            "twice": lambda matrix: lambda columns: 2 * (matrix @ columns),
            "nan": lambda matrix: lambda columns: (matrix @ columns) * torch.nan,
            "shape": lambda matrix: lambda columns: (matrix @ columns)[:-1],
            "fails": fails,
            "unsuited": unsuited,
        },
    )
    layer = layers.Layer("fc.weight", nn.Linear(16, 8, bias=False))
    with torch.no_grad():
        found = choice.choose(layer, torch.randn(4, 16), 7, 1e-4)
    assert list(found.speedups) == ["right"]
    assert found.refused["twice"] == "differs from dense by 1 of the largest output, more than 0.0001"
    assert found.refused["nan"].startswith("differs from dense by nan")
    assert found.refused["shape"].startswith("torch cannot compute it here: ")
    assert found.refused["fails"] == "torch cannot compute it here: no kernel"
    assert found.refused["unsuited"] == "does not fit"
    assert found.name in ("dense", "right")


def test_what_has_no_sparse_form_stays_dense_with_the_reason():
    class Odd(nn.Linear):
        def forward(self, given):
            return F.linear(given, self.weight * 2)

    model = nn.ModuleDict(
        {
            "good": nn.Linear(4, 4),
            "grouped": nn.Conv2d(4, 4, 3, groups=2),
            "same": nn.Conv2d(4, 4, 3, padding="same"),
            "line": nn.Conv1d(4, 4, 3),
            "odd": Odd(4, 4),
            "attention": nn.MultiheadAttention(4, 2),
        }
    )
    masked = ["attention.in_proj_weight.q", *(f"{name}.weight" for name in ("good", "grouped", "same", "line", "odd"))]
    found, refused = layers.find(model, masked)
    assert [layer.name for layer in found] == ["good.weight"]
    assert refused == {
        "grouped.weight": "the convolution has groups",
        "same.weight": "the convolution has another padding than a number of zeros",
        "line.weight": "Conv1d has no sparse form here: linear layers and two-dimensional convolutions have",
        "odd.weight": "Odd has no sparse form here: linear layers and two-dimensional convolutions have",
        "attention.in_proj_weight.q": "is part of a packed projection",
    }


def test_no_matrix_of_many_packed_projections_is_left_out():
    model = nn.ModuleList([nn.MultiheadAttention(4, 2) for _ in range(20)])
    masked = {part.name for part in parts(model) if "weight" in part.name}
    found, refused = layers.find(model, masked)
    assert {layer.name for layer in found} | set(refused) == masked


@torch.no_grad()
def test_a_layer_that_is_not_called_has_no_input():
    model = Attentive(need_weights=False).eval()
    found, _ = layers.find(model, ["embed.weight", "itself.out_proj.weight"])
    given = layers.inputs(model, found, torch.randn(2, 3, 8, 8))
    assert list(given) == ["embed.weight"]
    assert given["embed.weight"].shape == (2, 8, 24)
    assert "forward" not in vars(model.embed)


def test_ways_take_turns_and_a_hopeless_one_is_dropped():
    order = []
    ways = {name: lambda name=name: (order.append(name), time.sleep(0.001)) for name in ("a", "b", "c")}
    ways["slow"] = lambda: (order.append("slow"), time.sleep(0.1))
    found = timing.in_turns(ways, 4, CPU)
    turns = order[4 * timing.WARM_UP :]
    assert turns == [*"abc", *"bca", *"cab", *"abc"]
    assert found["slow"].dropped
    assert [len(found[name].seconds) for name in ways] == [4, 4, 4, 1]
    middle, low, high = timing.ratio(found["a"], found["slow"])
    assert middle < 1
    assert low is high is None


def test_speed_is_the_median_of_the_ratios_of_neighbours():
    dense, ours = (
        timing.Timed([2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0]),
        timing.Timed([1.0, 1.0, 3.0, 2.0, 5.0, 4.0, 7.0]),
    )
    assert timing.compared(dense, ours) == {
        "dense_seconds": 8.0,
        "seconds": 3.0,
        "speedup": 2.0,
        "low": 2.0,
        "high": 4.0,
    }


def test_threads_hold_within_and_are_restored():
    before = torch.get_num_threads()
    with timing.threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_a_training_step_that_cannot_be_measured_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "sparselab", None)
    found = training.step([layers.Layer("weight", nn.Linear(4, 4))], Conditions(repeats=7), CPU, lambda *_: None)
    assert found["refused"] == "sparselab is not installed: pip install 'sparsebench[sparselab]'"
    half = training.step([layers.Layer("weight", nn.Linear(4, 4))], Conditions("cpu", "float16"), CPU, lambda *_: None)
    assert half["refused"] == "sparselab computes in float32 on a processor alone"
    assert training.step([layers.Layer("w", nn.Conv2d(1, 1, 3))], Conditions(), CPU, lambda *_: None) is None


@pytest.mark.parametrize("bias", [True, False])
def test_a_sparse_training_step_is_the_dense_one_within_the_mask(bias):
    pytest.importorskip("sparselab", reason="pip install 'sparsebench[sparselab]'")
    module = nn.Linear(48, 32, bias=bias)
    with torch.no_grad():
        module.weight.copy_(sparse((32, 48), 0.1))
    layer = layers.Layer("fc.weight", module)
    with timing.threads(1):
        found = training.step([layer, layer], Conditions(threads=1, repeats=7), CPU, lambda *_: None)
    assert found["refused"] is None
    assert found["library"].startswith("sparselab 0.")
    assert 0 <= found["error"] <= 1e-5
    assert [each["shape"] for each in found["layers"]] == [[32, 48]] * 2
    assert found["all"]["speedup"] > 0


def test_a_sparse_training_step_that_disagrees_is_refused(monkeypatch):
    pytest.importorskip("sparselab", reason="pip install 'sparsebench[sparselab]'")
    own = training._sparse

    def wrong(dense):
        made = own(dense)
        with torch.no_grad():
            made._values.mul_(1.01)
        return made

    monkeypatch.setattr(training, "_sparse", wrong)
    layer = layers.Layer("fc.weight", nn.Linear(8, 8))
    found = training.step([layer], Conditions(threads=1, repeats=7), CPU, lambda *_: None)
    assert found["refused"].startswith("fc.weight trained by sparselab")
    assert found["all"] is None
