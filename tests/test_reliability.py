"""Reliability of a model: calibration and corruptions against independent arithmetic, and in records."""

import copy
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from records import make
from runs import record, small

from harness import config
from harness.audit import reliability as audit
from harness.config.check import check
from harness.errors import UsageError
from harness.records import identity, validate
from harness.records import reliability as files
from harness.tasks.data.normalise import Normalise
from harness.tasks.inputs import load_data
from harness.tasks.reliability.calibration import BINS, Calibrating
from harness.tasks.reliability.corruptions import SEVERITIES, accuracies, corrupted
from harness.tasks.reliability.predictions import Predictions, Together, predict
from harness.tasks.score import evaluate
from harness.training.prepare import prepare
from harness.vocabulary import CORRUPTIONS


def by_hand(logits, labels):
    """Return the calibration error and the Brier score, image by image, in NumPy's float64."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    bins = [[] for _ in range(15)]
    brier = 0.0
    for row, label in zip(probabilities, labels, strict=True):
        sure = row.max()
        place = next(number for number in range(15) if sure <= (number + 1) / 15 or number == 14)
        bins[place].append((sure, row.argmax() == label))
        brier += sum((value - (number == label)) ** 2 for number, value in enumerate(row))
    gaps = [
        len(each) / len(labels) * abs(np.mean([right for _, right in each]) - np.mean([sure for sure, _ in each]))
        for each in bins
        if each
    ]
    return sum(gaps), brier / len(labels)


def calibration(logits, labels, size=7):
    found = Calibrating()
    for start in range(0, len(labels), size):
        part, of = torch.from_numpy(logits[start : start + size]), torch.from_numpy(labels[start : start + size])
        found.add(part.softmax(1), of, part.argmax(1) == of)
    return found.result()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(2, 12), st.integers(1, 60), st.floats(0.01, 30))
def test_calibration_error_and_brier_score_are_those_computed_by_hand(seed, classes, images, scale):
    draw = np.random.default_rng(seed)
    logits, labels = scale * draw.normal(size=(images, classes)), draw.integers(0, classes, images)
    assert calibration(logits, labels) == pytest.approx(by_hand(logits, labels), rel=1e-9, abs=1e-12)


def test_known_values_of_calibration():
    sure = np.array([[50.0, 0.0]] * 4)
    assert calibration(sure, np.array([0, 0, 0, 0])) == pytest.approx((0, 0), abs=1e-12)
    assert calibration(sure, np.array([1, 1, 1, 1])) == pytest.approx((1, 2))
    even = np.zeros((4, 2))  # a probability of one half for both: right half of the time
    found = Calibrating()
    labels = torch.tensor([0, 0, 1, 1])
    found.add(torch.from_numpy(even).softmax(1), labels, labels == 0)
    assert found.result() == pytest.approx((0, 0.5))


def test_an_upper_edge_belongs_to_its_bin():
    """Two images, one in the bin that ends at 0.6 and one in the next, differ in opposite directions."""
    edge = 9 / BINS
    probabilities = torch.tensor([[edge, 1 - edge], [0.61, 0.39]], dtype=torch.float64)
    found = Calibrating()
    found.add(probabilities, torch.tensor([0, 1]), torch.tensor([True, False]))
    assert found.result().ece == pytest.approx(((1 - edge) + 0.61) / 2)


def images(number, shape=(1, 8, 8), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (number, *shape), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 9), (3, 32, 32)])
def test_a_corruption_depends_on_the_image_and_its_place_alone(name, shape):
    whole = images(5, shape)
    for severity in SEVERITIES:
        found = corrupted(whole, name, severity, first=3)
        assert found.dtype == torch.uint8
        assert found.shape == whole.shape
        torch.rand(7)  # whatever has been drawn
        alone = [corrupted(whole[place : place + 1], name, severity, first=3 + place) for place in (4, 0, 2)]
        assert torch.equal(torch.cat(alone), found[[4, 0, 2]])
        assert not torch.equal(found, whole)
    if name in ("noise", "elastic"):
        assert not torch.equal(corrupted(whole[:1], name, 1, first=0), corrupted(whole[:1], name, 1, first=1))


def test_a_corruption_leaves_the_generator_as_it_was():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    corrupted(images(2), "noise", 2)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("name", ["noise", "blur", "contrast", "elastic", "jpeg"])
def test_the_second_severity_changes_more(name):
    picture = torch.linspace(0, 255, 32).round().to(torch.uint8).expand(1, 3, 32, 32).clone()
    picture[..., 8:24, 8:24] = 255 - picture[..., 8:24, 8:24]
    picture = picture.expand(4, -1, -1, -1)
    changed = [float((corrupted(picture, name, each).float() - picture).square().mean()) for each in SEVERITIES]
    assert changed[1] > 1.2 * changed[0] > 0


def test_noise_contrast_and_brightness_are_as_documented():
    grey = torch.full((1, 3, 64, 64), 100, dtype=torch.uint8)
    grey[..., :32] = 60
    for severity, sigma in zip(SEVERITIES, (0.08, 0.16), strict=True):
        noise = corrupted(torch.full_like(grey, 128), "noise", severity).float() - 128
        assert float(noise.std()) == pytest.approx(255 * sigma, rel=0.03)
    for severity, factor in zip(SEVERITIES, (0.5, 0.25), strict=True):
        found = corrupted(grey, "contrast", severity)
        assert int(found[0, 0, 0, -1]) - int(found[0, 0, 0, 0]) == pytest.approx(40 * factor, abs=1)
    for severity, factor in zip(SEVERITIES, (1.5, 2.0), strict=True):
        assert int(corrupted(grey, "brightness", severity)[0, 0, 0, 0]) == 60 * factor


@given(st.integers(0, 1000), st.floats(0.0, 1.0), st.floats(0.01, 2.0))
@settings(deadline=None, max_examples=30)
def test_bytes_come_back_from_network_inputs(seed, mean, std):
    shown = images(2, (3, 8, 8), seed)
    normalise = Normalise([mean] * 3, [std] * 3, torch.device("cpu"))
    assert torch.equal(normalise.undone(normalise(shown)), shown)


def test_accuracies_are_those_of_corrupted_images_scored_one_by_one():
    run = small("static")
    model, test = prepare(run).model.eval(), load_data(run).test
    inputs, labels = (torch.cat(parts) for parts in zip(*test.epoch(0), strict=True))
    told = []
    found = accuracies(model, test, run.dataset.mean, run.dataset.std, told.append)
    assert sum(told) == pytest.approx(12)
    normalise = Normalise(run.dataset.mean, run.dataset.std, torch.device("cpu"))
    shown = normalise.undone(inputs)
    for name in CORRUPTIONS:
        for place, severity in enumerate(SEVERITIES):
            with torch.no_grad():
                right = [
                    int(model(normalise(corrupted(image[None], name, severity, first=number))).argmax()) == label
                    for number, (image, label) in enumerate(zip(shown, labels.tolist(), strict=True))
                ]
            assert found[name][place] == sum(right) / len(right)


def said(seed, images=40, classes=5):
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(images) % classes
    probabilities = torch.randn(images, classes, generator=draw, dtype=torch.float64).softmax(1)
    return Predictions(labels, probabilities.argmax(1), probabilities)


def test_an_ensemble_of_one_is_the_model():
    run = small("static")
    model, test = prepare(run).model, load_data(run).test
    score = evaluate(model, test, each=True)
    alone = Together()
    alone.add(predict(model, test))
    found = alone.ensemble()
    assert found.accuracy == score.accuracy
    assert found.calibration == score.calibration
    assert alone.agreement() == 1


def test_agreement_is_the_mean_over_pairs_and_an_ensemble_the_mean_of_probabilities():
    same = Together()
    for _ in range(3):
        same.add(said(0))
    assert same.agreement() == 1
    assert same.ensemble().accuracy == float((said(0).classes == said(0).labels).double().mean())
    three, parts = Together(), [said(seed) for seed in range(3)]
    for each in parts:
        three.add(each)
    pairs = [(0, 1), (0, 2), (1, 2)]
    equal = [np.mean(parts[one].classes.numpy() == parts[other].classes.numpy()) for one, other in pairs]
    assert three.agreement() == pytest.approx(np.mean(equal))
    mean = np.mean([each.probabilities.numpy() for each in parts], axis=0)
    found, labels = three.ensemble(), parts[0].labels.numpy()
    assert found.accuracy == np.mean(mean.argmax(1) == labels)
    assert found.calibration == pytest.approx(by_hand(np.log(mean), labels))
    with pytest.raises(UsageError, match="not that of the other seeds"):
        three.add(said(0, images=41))


def test_calibration_and_corruptions_of_a_record_are_those_of_its_network(tmp_path):
    run = small("static", "steps:20")
    plain = record(run, tmp_path)
    assert plain["status"] == "done"
    assert plain["reliability"].keys() == {"bins", "ece", "brier"}
    assert validate.validate(plain) == []
    (tmp_path / "more").mkdir()
    run.corruptions = True
    more = record(run, tmp_path / "more")
    assert more["config"] == {**plain["config"], "corruptions": True}
    under = more["reliability"].pop("corruptions")
    assert more["reliability"] == plain["reliability"]
    assert more["metrics"] == plain["metrics"]
    assert [*under] == [*CORRUPTIONS, "mean"]
    assert under["mean"] == pytest.approx(np.mean([under[name] for name in CORRUPTIONS]))


def test_the_setting_changes_no_identity_and_is_left_out_at_its_default():
    run = small("static")
    assert "corruptions" not in config.to_dict(run)
    before = identity.settings(config.to_dict(run))
    run.corruptions = True
    told = config.to_dict(run)
    assert told["corruptions"] is True
    assert identity.settings(told) == before
    assert config.from_dict(told).corruptions


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        ({"shape": [2, 8, 8], "mean": [0.5] * 2, "std": [0.3] * 2}, "corruptions=true: images of 2 channels"),
        ({"shape": [1, 7, 9]}, "corruptions=true: images of 7x9 pixels"),
    ],
)
def test_images_that_cannot_be_corrupted_are_refused_by_name(dataset, reason):
    run = small("static", dataset=dataset)
    check(run)
    run.corruptions = True
    with pytest.raises(UsageError, match=reason):
        check(run)


def test_a_trial_has_no_test_images_to_corrupt(tmp_path):
    with pytest.raises(UsageError, match="corruptions=true scores the test set, which test=false leaves alone"):
        config.resolve(["corruptions=true", "test=false"])
    run = small("static", "steps:20")
    run.test = False
    assert "reliability" not in record(run, tmp_path)


def group(**changes):
    under = {name: [0.5, 0.25] for name in CORRUPTIONS}
    return {**files.group(15, 0.05, 0.4, under), **changes}


def lie(**changes):
    return {**group(), "corruptions": {**group()["corruptions"], **changes}}


def test_the_referee_s_figures_must_be_those_of_the_record():
    assert audit.problems(group(), group(), 1000) == []
    assert audit.problems(None, None, 1000) == []
    for mine, theirs in ((None, group()), (group(), None)):
        assert audit.problems(mine, theirs, 1000) == ["reliability is missing, or was measured on no sample"]
    (line,) = audit.problems(group(ece=0.01), group(), 1000)
    assert line == "reliability.ece is 0.01, measured 0.05"
    assert audit.problems(group(brier=0.3), group(), 1000) == ["reliability.brier is 0.3, measured 0.4"]
    (line,) = audit.problems(lie(jpeg=[0.5, 0.5]), group(), 1000)
    assert line == "reliability.corruptions.jpeg[1] is 0.5, measured 0.25"
    assert audit.problems(group(bins=10), group(), 1000) == ["reliability holds other values than were requested"]
    alone = {name: value for name, value in group().items() if name != "corruptions"}
    assert audit.problems(alone, group(), 1000) == ["reliability holds other values than were requested"]


def test_what_cannot_be_is_refused():
    honest = make() | {"reliability": group()}
    honest["metrics"]["test_accuracy"] = 0.8
    assert validate.validate(honest) == []
    assert audit.refusals(honest) == []
    assert audit.refusals(make()) == []
    for changes, reason in (
        (group(brier=0.09), "reliability.brier: 0.09, but an accuracy of 0.8 costs more"),
        (lie(noise=[0.5, 0.2503]), "reliability.corruptions.noise[1]: 0.2503 is not a multiple of 1/1000"),
        (lie(mean=0.5), "reliability.corruptions.mean: 0.5 is not the mean of the accuracies"),
    ):
        assert reason in audit.refusals(honest | {"reliability": changes})


@pytest.mark.parametrize(
    "change",
    [
        {"ece": 1.5},
        {"brier": -0.1},
        {"brier": None},
        {"bins": 0},
        {"more": 1},
        {"corruptions": {"noise": [0.5, 0.5], "mean": 0.5}},
        {"corruptions": {**{name: [0.5] for name in CORRUPTIONS}, "mean": 0.5}},
    ],
)
def test_a_group_out_of_bounds_is_no_record(change):
    broken = copy.deepcopy(make()) | {"reliability": {**group(), **change}}
    assert validate.validate(broken)
    assert json.dumps(broken)
