"""What the suites train: a net of the project under masks, with the optimiser of the papers' CIFAR recipe."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.machine.precision import precision
from harness.tasks import models
from methods import Masks
from methods.parts.distributions import erk, layer_counts

CIFAR = (3, 32, 32)
SHAPES = {"mlp": (1, 28, 28), "convnet": (1, 28, 28), "resnet50": (3, 224, 224)}
CLASSES = {"resnet50": 1000}


class Workload:
    """A net, its optimiser with momentum, its masks (ERK), and one batch of noise.

    Attributes:
        layers: The masked weights by name.
        batch: Images and labels.
    """

    def __init__(self, name: str, *, density: float, batch_size: int = 128, device: str = "cpu") -> None:
        self.shape, classes = SHAPES.get(name, CIFAR), CLASSES.get(name, 10)
        self.model = models.build(name, classes, self.shape, seed=0).to(device)
        if device == "cuda":
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device = torch.device(device)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True
        )
        self.layers = models.maskable(self.model, self.shape)
        self._draw = torch.Generator().manual_seed(0)
        self.masks = Masks(self.layers, self._draw)
        self.masks.attach(self.optimizer)
        shapes = self.masks.shapes
        if density < 1:
            self.masks.initialise(layer_counts(shapes, erk(shapes, density), density))
        images = torch.randn(batch_size, *self.shape, generator=self._draw).to(device)
        labels = torch.randint(classes, (batch_size,), generator=self._draw).to(device)
        self.batch: tuple[Tensor, Tensor] = (images, labels)

    def step(self) -> None:
        """Take one training step on the batch; masked where the masks are sparse."""
        images, labels = self.batch
        self.optimizer.zero_grad(set_to_none=True)
        with precision(self.device):
            loss = F.cross_entropy(self.model(images), labels)
        loss.backward()
        self.masks.mask_gradients()
        self.optimizer.step()

    def pretend_training(self) -> None:
        """Leave random gradients and momentum behind, as steps would, but at once."""
        for _, weight in self.layers:
            weight.grad = self._noise(weight.shape)
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                self.optimizer.state[parameter]["momentum_buffer"] = self._noise(parameter.shape)
        self.masks.reapply()

    @torch.no_grad()
    def pretend_a_step(self, masks: Mapping[str, Tensor]) -> None:
        """Move active weights, so that what grew at an event is not all zero at the next."""
        for name, weight in self.layers:
            assert weight.grad is not None
            weight.addcmul_(weight.grad, masks[name].to(weight.dtype), value=-0.1)

    def _noise(self, shape: Sequence[int]) -> Tensor:
        return (torch.randn(shape, generator=self._draw) * 1e-2).to(self.device)
