"""Global generators: what a model or a method draws from them depends on the run's key alone."""

import random
import warnings

import numpy as np
import pytest
import torch
from runs import at_step, go_on, record, small, train, trainer
from torch import nn

from harness import generators
from harness.tasks import models
from harness.training.determinism import Nondeterministic


class Dropout(nn.Module):
    """Drops by one of the global generators, also in evaluation."""

    def __init__(self, source):
        super().__init__()
        self.source = source

    def forward(self, x):
        draws = {
            "random": random.random,
            "numpy": lambda: float(np.random.rand() + 0 * np.random.standard_normal()),
            "torch": lambda: float(torch.rand(())),
        }
        return x * (draws[self.source]() + 0.5)


def dropping(source):
    def builder(classes, shape):
        pixels = shape[0] * shape[1] * shape[2]
        width = {"random": random.choice, "numpy": np.random.choice}.get(source, lambda sizes: 16)([16, 16])
        return nn.Sequential(nn.Flatten(), nn.Linear(pixels, int(width)), Dropout(source), nn.Linear(16, classes))

    return builder


@pytest.fixture(params=["random", "numpy", "torch"])
def run(request, monkeypatch):
    """A run whose model draws from a global generator."""
    monkeypatch.setitem(models.MODELS, "dropping", dropping(request.param))
    made = small("rigl")
    made.model.name = "dropping"
    return made


def disturb():
    """Leave every generator elsewhere."""
    random.seed()
    np.random.seed()
    torch.manual_seed(random.getrandbits(32))


def weights(made):
    return torch.cat([weight.detach().flatten() for weight in made.model.parameters()])


def test_one_key_gives_one_result(run, tmp_path):
    found = []
    for name in ("one", "two"):
        disturb()
        (tmp_path / name).mkdir()
        found.append(record(run, tmp_path / name))
    for part in ("metrics", "curve", "topology"):
        assert found[0][part] == found[1][part]
    assert found[0]["status"] == "done"


def test_another_seed_gives_another(run):
    one = weights(train(run))
    run.seed = 1
    assert not torch.equal(one, weights(train(run)))


def test_what_is_drawn_goes_on_after_a_checkpoint(run):
    whole = train(run)
    half = train(run, at_step(15))
    state = half.state_dict()
    disturb()
    resumed = trainer(run)
    resumed.load_state_dict(state)
    go_on(resumed)
    assert torch.equal(weights(resumed), weights(whole))
    assert resumed.history.curve == whole.history.curve


def test_a_state_is_made_of_what_can_be_loaded_without_running_code(tmp_path):
    np.random.standard_normal()  # of two that are drawn one is kept for later
    torch.save(generators.state_dict("cpu"), tmp_path / "state")
    after = (random.random(), np.random.standard_normal(3).tolist(), torch.rand(3).tolist())
    generators.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert (random.random(), np.random.standard_normal(3).tolist(), torch.rand(3).tolist()) == after


def test_building_a_model_leaves_the_generators_as_they_were():
    generators.seed(5)
    expected = (random.random(), np.random.rand(), torch.rand(1))
    generators.seed(5)
    models.build("convnet", 10, (1, 8, 8), seed=3)
    assert (random.random(), np.random.rand(), torch.rand(1)) == expected


def test_an_operator_without_a_deterministic_algorithm_is_named():
    with warnings.catch_warnings(), Nondeterministic() as unsure:
        warnings.simplefilter("always")
        for _ in range(2):
            text = "put_ does not have a deterministic implementation, but you set 'torch.use_deterministic_algorithms"
            warnings.warn(text, UserWarning, stacklevel=1)
    assert unsure.names == ["put_"]


def test_a_record_names_them(tmp_path):
    assert record(small("static"), tmp_path)["provenance"]["nondeterministic"] == []
