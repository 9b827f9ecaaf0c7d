"""Which test images were classified correctly: stored in a record, in the data set's order, and checked."""

import base64
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from records import make, resealed
from runs import record, small

from harness.audit import counts, plausible, scores
from harness.audit.submission import check
from harness.records import bits, record_name
from harness.records.record import text
from harness.tasks.inputs import load_data
from harness.tasks.score import evaluate
from harness.training.prepare import prepare


def holding(right, accuracy=None):
    made = make("static", 0.9, 0, accuracy=right.mean() if accuracy is None else accuracy)
    made["config"]["dataset"]["test_examples"] = len(right)
    made["metrics"]["test_right"] = bits.pack(right)
    return made


@given(arrays(bool, st.integers(1, 300)))
def test_bits_come_back_as_they_were_packed(right):
    made = holding(right, 0.9)
    assert np.array_equal(bits.right(made), right)
    assert bits.unpack(made["metrics"]["test_right"], len(right)) == np.packbits(right).tobytes()


@given(st.data(), st.integers(1, 100))
def test_the_images_on_which_two_runs_differ_are_counted(data, images):
    one, other = (data.draw(arrays(bool, images)) for _ in range(2))
    assert bits.differing(bits.pack(one), bits.pack(other), images) == (one != other).sum()


def test_ten_thousand_images_take_less_than_two_kilobytes():
    right = np.random.default_rng(0).random(10_000) < 0.5
    assert len(bits.pack(right)) < 1700
    assert bits.pack(np.random.default_rng(0).random(2_000_000) < 0.5) is None


def test_a_record_that_does_not_say_has_none():
    made = make("static", 0.9, 0)
    assert bits.right(made) is None
    assert bits.right({**made, "metrics": {**made["metrics"], "test_right": None}}) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("not base64!", "cannot be read"),
        (base64.b64encode(b"not zlib").decode(), "cannot be read"),
        (base64.b64encode(zlib.compress(bytes(2**24))).decode(), "more bits where the test set has 12 samples"),
        (base64.b64encode(zlib.compress(b"\xff")).decode(), "8 bits where the test set has 12 samples"),
        (base64.b64encode(zlib.compress(b"\xff\xff")).decode(), "more bits than the 12 samples"),
        ("é" * 8, "cannot be read"),
    ],
)
def test_what_is_not_one_bit_an_image_is_refused_in_a_line(content, reason):
    with pytest.raises(ValueError, match=reason):
        bits.unpack(content, 12)


def test_the_checker_compares_the_images_with_the_accuracy():
    right = np.arange(1000) < 960
    assert plausible.refusals(holding(right)) == []
    (line,) = plausible.refusals(holding(right[::-1], accuracy=0.959))
    assert line == "test_right: 960 samples are right, the accuracy is 959 of 1000"
    broken = holding(right)
    broken["metrics"]["test_right"] = "x"
    assert plausible.refusals(broken) == ["test_right: cannot be read; it is base64 of zlib of one bit a sample"]


@pytest.mark.parametrize("dataset", [{}, {"test_examples": 33}])
def test_a_run_stores_its_right_images_in_the_order_of_the_data_set(dataset, tmp_path):
    run = small("static", "steps:20", dataset=dataset)
    made = record(run, tmp_path)
    right = bits.right(made)
    assert right.shape == (run.dataset.test_examples,)
    assert right.mean() == made["metrics"]["test_accuracy"]
    assert scores._right(made) == []
    labels = torch.cat([labels for _, labels in load_data(run).test.epoch(0)])
    assert torch.equal(labels, torch.arange(len(right)) % run.dataset.classes)  # as the synthetic set deals them out


def test_an_evaluation_returns_each_image_s_own_verdict():
    run = small("static")
    model, test = prepare(run).model, load_data(run).test
    score = evaluate(model, test, each=True)
    assert evaluate(model, test) == score
    assert evaluate(model, test).right is None
    model.eval()
    images, labels = (torch.cat(parts) for parts in zip(*test.epoch(0), strict=True))
    with torch.no_grad():
        alone = torch.cat([model(image[None]).argmax(1) for image in images])
    assert torch.equal(score.right, alone == labels)


def test_a_trial_is_trained_without_the_test_set_and_is_no_submission(tmp_path):
    run = small("static", "steps:20")
    run.test = False
    made = record(run, tmp_path)
    assert made["status"] == "done"
    assert [made["metrics"][name] for name in ("test_accuracy", "test_top5", "test_loss", "test_right")] == [None] * 4
    assert made["metrics"]["val_accuracy"] is not None
    assert counts.refusals(made) == []
    full = record(small("static", "steps:20"), tmp_path)
    for part in ("curve", "topology"):
        assert made[part] == full[part]
    made = resealed(made)
    path = tmp_path / record_name(made)
    path.write_text(text(made))
    lines = check([path])[path]
    assert any(line.startswith("test: ") and "trial" in line for line in lines)
    assert not any("accuracy" in line for line in lines)
