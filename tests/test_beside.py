"""What a model keeps beside its ``state_dict``: resumed to the bit, or refused by name."""

import copy
import random
from collections import deque

import pytest
import torch
from networks import CLASSES
from runs import at_step, go_on, same, small, train, trainer
from torch import nn

import methods
from harness.errors import UsageError
from harness.tasks import models
from harness.training import beside, report, reproducible, sealed

INPUTS = 192


class Net(nn.Module):
    """Two layers; subclasses keep something beside."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(INPUTS, 16), nn.Linear(16, CLASSES)
        self.begin()

    def begin(self):
        """Make what is kept."""

    def seen(self, inputs):
        """Return inputs after something was kept of them."""
        return inputs

    def forward(self, images):
        return self.head(self.body(self.seen(images.flatten(1))).relu())


class Mean(Net):
    def begin(self):
        self.register_buffer("mean", torch.zeros(INPUTS), persistent=False)

    def seen(self, inputs):
        if self.training:
            self.mean.lerp_(inputs.mean(0), 0.1)
        return inputs - 3 * self.mean


class Attribute(Net):
    def begin(self):
        self.state = torch.zeros(INPUTS)

    def seen(self, inputs):
        if self.training:
            self.state = 0.9 * self.state + inputs.mean(0)
        return inputs - self.state


class Count(Net):
    def begin(self):
        self.count = 0

    def seen(self, inputs):
        self.count += self.training
        return inputs * (1 + self.count / 10)


class Listed(Net):
    def begin(self):
        self.scales = [1.0]

    def seen(self, inputs):
        if self.training:
            self.scales.append(self.scales[-1] * 1.1)
        return inputs * self.scales[-1]


class Late(Net):
    """Begins to count long after the passes that are looked at."""

    def begin(self):
        self.count = 0

    def seen(self, inputs):
        self.count += self.training
        return inputs * (1 + self.count // 6)


class Dearer(Net):
    """Trains with more products after a while."""

    def begin(self):
        self.count, self.loop = 0, nn.Linear(INPUTS, INPUTS)

    def seen(self, inputs):
        if not self.training:
            return self.loop(inputs)
        self.count += 1
        for _ in range(1 + self.count // 6):
            inputs = self.loop(inputs)
        return inputs


class Deque(Net):
    def begin(self):
        self.means = deque([0.0], maxlen=2)

    def seen(self, inputs):
        if self.training:
            self.means.append(float(inputs.mean()))
            return inputs - self.means[0]
        return inputs


class InTraining(Net):
    """Buffer, attribute, number and generator, all of which serve training alone."""

    def begin(self):
        self.register_buffer("mean", torch.zeros(INPUTS), persistent=False)
        self.state, self.count, self.recent = torch.zeros(INPUTS), 0, []
        self.draw = torch.Generator().manual_seed(7)

    def seen(self, inputs):
        if not self.training:
            return inputs
        self.mean.lerp_(inputs.detach().mean(0), 0.1)
        self.state = 0.9 * self.state + 0.1 * inputs.detach().mean(0)
        self.count += 1
        self.recent = [*self.recent[-2:], inputs.detach().mean(0)]
        noise = torch.rand(INPUTS, generator=self.draw) / self.count
        return inputs - self.mean + self.state + noise.to(inputs) + sum(self.recent)


class Harmless(Net):
    """A table that never changes, one that is made when it is first needed, a counter, and what was last computed."""

    def begin(self):
        self.register_buffer("table", torch.linspace(0.5, 1.5, INPUTS), persistent=False)
        self.made, self.calls, self.last = None, 0, None

    def seen(self, inputs):
        if self.made is None:
            self.made = torch.linspace(1, 2, INPUTS, device=inputs.device)
        self.calls += 1
        self.last = inputs * self.table * self.made
        return self.last


class MadeLate(Net):
    def begin(self):
        self.mean = None

    def seen(self, inputs):
        if self.training and self.mean is None:
            del self.mean
            self.register_buffer("mean", inputs.mean(0))
        return inputs


class Normalised(Net):
    """Weights that hooks make anew in each pass, and normalisation that keeps persistent buffers."""

    def begin(self):
        self.norm = nn.BatchNorm1d(INPUTS)
        nn.utils.parametrizations.weight_norm(self.head)

    def seen(self, inputs):
        return self.norm(inputs)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.loop, self.head = nn.LSTM(24, 8, batch_first=True), nn.Linear(8, CLASSES)

    def forward(self, images):
        return self.head(self.loop(images.transpose(1, 2).flatten(2))[0][:, -1])


def run_of(monkeypatch, make, budget="steps:12", **more):
    monkeypatch.setitem(models.MODELS, "network", lambda classes, shape: make())
    images = {"train_examples": 40, "val_examples": 8, "test_examples": 16, "classes": CLASSES, "shape": [3, 8, 8]}
    images |= {"mean": [0.5] * 3, "std": [0.3] * 3}
    run = small("rigl", budget, dataset=images, recipe={"batch_size": 8}, interval=3, **more)
    run.model.name = "network"
    return run


@pytest.mark.parametrize(
    ("make", "name"),
    [(Mean, "changes mean in"), (Attribute, "changes state in"), (Count, "changes count"), (Listed, "changes scales")],
)
def test_a_model_whose_outputs_depend_on_what_is_not_kept_is_refused_by_name(monkeypatch, make, name):
    with pytest.raises(UsageError, match=f"model 'network' {name}.* its state_dict lacks.* persistent buffer") as found:
        reproducible.require(run_of(monkeypatch, make))
    assert "\n" not in str(found.value)


def test_a_model_that_trains_by_what_no_checkpoint_holds_is_refused(monkeypatch):
    with pytest.raises(UsageError, match="changes what no checkpoint holds"):
        reproducible.require(run_of(monkeypatch, Deque))


def test_a_model_that_makes_a_buffer_in_training_is_refused(monkeypatch):
    with pytest.raises(UsageError, match=r"could not be loaded \(Unexpected key.*mean.*\): make buffers and") as found:
        reproducible.require(run_of(monkeypatch, MadeLate))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("make", [Net, InTraining, Harmless, Normalised, Recurrent])
def test_what_is_restored_or_does_no_harm_is_trained(monkeypatch, make):
    before = random.getstate(), torch.get_rng_state().tolist()
    reproducible.require(run_of(monkeypatch, make))
    assert before == (random.getstate(), torch.get_rng_state().tolist())


def test_steps_that_count_are_not_recorded(monkeypatch):
    run = run_of(monkeypatch, InTraining)
    run.graph = True
    with pytest.raises(UsageError, match="graph=true would repeat one step of network, which changes count in each"):
        reproducible.require(run)


@pytest.mark.parametrize("make", [Mean, InTraining, Harmless])
def test_a_run_is_resumed_to_the_bit(monkeypatch, tmp_path, make):
    run = run_of(monkeypatch, make)
    whole, part, resumed = train(run), train(run, at_step(7)), trainer(run)
    sealed.write(part.state_dict(), tmp_path / "checkpoint.pt")
    resumed.load_state_dict(sealed.read(tmp_path / "checkpoint.pt"))
    go_on(resumed)
    assert same(whole, resumed)
    ours, theirs = beside.state_dict(whole.model), beside.state_dict(resumed.model)
    assert beside.differing(ours, theirs) == []


@pytest.mark.parametrize("rewind_to", [0.0, 0.3])
def test_a_lottery_ticket_gets_what_its_model_kept_at_the_rewind_point(monkeypatch, rewind_to):
    run, states = run_of(monkeypatch, InTraining), {}
    run.method = methods.build({"name": "lth_rewind", "rounds": 1, "rewind_to": rewind_to})

    def look(made):
        if made.course.round == 1 or made.course.position >= rewind_to:
            states.setdefault(made.course.round, copy.deepcopy(beside.state_dict(made.model)))
        return False

    train(run, look)
    assert (states[0]["count"] == 0) is (rewind_to == 0)
    assert beside.differing(states[0], states[1]) == []


def test_only_what_may_have_changed_is_in_a_checkpoint(monkeypatch):
    made = train(run_of(monkeypatch, InTraining), at_step(3))
    assert sorted(made.state_dict()["beside"]) == ["count", "draw", "mean", "recent", "state"]
    assert trainer(run_of(monkeypatch, Recurrent)).state_dict()["beside"].keys() <= {
        "loop._all_weights",
        "loop._flat_weights_names",
    }


def test_a_checkpoint_of_before_still_fits(monkeypatch):
    run = run_of(monkeypatch, Net)
    state = train(run, at_step(4)).state_dict()
    del state["beside"]
    trainer(run).load_state_dict(state)


@pytest.mark.parametrize(("make", "depends"), [(Late, "count"), (Net, None), (Harmless, None), (InTraining, None)])
def test_a_network_that_its_state_dict_does_not_give_is_found_at_the_end(monkeypatch, make, depends):
    run = run_of(monkeypatch, make)
    reproducible.require(run)  # nothing is to be seen of it yet
    made = train(run)
    found = reproducible.not_reproduced(run, made.model, made._splits.test)
    assert found == (
        depends and f"the outputs depend on {depends}, which training changed and the model's state_dict lacks"
    )
    assert report.network(made).state


def test_a_network_that_computes_more_than_was_counted_is_found_at_the_end(monkeypatch):
    run = run_of(monkeypatch, Dearer)
    reproducible.require(run)
    made = train(run)
    assert reproducible.not_reproduced(run, made.model, made._splits.test) == (
        "the model computes other products than were counted before it was trained, which changed count"
    )
