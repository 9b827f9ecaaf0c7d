"""Accuracy on corrupted test images: six corruptions at two severities, from torchvision's v2 transforms.

The kinds are six of those of Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations"; docs/reliability.md has the parameters. Of lengths in pixels, a side is the shorter side
of an image.

Images are corrupted as bytes, one by one, and draw from a generator that is seeded by the image's place in the test set
and the corruption: neither batch size nor order changes a pixel, every run sees the same images, and a corruption draws
the same numbers at both severities.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from harness.seeds import derive
from harness.tasks.data import Batches
from harness.tasks.data.normalise import Normalise
from harness.tasks.score import answers, evaluating
from harness.vocabulary import CORRUPTIONS

SEVERITIES = (1, 2)
PASSES = len(CORRUPTIONS) * len(SEVERITIES)
"""How often the test set is classified."""

BLUR = (3 / 224, 6 / 224)
_LEAST_BLUR = (0.5, 1.0)
_SMOOTHEST = 5.0
_ALPHA = (4.0, 8.0)


def _noise(image: Tensor, level: int) -> Tensor:
    return F.gaussian_noise(image, sigma=(0.08, 0.16)[level])


def _blur(image: Tensor, level: int) -> Tensor:
    sigma = max(_LEAST_BLUR[level], BLUR[level] * _side(image))
    size = 2 * math.ceil(3 * sigma) + 1
    return F.gaussian_blur(image, kernel_size=[size, size], sigma=[sigma, sigma])


def _contrast(image: Tensor, level: int) -> Tensor:
    return F.adjust_contrast(image, (0.5, 0.25)[level])


def _brightness(image: Tensor, level: int) -> Tensor:
    return F.adjust_brightness(image, (1.5, 2.0)[level])


def _elastic(image: Tensor, level: int) -> Tensor:
    smooth = min(max(_side(image) / 16, 1.0), _SMOOTHEST)
    # Uniform offsets blurred by a Gaussian of this width have a standard deviation of 0.163 / width; torchvision takes
    # alpha / 2 of them, in pixels.
    made: Tensor = v2.ElasticTransform(alpha=_ALPHA[level] * smooth**2, sigma=smooth)(image)
    return made


def _jpeg(image: Tensor, level: int) -> Tensor:
    return F.jpeg(image, (40, 15)[level])


_KINDS: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "noise": _noise,
    "blur": _blur,
    "contrast": _contrast,
    "brightness": _brightness,
    "elastic": _elastic,
    "jpeg": _jpeg,
}
assert tuple(_KINDS) == CORRUPTIONS


def corrupted(images: Tensor, name: str, severity: int, first: int = 0) -> Tensor:
    """Return corrupted copies of images.

    Args:
        images: uint8, shape (images, 1 or 3, height, width), at least 8 pixels high and wide, on the CPU.
        name: One of `harness.vocabulary.CORRUPTIONS`.
        severity: One of `SEVERITIES`.
        first: Place of the first of them in the test set.

    Returns:
        uint8, of the same shape.
    """
    made = []
    with torch.random.fork_rng(devices=[]):
        for number, image in enumerate(images.contiguous(), first):
            # Not torch.manual_seed, which would reseed every CUDA device too.
            torch.default_generator.manual_seed(derive(0, "corruption", name, number))
            made.append(_KINDS[name](image, severity - 1))
    return torch.stack(made)


def accuracies(
    model: nn.Module,
    batches: Batches,
    mean: Sequence[float],
    std: Sequence[float],
    tell: Callable[[float], object] = lambda passes: None,
) -> dict[str, list[float]]:
    """Score a model on a split under every corruption.

    Args:
        model: On the device of the batches.
        batches: The split; its images are read once.
        mean: Of each channel, which the batches are normalised by.
        std: Of each channel, likewise.
        tell: Takes how many of the `PASSES` over the split have been made since it was last called.

    Returns:
        Accuracies by corruption, one for each severity.
    """
    device = next(model.parameters()).device
    normalise = Normalise(mean, std, device)
    right = {name: [0 for _ in SEVERITIES] for name in CORRUPTIONS}
    seen = 0
    with evaluating(model):
        for images, labels in batches.epoch(0):
            plain = normalise.undone(images).cpu()
            for name, counts in right.items():
                for place, severity in enumerate(SEVERITIES):
                    shown = corrupted(plain, name, severity, first=seen)
                    inputs = normalise(shown.to(device, memory_format=torch.channels_last))
                    counts[place] += int((answers(model, inputs).topk(1, dim=1).indices[:, 0] == labels).sum())
                tell(len(SEVERITIES) * len(labels) / batches.samples)
            seen += len(labels)
    return {name: [count / batches.samples for count in counts] for name, counts in right.items()}


def _side(image: Tensor) -> int:
    return min(image.shape[-2:])
