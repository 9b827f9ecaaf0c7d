"""What methods may compute before the first step: exact, repeatable, and without a trace."""

import copy
import itertools

import pytest
import torch
from networks import CLASSES, SHAPE, Attentive, Dimensions, Tied
from runs import small
from torch import nn
from torch.nn import functional as F

from harness import generators
from harness.budget.measure import measure
from harness.budget.parts import select
from harness.budget.probe import full_batches
from harness.errors import UsageError
from harness.tasks import models
from harness.tasks.inputs import load_data
from harness.training import probing, worker
from harness.training.prepare import prepare
from methods import Method, Probe, registry


def layers_of(model, shape):
    return select(model, [layer.name for layer in measure(model, shape).layers])


def linear_layers(model):
    return [(name, weight) for name, weight in model.named_parameters() if weight.ndim > 1]


@pytest.fixture
def prober(monkeypatch):
    """Return what makes a run whose method asks for a probe."""

    class Prober(Method):
        wanted = Probe()

        def probe(self, target):
            return self.wanted

    monkeypatch.setitem(registry.METHODS, "prober", Prober(name="prober"))

    def make(**wanted):
        monkeypatch.setattr(Prober, "wanted", Probe(**wanted))
        return small("prober", recipe={"label_smoothing": 0.1})

    return make


def probed(run, model=None, batches=None):
    task = prepare(run)
    model = model or task.model
    layers = task.layers if model is task.model else layers_of(model, tuple(run.dataset.shape))
    return probing.probe(run, model, layers, batches or load_data(run).train)


def test_probes_read_the_first_batches_of_the_first_epoch(prober):
    run = prober(batches=2)
    task, batches = prepare(run), load_data(run).train
    expected = []
    for images, labels in itertools.islice(batches.epoch(0), 2):
        model = copy.deepcopy(task.model).train()
        F.cross_entropy(model(images), labels, label_smoothing=0.1).backward()
        expected.append([model.get_parameter(name).grad.flatten() for name, _ in task.layers])
    found = probing.probe(run, task.model, task.layers, batches).gradients
    for scores, one, other in zip(found, *expected, strict=True):
        torch.testing.assert_close(scores, (one + other) / 2, rtol=1e-5, atol=1e-8)


def counting(batches, seen):
    """Note what a model is given."""

    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 10)

        def forward(self, images):
            seen.append(images)
            return self.head(images.flatten(1))

    return Counting()


def test_a_probe_of_each_class_takes_its_first_images_once(prober):
    run, seen = prober(per_class=3), []
    batches = load_data(run).train
    model = counting(batches, seen)
    found = probing.probe(run, model, linear_layers(model), batches)
    assert found.hessian_gradients is None
    images, labels = (torch.cat(part) for part in zip(*batches.epoch(0), strict=True))
    first = sorted(index for label in range(10) for index in (labels == label).nonzero().flatten()[:3].tolist())
    assert torch.equal(torch.cat(seen), images[first])
    assert {len(part) for part in seen} == {15}  # two pieces, neither larger than a batch
    assert len(seen) == 2


def test_a_class_with_too_few_images_is_named(prober):
    run = prober(per_class=7)
    with pytest.raises(UsageError, match=r"^method prober probes 7 samples of each class; .* has \d+ of class \d$"):
        probed(run)


def test_more_batches_than_an_epoch_has_are_refused(prober):
    probed(prober(batches=4))  # the fifth holds 8 images
    with pytest.raises(UsageError, match="probes 5 batches of 16 samples; an epoch has 4 of that size"):
        probed(prober(batches=5))


@pytest.mark.parametrize(("samples", "size", "full"), [(72, 16, 4), (64, 16, 4), (65, 16, 3), (10, 16, 0)])
def test_only_batches_of_the_recipe_s_size_are_full(samples, size, full):
    assert full_batches(samples, size) == full


class Noisy(nn.Module):
    """Draws from the generators, keeps statistics, and replaces a buffer by another tensor."""

    def __init__(self):
        super().__init__()
        self.norm, self.head = nn.BatchNorm1d(64), nn.Linear(64, 10)
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def forward(self, images):
        self.seen = self.seen + 1
        return self.head(F.dropout(self.norm(images.flatten(1)), 0.5, self.training))


WANTED = [{"batches": 2}, {"per_class": 2, "hessian": True, "temperature": 200.0}, {"flows": 2}]


