"""Which samples of a data set a run takes, and which of them it holds out."""

import numpy as np
import pytest
import torch
from datasets import dataset_config, refused
from runs import record, small

from harness import config
from harness.audit import counts, plausible
from harness.errors import UsageError
from harness.records import identity
from harness.tasks import data
from harness.tasks.data import loading, subset
from harness.tasks.data.sets.digits import digits

SUBSET = {"subset": 100, "train_examples": 100, "test_subset": 40, "test_examples": 40, "val_examples": 20}


def load(**changes):
    return data.load(dataset_config("digits", **changes), batch_size=10, seed=3, eval_batch_size=2000)


def whole(batches):
    """Return the inputs and targets of a split that is served in one batch."""
    ((inputs, targets),) = list(batches.epoch(0))
    return inputs, targets


def test_a_subset_is_that_of_the_tutorials_on_set():
    np.random.seed(0)
    train, test = np.arange(60_000), np.arange(10_000)
    np.random.shuffle(train)
    np.random.shuffle(test)
    found = subset.indices(60_000, 10_000)
    assert np.array_equal(found[0], train)
    assert np.array_equal(found[1], test)


def test_a_data_set_has_the_samples_of_its_subset_and_a_fingerprint_of_its_own():
    every, (train, test) = digits(dataset_config("digits")), subset.indices(1437, 360)
    part = loading.read(dataset_config("digits", **SUBSET))
    assert torch.equal(part.train_inputs, every.train_inputs[train[:100]])
    assert torch.equal(part.train_targets, every.train_targets[train[:100]])
    assert torch.equal(part.test_targets, every.test_targets[test[:40]])
    assert data.fingerprint(dataset_config("digits", **SUBSET)) not in ("absent", every.digest())
    assert data.info(dataset_config("digits", **SUBSET)) == data.Info(80, 20, 40)
    made = load(**SUBSET)
    assert (made.train.samples, made.val.samples, made.test.samples) == (80, 20, 40)
    only_test = loading.read(dataset_config("digits", test_subset=40, test_examples=40))
    assert torch.equal(only_test.train_inputs, every.train_inputs)
    assert torch.equal(only_test.test_targets, every.test_targets[test[:40]])


def test_the_last_samples_are_held_out_whatever_the_seed_where_that_is_asked():
    every = digits(dataset_config("digits"))
    _, held = whole(load(validation="last").val)
    assert torch.equal(held, every.train_targets[-144:])
    assert load(validation="last").train.samples == 1437 - 144
    _, usual = whole(load().val)
    _, stratified = whole(load(validation="stratified").val)
    assert torch.equal(usual, stratified)
    _, anyone = whole(load(validation="random").val)
    assert not torch.equal(usual, anyone)


def test_the_counts_of_a_run_follow_from_its_subsets():
    given = ["dataset=fashion_mnist", "dataset.subset=2000", "dataset.test_subset=1000", "dataset.val_examples=200"]
    plain = config.to_dict(config.resolve(given))["dataset"]
    assert (plain["train_examples"], plain["test_examples"], plain["subset"]) == (2000, 1000, 2000)
    runs = [config.resolve(["dataset=mnist", *more]) for more in ([], ["dataset.validation=stratified"])]
    first, second = (identity.settings(config.to_dict(run)) for run in runs)
    assert first == second
    assert not {"validation", "subset", "test_subset"} & set(first["dataset"])
    steps = config.resolve([*given, "method=set", "method.interval=1 epoch", "recipe.batch_size=40"])
    assert steps.method.interval == 45


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["dataset.subset=70000"], "dataset.subset=70000: allowed are 1 to 60000, 0 for all"),
        (["dataset.subset=-1"], "dataset.subset=-1: allowed are 1 to 60000, 0 for all"),
        (["dataset.subset=10", "dataset.train_examples=20"], "dataset.subset=10 sets dataset.train_examples: drop one"),
        (["dataset.validation=first"], "unknown dataset.validation 'first': allowed are default, last, random, strat"),
    ],
)
def test_a_part_that_cannot_be_had_is_refused_when_a_run_is_composed(given, said):
    with pytest.raises(UsageError) as caught:
        config.resolve(["dataset=mnist", *given])
    assert said in str(caught.value)


def test_a_part_that_the_data_do_not_have_is_refused():
    tree = dataset_config("imagenet", subset=10, train_examples=10)
    assert "is of data in memory" in refused(lambda: data.info(tree))
    ordered = dataset_config("imagenet", validation="last")
    assert "lie in the order of their classes" in refused(lambda: data.info(ordered))
    fewer = dataset_config("digits", **{**SUBSET, "test_subset": 400})
    assert refused(lambda: loading.read(fewer)) == "dataset.test_subset=400: digits has 360"
    few = dataset_config("digits", subset=3, train_examples=3, val_examples=1)
    said = "dataset.subset=3: leaves 8 of 10 classes of digits without a training sample; take more"
    assert refused(lambda: loading.read(few)) == said


def test_pixels_are_served_from_0_to_1_with_a_mean_of_0_and_a_deviation_of_1():
    every = digits(dataset_config("digits"))
    inputs, _ = whole(load(mean=[0.0], std=[1.0]).test)
    torch.testing.assert_close(inputs, every.test_inputs.permute(0, 3, 1, 2).float() / 255)


@pytest.mark.parametrize("method", ["rigl", "lth_rewind"])
def test_without_a_validation_split_all_is_trained_on_and_nothing_validated(method, tmp_path):
    made = record(small(method, "epochs:4", dataset={"val_examples": 0}), tmp_path)
    assert (made["status"], made["reason"]) == ("done", None)
    assert made["cost"]["samples"] == 4 * 96
    assert made["metrics"]["val_accuracy"] is None
    assert {point["val_accuracy"] for point in (*made["curve"], *made["rounds"])} == {None}
    assert all(point["train_loss"] > 0 for point in made["curve"])
    assert plausible.refusals(made) == counts.refusals(made) == []
    assert data.info(dataset_config("digits", val_examples=0)) == data.Info(1437, 0, 360)
    made["curve"][-1]["val_accuracy"] = 0.5
    assert "curve: a validation accuracy, of no samples" in plausible.refusals(made)
