"""Which samples are held out, and in which order the others come: functions of the seed alone."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from harness.errors import UsageError
from harness.seeds import derive


class Batches(Protocol):
    """A stream of batches that can be entered at any step of any epoch.

    Attributes:
        samples: Samples of one epoch.
        batch_size: Samples of one batch; the last one of an epoch may be smaller.
        steps_per_epoch: Batches of one epoch, the smaller one included.
    """

    samples: int
    batch_size: int

    @property
    def steps_per_epoch(self) -> int: ...  # noqa: D102 - described above

    def epoch(self, index: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of epoch ``index`` from step ``start`` on.

        Batch number i is the same whatever ``start`` was: order and augmentation depend only on the seed, the
        epoch and the sample.

        Yields:
            Normalised float32 images [batch, channels, height, width] and int64 labels [batch], on the
            device.
        """
        ...


def hold_out(labels: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split samples in two so that each class has its share in both parts.

    Args:
        labels: Class of each sample, int64 [samples].
        count: Samples to hold out; classes get the nearest whole shares that add up to it.
        seed: Seed of the choice.

    Returns:
        Sorted indices of the samples kept and of those held out.

    Raises:
        UsageError: If that would leave either part empty.
    """
    if not 0 < count < len(labels):
        raise UsageError(f"cannot hold out {count} of {len(labels)} samples: allowed are 1 to {len(labels) - 1}")
    generator = np.random.Generator(np.random.PCG64(seed))
    shuffled = generator.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.bincount(labels)
    # Cumulated shares, rounded, differ by the whole share of each class and end at count exactly.
    upto = np.cumsum(sizes)
    shares = np.diff((upto * count + len(labels) // 2) // len(labels), prepend=0)
    chosen = [by_class[end - size : end - size + share] for end, size, share in zip(upto, sizes, shares, strict=True)]
    held = np.sort(np.concatenate(chosen))
    kept = np.setdiff1d(np.arange(len(labels)), held, assume_unique=True)
    return kept, held


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a CPU generator for a named stream: drawn on the CPU, numbers are the same for every device."""
    return torch.Generator().manual_seed(derive(seed, *names))


def shuffled(samples: int, seed: int, epoch: int) -> Tensor:
    """Return the order in which an epoch visits its samples, int64 [samples]."""
    return torch.randperm(samples, generator=generator(seed, "order", epoch))