@pytest.mark.parametrize(("wanted", "passes"), [({"per_class": 1}, 1), ({"per_class": 4}, 6), ({"batches": 1}, 1)])
def test_what_fits_in_a_batch_goes_forward_once_for_gradient_and_hessian(prober, wanted, passes):
    run = prober(hessian=True, **wanted)  # 10 classes and batches of 16
    task, seen = prepare(run), []
    task.model.register_forward_pre_hook(lambda module, images: seen.append(len(images[0])))
    probing.probe(run, task.model, task.layers, load_data(run).train)
    assert len(seen) == passes
    assert sum(seen) == 16 if "batches" in wanted else 10 * wanted["per_class"] * (1 if passes == 1 else 2)


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: next(iter(wanted)))
def test_a_probe_leaves_no_trace(prober, wanted):
    run, batches = prober(**wanted), load_data(small("static")).train
    model = Noisy()
    model.norm.eval()
    before = copy.deepcopy({**model.state_dict(), "seen": model.seen})
    kept, states = model.seen, generators.state_dict("cpu")
    found = probing.probe(run, model, [("head.weight", model.head.weight)], batches)
    if wanted.get("flows"):
        found.flow()
    after = {**model.state_dict(), "seen": model.seen}
    assert all(torch.equal(before[name], value) for name, value in after.items())
    assert model.seen is kept
    assert all(parameter.grad is None for parameter in model.parameters())
    assert (model.training, model.norm.training, model.head.training) == (True, False, True)
    assert repr(generators.state_dict("cpu")) == repr(states)
    assert torch.equal(generators.state_dict("cpu")["torch"], states["torch"])


@pytest.mark.parametrize("wanted", WANTED[:2], ids=lambda wanted: next(iter(wanted)))
def test_a_probe_is_a_function_of_the_seed(prober, wanted):
    run, batches = prober(**wanted), load_data(small("static")).train
    torch.manual_seed(0)
    model = Noisy()
    layers = [("head.weight", model.head.weight)]
    one = probing.probe(run, model, layers, batches)
    torch.rand(7)
    other = probing.probe(run, model, layers, batches)
    run.seed = 5
    another = probing.probe(run, model, layers, batches)  # its dropout draws differ
    assert torch.equal(one.gradients[0], other.gradients[0])
    assert not torch.equal(one.gradients[0], another.gradients[0])


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: next(iter(wanted)))
def test_on_cuda_a_probe_gives_the_same_bits_again(prober, wanted):
    run = prober(**wanted)
    run.device = "cuda"
    worker.settle_process(run)
    scores = []
    for _ in range(2):
        task = prepare(run)
        task.model.to("cuda", memory_format=torch.channels_last)
        found = probing.probe(run, task.model, task.layers, load_data(run).train)
        scores.append(found.flow() if wanted.get("flows") else found.hessian_gradients or found.gradients)
    assert all(torch.equal(one, other) for one, other in zip(*scores, strict=True))


def test_more_passes_than_declared_are_refused(prober):
    found = probed(prober(flows=1))
    found.flow()
    with pytest.raises(RuntimeError, match=r"more data-free passes than its probe declares"):
        found.flow()


def test_a_method_that_does_not_probe_costs_nothing():
    assert probed(small("static")) is None


@pytest.mark.parametrize("make", [lambda: Attentive(need_weights=False), Tied, Dimensions])
def test_packed_tied_and_grouped_weights_have_scores_of_their_own(monkeypatch, prober, make):
    monkeypatch.setitem(models.MODELS, "network", lambda classes, shape: make())
    images = {"train_examples": 48, "val_examples": 8, "test_examples": 8, "classes": CLASSES, "shape": list(SHAPE)}
    images |= {"mean": [0.5] * 3, "std": [0.3] * 3}
    run = prober(batches=1, hessian=True, flows=1)
    run.model.name = "network"
    for name, value in images.items():
        setattr(run.dataset, name, value)
    task, batches = prepare(run), load_data(run).train
    found = probing.probe(run, task.model, task.layers, batches)
    images, labels = next(batches.epoch(0))
    F.cross_entropy(task.model(images), labels, label_smoothing=0.1).backward()
    scores = found.flow()
    assert sum(float(flows.sum()) for flows in scores) > 0
    for (_, weight), gradients, products, flows in zip(
        task.layers, found.gradients, found.hessian_gradients, scores, strict=True
    ):
        torch.testing.assert_close(gradients, weight.grad.flatten(), rtol=1e-4, atol=1e-6)
        assert products.shape == flows.shape == gradients.shape
        assert products.any()
        assert (flows >= 0).all()


class Half(nn.Module):
    """Two paths, one of which has no second derivative: leaving it out would give a wrong product, without an error."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, images):
        logits = self.head(images.flatten(1))
        return logits.tanh() + OnceOnly.apply(logits)


class OnceOnly(torch.autograd.Function):
    """Has no second derivative."""

    @staticmethod
    def forward(context, values):
        return values * 2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, slope):
        return slope * 2


class Once(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, images):
        return OnceOnly.apply(self.head(images.flatten(1)))


@pytest.mark.parametrize("make", [Once, Half])
def test_a_model_without_a_second_derivative_is_refused_by_name(prober, make):
    run, model = prober(batches=1, hessian=True), make()
    batches = load_data(run).train
    expected = r"^method prober: its scores cannot be computed on convnet \(.*twice"
    with pytest.raises(UsageError, match=expected) as caught:
        probing.probe(run, model, linear_layers(model), batches)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wanted", [{"batches": 1}, {"flows": 1}])
def test_a_score_that_is_not_finite_is_refused_by_layer(prober, wanted):
    run, model = prober(**wanted), nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with torch.no_grad():
        model[1].weight[0, 0] = float("inf")
    batches = load_data(run).train
    with pytest.raises(UsageError, match=r"of 1\.weight is NaN or infinite before training"):
        probing.probe(run, model, linear_layers(model), batches).flow()
