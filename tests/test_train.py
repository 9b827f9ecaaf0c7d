"""The training loop: what a stopped run resumes from, what ends a run, and what rewinding restores."""

import copy
import io
import os
import signal
import time
from dataclasses import dataclass

import pytest
import torch
from runs import at_step, go_on, record, small, train, trainer

from harness.training import network
from harness.training.trainer import DivergedError
from methods import Event, Method, registry
from methods.rewinding import WeightRewinding

CROP = {"augment": "crop"}


def on_disk(state):
    """Return a state as it comes back from a checkpoint, which holds tensors and plain values alone."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, map_location="cpu", weights_only=True)


def plain(value):
    """Return nested state with every tensor as its shape, type and bytes, so that ``==`` means bit for bit."""
    if isinstance(value, torch.Tensor):
        return (tuple(value.shape), str(value.dtype), value.contiguous().numpy().tobytes())
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def outcome(made):
    """Return all that a run ends with but its times."""
    return plain({name: part for name, part in made.state_dict().items() if name != "seconds"})


@pytest.mark.parametrize(
    ("name", "stops", "fields"),
    [
        ("granet", (13, 24), {}),
        ("rigl", (8, 17), {}),
        ("set", (19,), {}),
        ("gmp_uniform", (20,), {}),
        ("lth_rewind", (1, 9, 15, 30), {}),
        ("lth_rewind", (7,), {"rewind_to": 0.9}),
        ("lr_rewind", (20,), {}),
        ("rigl_itop", (8, 17), {"recipe": {"optimizer": "adamw", "lr": 0.01, **CROP}}),
        ("lth_rewind", (21,), {"recipe": {"optimizer": "adamw", "lr": 0.01}}),
    ],
)
def test_a_run_goes_on_from_its_state_bit_for_bit(name, stops, fields):
    run = small(name, **{"recipe": CROP, **fields})
    whole = train(run)
    assert whole.final_violations() == []
    part = train(run, at_step(stops[0]))
    for stop in [*stops[1:], None]:
        state = on_disk(part.state_dict())
        torch.rand(5)  # whatever else the new process drew
        part = trainer(run)
        part.load_state_dict(state)
        go_on(part, at_step(stop))
    assert outcome(part) == outcome(whole)


def test_two_runs_of_a_seed_are_the_same_and_another_seed_is_another_run():
    first, again, other = (outcome(train(small("granet", seed=seed, recipe=CROP))) for seed in (5, 5, 6))
    assert first == again
    assert first["model"] != other["model"]
    assert first["masks"] != other["masks"]


@pytest.mark.parametrize("name", ["dense", "granet"])
def test_a_loss_that_is_nan_ends_the_run_as_diverged(name, tmp_path):
    run = small(name, recipe={"lr": 1e18, "warmup_epochs": 0})
    with pytest.raises(DivergedError, match=r"the training loss is nan at step \d+"):
        train(run)
    made = record(run, tmp_path)
    assert (made["status"], made["metrics"]["test_accuracy"]) == ("diverged", None)
    assert "nan" in made["reason"]
    assert 0 < made["cost"]["steps"] <= 20  # it is looked at when there is something to show, at an evaluation at last


def test_weights_ruined_by_the_last_steps_are_diverged_too(tmp_path):
    """One step, whose loss is still fine, to weights that are no numbers."""
    made = record(small("dense", "steps:1", recipe={"lr": 1e18, "warmup_epochs": 0}), tmp_path)
    assert made["status"] == "diverged"
    assert made["reason"].startswith("the loss on the test set is")


@dataclass
class Broken(Method):
    """Fails at its first event as ``how`` says."""

    interval: int = 5
    how: str = "memory"

    def event(self, moment):
        return Event() if moment.step == self.interval else None

    def update(self, masks, moment, target):
        if self.how == "memory":
            torch.empty(1 << 60)
        raise ValueError("wrong\nin two lines")


@pytest.mark.parametrize(
    ("how", "status", "reason"),
    [("memory", "out_of_memory", "allocate"), ("code", "failed", "ValueError: wrong")],
)
def test_whatever_a_method_raises_leaves_a_record_that_says_so(how, status, reason, tmp_path, monkeypatch):
    monkeypatch.setitem(registry.METHODS, "broken", Broken("broken"))
    made = record(small("broken", how=how), tmp_path)
    assert made["status"] == status
    assert reason in made["reason"]
    assert "\n" not in made["reason"]
    assert made["cost"]["steps"] == 5
    assert made["cost"]["train_flops"] > 0


@dataclass
class Ruined(Method):
    """Is told to stop at its first event, after a second; diverges at the second, in another process."""

    interval: int = 5

    def event(self, moment):
        return Event() if moment.step in (5, 10) else None

    def update(self, masks, moment, target):
        if moment.step == 10:
            raise DivergedError("ruined")
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_run_that_was_resumed_and_diverges_is_told_with_all_that_it_cost(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.METHODS, "ruined", Ruined("ruined"))
    first, made = record(small("ruined"), tmp_path), record(small("ruined"), tmp_path)
    assert (first["status"], made["status"]) == ("interrupted", "diverged")
    assert made["provenance"]["resumed"]
    assert made["cost"]["seconds"]["total"] > first["cost"]["seconds"]["total"] > 1
    assert made["cost"]["peak_memory_bytes"] > 0
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_run_that_keeps_its_promises_is_done_and_counts_what_it_has(tmp_path):
    made = record(small("rigl"), tmp_path)
    metrics = made["metrics"]
    assert (made["status"], made["reason"]) == ("done", None)
    assert metrics["active"] == sum(made["topology"][-1]["active"]) == round(0.1 * metrics["maskable"])
    assert metrics["nonzero"] <= metrics["active"]
    left = network.read(tmp_path / network.FINAL)
    assert sum(int(mask.sum()) for mask in left.masks.values()) == metrics["active"]
    assert all(not left.state[name][~mask].any() for name, mask in left.masks.items())


def test_another_number_of_active_weights_than_asked_is_found():
    made = train(small("rigl"))
    assert made.final_violations() == []
    made.masks.prune_globally(sum(made.masks.active) - 2)
    assert made.final_violations() == ["9,371 active weights where the target is 9,373"]


@pytest.mark.parametrize("of_state", [False, True])
def test_a_weight_or_a_momentum_outside_its_mask_is_found(of_state):
    made = train(small("static"))
    weight = made.model.features[1][0].weight
    tensor = made.optimizer.state[weight]["momentum_buffer"] if of_state else weight.data
    ((_, _), (_, mask), *_) = made.masks.tensors()
    place = tuple((~mask).nonzero()[0])
    tensor[place] = 1e-8
    assert made.final_violations() == ["at step 40 1 weights or optimiser entries are not zero outside the masks"]


def test_a_weight_outside_its_mask_is_found_at_an_evaluation_although_an_event_clears_it():
    run = small("rigl", evaluations=20, recipe={"weight_decay": 0.0})  # or the momentum would escape too

    def escape(made):
        if made.course.ledger.steps == 9:
            weight = made.model.features[1][0].weight
            ((_, _), (_, mask), *_) = made.masks.tensors()
            weight.data[tuple((~mask).nonzero()[0])] = 1.0
        return False

    made = train(run, escape)
    assert made.masks.outside() == 0
    (found,) = made.final_violations()
    assert found.startswith("at step 10 1 weights")


def test_masks_changed_behind_the_harness_s_back_are_found():
    made = train(small("static"))
    made.masks._masks[1].fill_(1)
    (found, *_) = made.final_violations()
    assert found == "at step 40 the masks keep other numbers of weights than were booked"


def captured(name, **fields):
    """Train a rewinding run; return its state at the rewind point, right after the first rewinding, and the run."""
    states = {}

    def look(made):
        round_, there = made.course.round, made.course.position >= made._rewinding.position
        if (round_ == 0 and there) or round_ == 1:
            states.setdefault(round_, copy.deepcopy(made.state_dict()))
        return False

    made = train(small(name, rounds=1, **fields), look)
    return states[0], states[1], made


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("rewind_to", [0.0, 0.3])
def test_lottery_tickets_get_weights_optimiser_state_and_statistics_of_the_rewind_point_back(rewind_to, optimizer):
    before, after, made = captured("lth_rewind", rewind_to=rewind_to, recipe={"optimizer": optimizer, "lr": 0.01})
    masks = dict(zip(made.masks.names, after["masks"]["masks"], strict=True))
    assert any(not mask.all() for mask in masks.values())
    for name, value in before["model"].items():
        assert torch.equal(after["model"][name], value * masks.get(name, 1)), name
    assert before["model"]["features.0.1.num_batches_tracked"] == before["course"]["steps"]
    # Parameters in the order in which the optimiser holds them: all in one group here.
    for index, (name, _) in enumerate(made.model.named_parameters()):
        now = after["optimizer"]["state"][index]
        then = before["optimizer"]["state"].get(index, {})
        for part, value in now.items():
            if part in then:
                kept = masks[name] if name in masks and value.ndim else 1
                assert torch.equal(value, then[part] * kept), (name, part)
            else:
                assert not value.any(), (name, part)  # there was none before the first step
    assert made.course.position == 1


@dataclass
class Watched(WeightRewinding):
    """Keeps what it was about to prune."""

    def update(self, masks, moment, target):
        self.seen = [masks.magnitude(layer).clone() for layer in range(len(masks))]
        super().update(masks, moment, target)


@pytest.mark.parametrize("weights", [False, True])
def test_learning_rate_rewinding_keeps_weights_where_lottery_tickets_do_not(weights):
    run = small("lr_rewind")
    run.method = Watched("lr_rewind", rounds=1, rewind_to=0.2, rewind_weights=weights)
    made = train(run, lambda made: made.course.round == 1)
    assert made.course.position == pytest.approx(0.2, abs=0.05)
    same = all(
        torch.equal(made.masks.magnitude(layer), seen * made.masks.alive(layer))
        for layer, seen in enumerate(run.method.seen)
    )
    assert same is not weights
    batches = int(made.model.features[0][1].num_batches_tracked)
    assert (batches == made.course.ledger.steps) is not weights
    # Both prune by the magnitudes at the end of training.
    kept = torch.cat([made.masks.alive(layer) for layer in range(len(made.masks))])
    magnitudes = torch.cat(run.method.seen)
    assert magnitudes[kept].min() >= magnitudes[~kept].max()


def test_the_curve_follows_the_budget_and_ends_at_its_end():
    made = train(small("granet", evaluations=8))
    assert [point["step"] for point in made.history.curve] == [5, 10, 15, 20, 25, 30, 35, 40]
    assert [point["progress"] for point in made.history.curve] == [step / 40 for step in range(5, 41, 5)]
    assert made.history.curve[-1]["density"] == sum(made.history.topology[-1]["active"]) / made.masks.maskable


def test_normalisation_and_biases_decay_where_the_recipe_says_so():
    def decays(recipe):
        made = trainer(small("dense", recipe={"weight_decay": 0.1, **recipe}))
        groups = {id(p): group["weight_decay"] for group in made.optimizer.param_groups for p in group["params"]}
        return {name: groups[id(p)] for name, p in made.model.named_parameters()}

    assert set(decays({}).values()) == {0.1}
    some = decays({"decay_normalisation": False})
    assert {name for name, decay in some.items() if decay} == {
        *(f"features.{i}.0.weight" for i in range(3)),
        "classifier.weight",
    }


def test_a_layer_left_without_a_weight_is_said_at_the_event_that_empties_it():
    run = small("gmp", "steps:40", sparsity=0.9995)
    said = []
    made = trainer(run)
    made.train(said.append, lambda: None, lambda: False)
    empty = [name for name, kept in zip(made.masks.names, made.masks.active, strict=True) if not kept]
    assert empty
    texts = [event["text"] for event in said if event["event"] == "log"]
    assert {name for text in texts for name in empty if name in text} == set(empty)
    assert all(text.startswith("step ") and "no weight is left in " in text for text in texts)
    assert sum(text.count(name) for text in texts for name in empty) == len(empty)  # each once
