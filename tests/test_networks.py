"""Kept networks: small, exact, checked against their record, and loaded anywhere."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import CLASSES, SHAPE, Attentive, Tied
from safetensors.torch import load as load_tensors

from harness.networks import masks, packing
from harness.networks.load import SparseNetwork
from harness.networks.tensors import content
from harness.tasks import models
from harness.training import network
from methods.parts import distributions

# Masks.


@given(st.lists(st.booleans(), max_size=300), st.sampled_from([(-1,), (-1, 1), (1, -1, 1)]))
def test_a_mask_comes_back_as_it_was_in_no_more_than_a_bit_a_weight(bits, shape):
    mask = np.array(bits, bool).reshape(shape)
    coded = masks.encode(mask)
    again = masks.coded(json.loads(json.dumps(coded.described())), coded.data)
    assert (masks.decoded(again) == mask).all()
    assert again.active == mask.sum()
    assert len(coded.data) <= math.ceil(mask.size / 8)


def test_the_code_is_golomb_s_with_low_bits_first():
    mask = np.zeros(100, bool)
    mask[[3, 17, 18, 60, 99]] = True
    coded = masks.encode(mask)
    gaps = [3, 13, 0, 41, 38]
    written = {
        low: "".join(f"{gap % 2**low:0{low}b}"[::-1] if low else "" for gap in gaps)
        + "".join("0" * (gap >> low) + "1" for gap in gaps)
        for low in range(7)
    }
    shortest = min(written.values(), key=len)
    assert written[coded.low] == shortest
    assert "".join(map(str, np.unpackbits(coded.data)))[: len(shortest)] == shortest


def bound(size, active):
    """Return the bytes that say which ``active`` of ``size`` weights are active: log2 of the number of choices."""
    return (math.lgamma(size + 1) - math.lgamma(active + 1) - math.lgamma(size - active + 1)) / math.log(2) / 8


def test_masks_of_a_sparse_resnet20_take_at_most_1_3_of_the_information_bound():
    """The bound is the sum over layers of log2(size choose active); the size has the description of each mask too."""
    layers = models.maskable(models.build("resnet20", 10, SHAPE, 0), SHAPE)
    shapes = distributions.Shapes([weight.shape for _, weight in layers], 0)
    drawn = np.random.default_rng(0)
    for distribution in (distributions.erk, distributions.uniform):
        counts = distributions.layer_counts(shapes, distribution(shapes, 0.1), 0.1)
        taken = least = 0
        for (_, weight), active in zip(layers, counts, strict=True):
            mask = np.zeros(weight.numel(), bool)
            mask[drawn.choice(weight.numel(), active, replace=False)] = True
            coded = masks.encode(mask.reshape(weight.shape))
            taken += len(coded.data) + len(json.dumps(coded.described(), separators=(",", ":")))
            least += bound(weight.numel(), active)
        assert taken <= 1.3 * least


@pytest.mark.parametrize("density", [0.001, 0.02, 0.1, 0.25, 0.4, 0.5, 0.7, 0.95])
def test_a_random_mask_takes_little_more_than_its_bound_at_any_density(density):
    size = 200_000
    active = round(density * size)
    mask = np.zeros(size, bool)
    mask[np.random.default_rng(1).choice(size, active, replace=False)] = True
    assert len(masks.encode(mask).data) <= 1.07 * bound(size, active)


@given(st.binary(max_size=40), st.data())
def test_bytes_that_are_no_mask_are_refused(data, draw):
    number = st.one_of(st.integers(-2, 400), st.integers(0, 2**70), st.none(), st.text(max_size=2))
    described = {
        "shape": draw.draw(st.one_of(st.lists(number, max_size=3), number)),
        "code": draw.draw(st.sampled_from(["bits", "gaps", "other"])),
        "of": draw.draw(st.sampled_from(["active", "inactive", 1])),
        "number": draw.draw(number),
        "low": draw.draw(number),
    }
    try:
        found = masks.coded(described, np.frombuffer(data, np.uint8))
        places = masks.places(found)
    except ValueError:
        return
    assert len(places) == found.number
    assert (np.diff(places) > 0).all()
    assert not len(places) or places[-1] < found.size


@pytest.mark.parametrize("shape", [[2**40], [2**20, 2**20], [2**33]])
def test_a_mask_of_more_weights_than_a_network_has_is_refused_before_it_takes_memory(shape):
    with pytest.raises(ValueError, match="no possible shape"):
        masks.coded({"shape": shape, "code": "gaps", "of": "active", "number": 0, "low": 0}, np.zeros(0, np.uint8))


# Files.


def written(model, shape, folder, dense=()):
    """Write a model with random masks as a run leaves it; return the content, the state and the masks."""
    drawn = torch.Generator().manual_seed(0)
    layers = models.maskable(model, shape, dense)
    chosen = {name: torch.rand(weight.shape, generator=drawn) < 0.3 for name, weight in layers}
    SparseNetwork(model, chosen, {}).apply_masks()
    network.write(network.Network(model.state_dict(), chosen), folder / "left.safetensors")
    return (folder / "left.safetensors").read_bytes(), model.state_dict(), chosen


@pytest.mark.parametrize(
    ("make", "dense"),
    [
        (lambda: Attentive(need_weights=False), ()),
        (lambda: Attentive(need_weights=False), ("itself.in_proj_weight.k",)),
        (Tied, ()),
        (lambda: models.build("resnet20", CLASSES, SHAPE, 0), ("conv1.weight",)),
    ],
    ids=["packed", "packed in part", "tied", "buffers"],
)
def test_a_network_is_packed_without_loss_and_small(make, dense, tmp_path):
    torch.manual_seed(0)
    _, own, chosen = written(make(), SHAPE, tmp_path, dense)
    for kind in (torch.float32, torch.bfloat16, torch.float64):
        state = {name: value.to(kind) if value.is_floating_point() else value for name, value in own.items()}
        network.write(network.Network(state, chosen), tmp_path / "left.safetensors")
        left = (tmp_path / "left.safetensors").read_bytes()
        packed = packing.pack(left, {"key": "0"})
        assert packing.pack(left, {"key": "0"}) == packed
        kept = packing.unpack(packed)
        again = load_tensors(content(kept.state()))
        assert again.keys() == state.keys()
        for name, value in state.items():
            assert again[name].dtype == value.dtype
            assert torch.equal(again[name], value), name
        assert kept.masks.keys() == chosen.keys()
        for name, mask in chosen.items():
            assert torch.from_numpy(masks.decoded(kept.masks[name])).equal(mask)
            assert kept.counts()[name][0] == mask.sum()
        removed = sum(int((~mask).sum()) for mask in chosen.values())
        assert len(packed) < len(left) - removed * torch.empty(0, dtype=kind).element_size()
        assert set(load_tensors(packed)) >= {f"mask/{name}" for name in chosen}  # any reader opens it


def test_weights_outside_the_masks_are_not_lost_silently(tmp_path):
    model = models.build("mlp", CLASSES, SHAPE, 0)
    _, state, chosen = written(model, SHAPE, tmp_path)
    name, mask = next(iter(chosen.items()))
    for value, refused in ((-0.0, False), (1e-40, True), (math.nan, True)):
        state[name][~mask] = value
        network.write(network.Network(state, chosen), tmp_path / "left.safetensors")
        left = (tmp_path / "left.safetensors").read_bytes()
        if not refused:
            packing.pack(left, {})
            continue
        with pytest.raises(ValueError, match=f"weights of {name} outside its mask are not zero"):
            packing.pack(left, {})
