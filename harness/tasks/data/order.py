"""Which samples are held out, and in which order the others come: functions of the seed alone."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from harness.budget.epoch import last_batch
from harness.errors import UsageError
from harness.seeds import derive


class Batches(ABC):
    """A stream of batches that can be entered at any step of any epoch.

    Attributes:
        samples: Samples of one epoch.
        batch_size: Samples of one batch; the last one of an epoch may be smaller, or in training a little larger
            (`harness.budget.epoch`).
        training: Whether these are trained on; what is evaluated is cut into batches and a rest.
        share: Which part of each batch is served, and of how many, where several processes divide the batches.
    """

    samples: int
    batch_size: int
    training: bool
    share: tuple[int, int] = (0, 1)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch, the last one included."""
        return len(bounds(self.samples, self.batch_size, training=self.training))

    @abstractmethod
    def picks(self, index: int, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Yield what `batch` makes the batches of epoch ``index`` of, from step ``start`` on.

        Pick number i is the same whatever ``start`` was: order and augmentation depend only on the seed, the
        epoch and the sample.

        Yields:
            Tensors on the device, the first dimension of each being the samples of the batch.
        """

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Serve whole batches meanwhile."""
        before, self.share = self.share, (0, 1)
        try:
            yield
        finally:
            self.share = before

    def batch(self, *pick: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch of a pick; nothing here waits for the device, so that a CUDA graph can hold it.

        Returns:
            Inputs and targets, on the device: normalised float32 images [batch, channels, height, width], values as
            float32 [batch, ...] or tokens as int64 [batch, ...]; targets as int64 or floats, of a classification int64
            labels [batch].
        """
        inputs, targets = pick
        return inputs, targets

    def epoch(self, index: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of epoch ``index`` from step ``start`` on."""
        for pick in self.picks(index, start):
            yield self.batch(*pick)


def bounds(samples: int, batch_size: int, *, training: bool) -> list[tuple[int, int]]:
    """Return where each batch of an epoch begins and ends in its order; see `Batches` for the arguments."""
    if not training:
        return [(begin, min(begin + batch_size, samples)) for begin in range(0, samples, batch_size)]
    last = samples - last_batch(samples, batch_size)
    return [*((begin, begin + batch_size) for begin in range(0, last, batch_size)), (last, samples)]


def part(cuts: list[tuple[int, int]], share: tuple[int, int]) -> list[tuple[int, int]]:
    """Return one of several parts of each batch, as equal as can be, that together are the batch in its order.

    Args:
        cuts: Where each batch begins and ends.
        share: Number of the part, from 0, and how many there are; parts without a sample are left out.
    """
    number, count = share
    if count == 1:
        return cuts
    sizes = [(begin, end - begin) for begin, end in cuts]
    parts = [(begin + size * number // count, begin + size * (number + 1) // count) for begin, size in sizes]
    return [(begin, end) for begin, end in parts if begin < end]


def hold_out(labels: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split samples in two so that each class has its share in both parts, and at least one sample in the first.

    Args:
        labels: Class of each sample, int64 [samples].
        count: Samples to hold out, of each class what `shares` says.
        seed: Seed of the choice.

    Returns:
        Sorted indices of the samples kept and of those held out.

    Raises:
        UsageError: See `shares`.
    """
    shuffled = drawn(len(labels), seed)
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.bincount(labels)
    parts = zip(np.cumsum(sizes), sizes, shares(sizes, count), strict=True)
    chosen = [by_class[end - size : end - size + share] for end, size, share in parts]
    held = np.sort(np.concatenate(chosen))
    kept = np.setdiff1d(np.arange(len(labels)), held, assume_unique=True)
    return kept, held


def drawn(samples: int, seed: int) -> np.ndarray:
    """Return the indices of samples in an order that the seed decides, int64 [samples]."""
    return np.random.Generator(np.random.PCG64(seed)).permutation(samples)


def shares(sizes: np.ndarray, count: int) -> np.ndarray:
    """Return how many samples of each class are held out.

    They are the nearest whole shares that add up. Where that would take the last sample of a class, the class keeps
    one, and the classes that keep most give one more.

    Args:
        sizes: Samples of each class, int64 [classes].
        count: Samples to hold out.

    Raises:
        UsageError: If that would leave the held-out part, or a class of the other, empty.
    """
    samples, classes = int(sizes.sum()), int((sizes > 0).sum())
    if not 0 < count <= samples - classes:
        raise UsageError(
            f"cannot hold out {count} of {samples} samples: allowed are 1 to {samples - classes}, "
            f"so that each of the {classes} classes keeps one"
        )
    # Cumulated shares, rounded, differ by the whole share of each class and end at count exactly.
    held = np.diff((np.cumsum(sizes) * count + samples // 2) // samples, prepend=0)
    emptied = (held == sizes) & (sizes > 0)
    held[emptied] -= 1
    for _ in range(int(emptied.sum())):
        held[np.argmax(sizes - held)] += 1
    return held


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a CPU generator for a named stream: drawn on the CPU, numbers are the same for every device."""
    return torch.Generator().manual_seed(derive(seed, *names))


def shuffled(samples: int, seed: int, epoch: int) -> Tensor:
    """Return the order in which an epoch visits its samples, int64 [samples]."""
    return torch.randperm(samples, generator=generator(seed, "order", epoch))
