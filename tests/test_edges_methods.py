"""Methods at the edges of what they can have: no time, no scores, no layer, no weight left; nearly dense."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from networks import CLASSES, run_of
from runs import METHODS, record, small
from torch import nn

from harness.audit import counts
from harness.errors import UsageError
from harness.plan import planned
from methods import Masks, Moment, build

EXTRAS = {"cyclic", "lr_rewind", "lth", "lth_rewind", "rigl", "rigl_itop", "srigl", "granet_s0"}
"""What they document to do at sparsity 0 too: schedules of their own, batches that give gradients alone."""


class Linear(nn.Module):
    """Two layers without hidden units that 4 divides, or with a head that starts at zero."""

    def __init__(self, hidden, zero=False):
        super().__init__()
        self.body, self.head = nn.Linear(3 * 8 * 8 - 1, hidden), nn.Linear(hidden, CLASSES)
        if zero:
            nn.init.zeros_(self.head.weight)

    def forward(self, images):
        return self.head(self.body(images.flatten(1)[:, 1:]).relu())


@pytest.mark.parametrize("name", ["snip", "grasp", "synflow"])
def test_a_probe_that_takes_all_the_seconds_leaves_no_run(name, tmp_path):
    made = record(small(name, "seconds:0.0001"), tmp_path)
    assert made["status"] == "failed"
    assert f"the budget is too small: {name} takes" in made["reason"]


def test_scores_that_are_all_zero_are_refused(monkeypatch, tmp_path):
    """Of weights that are all alike the first would be kept."""
    made = record(run_of(monkeypatch, lambda: Linear(9, zero=True), "synflow"), tmp_path)
    assert made["status"] == "failed"
    assert made["reason"] == "method synflow: the synaptic flow of all weights is 0 before training"


def test_a_temperature_that_leaves_nothing_of_the_product_is_refused():
    with pytest.raises(ValueError, match=r"^method.temperature: 1e\+18 is more than 1,000,000$"):
        build({"name": "grasp", "temperature": 1e18})


def test_n_m_that_no_layer_can_keep_is_refused(monkeypatch):
    run = run_of(monkeypatch, lambda: Linear(9), "sr_ste")
    with pytest.raises(UsageError, match=r"no layer can keep 1 of every 4: 4 divides no input dimension$"):
        planned.plan([run])[0].entry()


def test_a_run_that_reaches_a_network_without_weights_is_invalid(tmp_path):
    made = record(small("str", "steps:12", init=20.0), tmp_path)
    assert (made["status"], made["reason"]) == ("invalid", "no weight is left")


@pytest.mark.parametrize("name", ["str", "sr_ste", "top_kast"])
def test_the_curve_ends_with_the_last_masks(name, tmp_path):
    made = record(small(name, "steps:21"), tmp_path)
    assert made["curve"][-1]["density"] == pytest.approx(1 - made["metrics"]["sparsity"], abs=1e-12)
    assert not [line for line in counts.refusals(made) if line.startswith("curve")]


@pytest.mark.parametrize("name", sorted(set(METHODS) - EXTRAS - {"dense"}))
def test_at_sparsity_0_a_method_is_dense_training(name, tmp_path):
    folders = [tmp_path / each for each in ("dense", name)]
    for folder in folders:
        folder.mkdir()
        made = record(small(folder.name, "steps:16", sparsity=0.0), folder)
        assert made["status"] == "done"
        assert "probe" not in made["cost"]
    dense, other = [(folder / "final.safetensors").read_bytes() for folder in folders]
    assert dense == other


SMALL = [(1, 1), (1, 6), (3, 6), (2, 7), (3, 3)]


@settings(deadline=None, max_examples=60)
@example(extra=0.25, fraction=0.0, target=0.03125, seed=0, shapes=SMALL)  # a layer's count grows where all shrink
@given(
    extra=st.floats(0, 3),
    fraction=st.floats(0, 1),
    target=st.floats(0.02, 0.99),
    seed=st.integers(0, 9),
    shapes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=5),
)
def test_mest_is_exact_whatever_its_extra_weights(extra, fraction, target, seed, shapes):
    draw = torch.Generator().manual_seed(seed)
    weights = [nn.Parameter(torch.randn(shape, generator=draw)) for shape in shapes]
    masks = Masks([(f"layer{i}", weight) for i, weight in enumerate(weights)], draw)
    method = build({"name": "mest", "interval": 1, "extra": extra, "fraction": fraction})
    method.start(masks, target)
    for step, position in enumerate((0.1, 0.5, 0.6, 0.7, 0.75, 0.8), start=1):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=draw)
        moment = Moment(step, position, position - 0.1, 10)
        if method.event(moment) is None:
            continue
        masks.hold_gradients(dense=False)
        method.update(masks, moment, target)
        masks.release_gradients()
        assert masks.counted() == masks.active
    if extra:
        assert masks.active == method.layer_counts(masks.shapes, target)
