"""What another draw of test images adds to an interval (F12), against the textbook's sums and drawn test sets."""

import csv
import io
import math
import random

import numpy as np
import pytest
from boards import of, only_table
from hypothesis import given, settings
from hypothesis import strategies as st
from records import make
from scipy import stats

from harness.board import csv_text, sampling, wording
from harness.records import bits

IMAGES = 1000  # of the records


def answered(method, answers):
    """Records that say which images each seed got right."""
    return [
        with_bits(make(method, 0.9, seed, accuracy=float(np.mean(right)), runner="docker"), right)
        for seed, right in enumerate(answers)
    ]


def with_bits(record, right):
    record["metrics"]["test_right"] = bits.pack(np.array(right, dtype=bool))
    return record


def layout(rng, seeds, images, spread_of_seeds=0.2, spread_of_images=1.5):
    """Right and wrong answers of a probit model with crossed random effects."""
    of_seeds = rng.normal(0, spread_of_seeds, (seeds, 1))
    return rng.normal(1.3 + of_seeds + rng.normal(0, spread_of_images, images), 1, (seeds, images)) > 0


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(2, 60), st.integers(0, 10**6))
def test_the_variance_is_that_of_the_two_way_layout(seeds, images, number):
    table = layout(np.random.default_rng(number), seeds, images).astype(float)
    mean = table.mean()
    among = seeds * ((table.mean(axis=0) - mean) ** 2).sum() / (images - 1)
    residual = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + mean
    rest = (residual**2).sum() / ((images - 1) * (seeds - 1))
    expected = max(0.0, among - rest) / (seeds * images)
    assert sampling.variance_of_samples(table.astype(bool)) == pytest.approx(expected, abs=1e-12)


def test_the_interval_is_wider_than_that_over_seeds_by_the_square_of_its_part():
    answers = layout(np.random.default_rng(3), 3, IMAGES)
    row = only_table(answered("set", answers)).rows[0]
    seeds = stats.t.ppf(0.975, 2) * stats.sem(answers.mean(axis=1))
    images = stats.norm.ppf(0.975) * math.sqrt(sampling.variance_of_samples(answers))
    assert row.score.half_width == pytest.approx(seeds)
    assert sampling.half_width(row) == pytest.approx(math.hypot(seeds, images))
    told = f"± {100 * math.hypot(seeds, images):.2f} with other test images"
    assert told in wording.estimated(row)
    (found,) = csv.DictReader(io.StringIO(csv_text(of(answered("set", answers)))))
    assert float(found["top1_ci95_half_width_with_test_images"]) == pytest.approx(math.hypot(seeds, images))


def test_the_same_answers_on_every_seed_leave_the_binomial_of_the_images():
    right = np.arange(IMAGES) < 900
    row = only_table(answered("set", [right] * 3)).rows[0]
    assert row.score.half_width == 0
    assert sampling.half_width(row) == pytest.approx(1.959964 * math.sqrt(0.9 * 0.1 / (IMAGES - 1)), rel=1e-6)


def test_answers_that_no_image_decides_add_nothing():
    """Each seed gets images of its own right: images are all alike, and another draw changes nothing."""
    table = np.array([[seed == image % 3 for image in range(999)] for seed in range(3)])
    assert sampling.variance_of_samples(table) == 0


def test_intervals_hold_for_new_seeds_and_new_test_sets():
    """The interval over seeds alone holds in some 85 % where the draw of the test set is part of chance."""
    truth = float(stats.norm.cdf(1.3 / math.sqrt(1 + 0.1**2 + 1.5**2)))
    rng = np.random.default_rng(0)
    held = {"seeds": 0, "both": 0}
    for _ in range(400):
        table = layout(rng, 3, 300, spread_of_seeds=0.1)
        accuracies = table.mean(axis=1)
        seeds = stats.t.ppf(0.975, 2) * stats.sem(accuracies)
        both = math.hypot(seeds, 1.96 * math.sqrt(sampling.variance_of_samples(table)))
        held["seeds"] += abs(accuracies.mean() - truth) <= seeds
        held["both"] += abs(accuracies.mean() - truth) <= both
    assert held["both"] / 400 >= 0.94
    assert held["seeds"] / 400 < 0.93


def changed(record, **metrics):
    return record | {"metrics": record["metrics"] | metrics}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: changed(record, test_right=None),
        lambda record: changed(record, test_right="not bits"),
        lambda record: changed(record, test_right=bits.pack(np.ones(7, dtype=bool))),
        lambda record: changed(record, test_accuracy=0.123),  # of another result
    ],
)
def test_no_interval_is_made_of_what_some_run_does_not_say(spoil):
    records = answered("set", layout(np.random.default_rng(4), 3, IMAGES))
    assert sampling.half_width(only_table(records).rows[0]) is not None
    records[random.Random(0).randrange(3)] = spoil(records[0])
    records = [record | {"seed": seed} for seed, record in enumerate(records)]
    row = only_table(records).rows[0]
    assert sampling.half_width(row) is None
    assert "test images" not in wording.estimated(row)


def test_one_seed_has_no_interval_of_either_kind():
    row = only_table(answered("set", layout(np.random.default_rng(5), 1, IMAGES))).rows[0]
    assert sampling.half_width(row) is None
    assert sampling.half_width(only_table([make("set", 0.9, 0, status="diverged")]).rows[0]) is None


@pytest.mark.parametrize("dataset", [None, {}, {"test_examples": None}, {"test_examples": 1}])
def test_records_that_do_not_say_how_many_images_there_are_have_the_interval_over_seeds(dataset):
    records = answered("set", layout(np.random.default_rng(6), 3, IMAGES))
    for record in records:
        record["config"]["dataset"] = dataset
    row = only_table(records).rows[0]
    assert sampling.half_width(row) is None
    assert csv_text(of(records))
