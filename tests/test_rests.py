"""The rest of an epoch: cut by one rule in training, ledger, plan and checker; a run that it changes is version 2."""

import copy

import pytest
import torch
from records import make
from runs import small, train

from harness import config
from harness.audit import counts, recount
from harness.budget.epoch import budget_samples, last_batch, steps_per_epoch
from harness.cli import main as cli
from harness.records import identity
from harness.tasks.data.order import bounds
from harness.training.prepare import sized


@pytest.mark.parametrize(
    ("samples", "batch_size", "sizes"),
    [
        (1293, 129, [129] * 9 + [132]),  # 3 remain
        (72, 71, [72]),  # 1 remains
        (9, 8, [9]),  # a single image joins whatever the batch size
        (5, 2, [2, 3]),
        (18, 16, [16, 2]),  # an eighth is enough for a batch
        (34, 17, [17, 17]),
        (36, 17, [17, 19]),
        (7, 16, [7]),  # there is no batch before it
        (3, 1, [1, 1, 1]),
    ],
)
def test_a_rest_of_one_image_or_less_than_an_eighth_of_a_batch_joins_the_batch_before(samples, batch_size, sizes):
    assert [end - begin for begin, end in bounds(samples, batch_size, training=True)] == sizes


def test_what_is_evaluated_is_cut_into_batches_and_a_rest():
    assert bounds(10, 9, training=False) == [(0, 9), (9, 10)]


@pytest.mark.parametrize("samples", [*range(1, 40), 72, 129, 130, 1293])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 8, 9, 64, 129])
def test_loader_ledger_and_checker_cut_alike(samples, batch_size):
    cut = bounds(samples, batch_size, training=True)
    assert [begin for begin, _ in cut] == [0, *(end for _, end in cut[:-1])]
    assert cut[-1][1] == samples
    assert len(cut) == steps_per_epoch(samples, batch_size)
    assert cut[-1][1] - cut[-1][0] == last_batch(samples, batch_size)
    held = {"train_samples": samples, "recipe": {"batch_size": batch_size}}
    record = {"config": held, "code": {"results": "2"}}
    assert recount.largest_batch(record) == max(end - begin for begin, end in cut)
    for steps in range(2 * len(cut) + 1):
        epochs, rest = divmod(steps, len(cut))
        images = epochs * samples + sum(end - begin for begin, end in cut[:rest])
        assert budget_samples(steps, samples, batch_size) == recount.samples(record, steps) == images


def test_a_run_trains_the_joined_batch_and_books_it():
    made = train(small("static", "epochs:2", recipe={"batch_size": 35}))  # 72 images: 35, and 35 with the 2 that remain
    assert (made.course.ledger.steps, made.course.ledger.samples) == (4, 144)
    assert torch.tensor([len(labels) for _, labels in made._splits.train.epoch(0)]).tolist() == [35, 37]


def test_the_plan_says_that_a_rest_was_joined():
    assert sized(small("static", "epochs:2", recipe={"batch_size": 35})).notes == (
        "the last batch of each epoch holds 37 images: a rest of 2 is too small for a batch of its own",
    )
    assert sized(small("static", "epochs:2", recipe={"batch_size": 16})).notes == ()


@pytest.mark.parametrize(("batch_size", "version"), [(16, "1"), (35, "2"), (71, "2"), (200, "1")])
def test_results_version_2_names_the_runs_whose_rest_is_joined(batch_size, version):
    run = small("static", recipe={"batch_size": batch_size, "warmup_epochs": 0})
    assert identity.results_version(identity.settings(config.to_dict(run))) == version


def test_a_record_is_counted_by_the_rule_that_it_was_trained_under():
    record = make("static", 0.9, 0)
    assert record["code"]["results"] == "1"
    record["config"]["recipe"]["batch_size"] = 37
    size = recount.train_samples(record["config"])
    assert size % 37 == 1
    later = copy.deepcopy(record)
    later["code"]["results"] = "2"
    assert recount.per_epoch(record) == recount.per_epoch(later) + 1 == size // 37 + 1
    assert recount.recount(record).samples <= recount.recount(later).samples
    assert counts.refusals(record) != counts.refusals(later)


def test_the_plan_prints_a_note_once_with_the_number_of_its_runs(capsys):
    for arguments, line in (
        (["dataset=digits", "recipe.batch_size=129"], "note: the last batch of each epoch holds 132 images"),
        (
            ["--suite", "smoke", "method=[dense,rigl]", "recipe.batch_size=129", "seed=[0,1]"],
            "note on 4: the last batch",
        ),
    ):
        given = cli.parse(["plan", "runner=local", *arguments])
        assert given.call(given) == 0
        assert capsys.readouterr().out.count(line) == 1
