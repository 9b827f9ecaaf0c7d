"""Other people's networks: what each costs against torch's own counter, what is masked, what is refused by name."""

import pytest
import torch
import torchvision
from networks import CLASSES, COUNTED, SHAPE, run_of
from networks_refused import BY_HAND, REFUSED, ByHand, Product, Written
from runs import record
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer

from harness.audit import counts
from harness.budget.measure import measure
from harness.budget.tracing.network import counterpart
from harness.errors import UsageError

IMAGE = (3, 32, 32)


class Deep(nn.Module):
    """GoogLeNet with its auxiliary classifiers, whose scores training adds up."""

    def __init__(self):
        super().__init__()
        self.net = torchvision.models.GoogLeNet(CLASSES, aux_logits=True, init_weights=False)

    def forward(self, images):
        found = self.net(images)
        return found.logits + 0.3 * (found.aux_logits1 + found.aux_logits2) if self.training else found


def _vgg():
    made = torchvision.models.vgg11_bn(init_weights=False)
    made.classifier = nn.Linear(512 * 7 * 7, CLASSES)
    return made


def _vit():
    return VisionTransformer(32, 8, 2, 4, 32, 64, num_classes=CLASSES)


def _swin():
    return SwinTransformer([4, 4], 16, [2, 2], [2, 4], [4, 4], stochastic_depth_prob=0.2, num_classes=CLASSES)


TORCHVISION = {
    "resnet18": lambda: torchvision.models.resnet18(num_classes=CLASSES),
    "vgg11_bn": _vgg,
    "mobilenet_v2": lambda: torchvision.models.mobilenet_v2(num_classes=CLASSES),
    "mobilenet_v3_small": lambda: torchvision.models.mobilenet_v3_small(num_classes=CLASSES),
    "efficientnet_b0": lambda: torchvision.models.efficientnet_b0(num_classes=CLASSES),
    "convnext": lambda: torchvision.models.ConvNeXt(_convnext_blocks(), 0.1, num_classes=CLASSES),
    "densenet": lambda: torchvision.models.DenseNet(8, (2, 3, 2), 16, num_classes=CLASSES),
    "googlenet": Deep,
    "vit": _vit,
    "swin": _swin,
}
"""Of a size that trains in a second; what `PUBLISHED` has in full is built here with fewer blocks."""

PUBLISHED = (
    "resnet50 vgg19 mobilenet_v2 mobilenet_v3_large efficientnet_b0 convnext_tiny densenet121 vit_b_16 swin_t".split()
)


def _convnext_blocks():
    block = torchvision.models.convnext.CNBlockConfig
    return [block(16, 32, 1), block(32, 64, 1), block(64, None, 1)]


def counted_by_torch(model, shape, training):
    """Return the FLOPs of one image by torch's counter, in a mode."""
    twin = counterpart(model, "meta").train(training)
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        twin(torch.empty(2, *shape))
    return counter.get_total_flops() / 2


def counted_here(costs):
    """Return the dense FLOPs of one image in training and in evaluation mode."""
    return costs.training([layer.weights for layer in costs.layers]) / 3, costs.dense


def assert_counts_agree(model, shape, costs):
    assert counted_here(costs) == tuple(counted_by_torch(model, shape, training) for training in (True, False))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_cost_what_torch_counts_in_both_modes(name):
    with torch.device("meta"):
        model = getattr(torchvision.models, name)()
    costs = measure(model, (3, 224, 224))
    assert_counts_agree(model, (3, 224, 224), costs)
    matrices = [weight for module in model.modules() if (weight := _weight(module)) is not None]
    assert sum(layer.weights for layer in costs.layers) == sum(weight.numel() for weight in matrices)


def _weight(module):
    if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
        return module.weight
    return module.in_proj_weight if isinstance(module, nn.MultiheadAttention) else None


@pytest.mark.parametrize("name", COUNTED)
def test_what_is_written_in_another_way_costs_what_torch_counts_in_both_modes(name):
    model = COUNTED[name]()
    costs = measure(model, SHAPE)
    assert_counts_agree(model, SHAPE, costs)
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    weights = [weight for weight in model.parameters() if weight.dim() > 1 and id(weight) not in tables]
    assert sum(layer.weights for layer in costs.layers) == sum(weight.numel() for weight in weights)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_a_weight_that_cannot_be_masked_is_refused_by_name_unless_it_is_to_be_dense(name):
    make, why = REFUSED[name]
    with pytest.raises(UsageError, match="cannot mask") as caught:
        measure(make(), SHAPE)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
    names = str(caught.value).removeprefix("cannot mask ").partition(", which ")[0].split(", ")
    costs = measure(make(), SHAPE, names)
    assert "head.weight" in [layer.name for layer in costs.layers] or name == "embedded"
    if name not in ("by_hand", "product", "orthogonal", *BY_HAND):  # see docs/costs.md
        assert costs.dense == counted_by_torch(make(), SHAPE, training=False)


def test_a_recomputed_weight_that_stays_dense_is_charged_as_dense():
    model = Product()
    assert measure(model, SHAPE, ["tall", "wide"]).fixed == 2 * 192 * 16
    assert measure(ByHand(), SHAPE, ["matrix"]).fixed == 2 * 192 * 16
    assert measure(Written(BY_HAND["cosines"]), SHAPE, ["matrix"]).fixed == 2 * 192 * 16


@pytest.mark.parametrize("method", ["static", "rigl", "gmp"])
@pytest.mark.parametrize("name", [*COUNTED, *TORCHVISION])
def test_every_network_trains_at_90_percent_with_exact_counts(name, method, monkeypatch, tmp_path):
    make, shape = (COUNTED[name], SHAPE) if name in COUNTED else (TORCHVISION[name], IMAGE)
    made = record(run_of(monkeypatch, make, method, shape), tmp_path)
    assert (made["status"], made["reason"]) == ("done", None)
    assert counts.refusals(made) == []
    assert abs(made["metrics"]["active"] - round(0.1 * made["metrics"]["maskable"])) <= 1
    assert len(made["topology"]) == (1 if method == "static" else 2)


@pytest.mark.parametrize("name", TORCHVISION)
def test_networks_of_torchvision_cost_what_torch_counts_in_both_modes(name):
    model = TORCHVISION[name]()
    assert_counts_agree(model, IMAGE, measure(model, IMAGE, classes=CLASSES))
