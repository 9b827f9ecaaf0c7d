"""Batches of files, read by worker processes in the order of the seed; what they make of a file is the loader's."""

import gc
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from harness.errors import UsageError
from harness.tasks.data.order import bounds, part, shuffled

Key = tuple[int, int]
"""Epoch and index of a sample: workers keep no state, so any of them gives the same picture."""

Sample = TypeVar("Sample")
Batch = TypeVar("Batch")


class Reading(Generic[Sample, Batch]):
    """Serves a data set's batches from any step of any epoch on.

    Args:
        dataset: Gives a sample for each `Key`, or why there is none. An error travels as a value: raised in a worker
            it would come back with a traceback in its text, and leave the loader in a reference cycle whose end takes
            seconds a worker.
        stack: Makes a batch of samples.
        samples: Samples of one epoch.
        batch_size: Samples of one batch.
        workers: Processes that read; 0 reads in this one. The batches are the same for every number.
        seed: Seed of the order; None keeps that of the data set in every epoch.
        pin: Whether batches lie in pinned memory.
    """

    def __init__(
        self,
        dataset: Dataset[Sample | UsageError],
        stack: Callable[[Sequence[Sample]], Batch],
        *,
        samples: int,
        batch_size: int,
        workers: int,
        seed: int | None,
        pin: bool = False,
    ) -> None:
        self._sampler = _EpochSampler(samples, batch_size, seed)
        self._loader = DataLoader(
            dataset,
            batch_sampler=self._sampler,
            collate_fn=_Stack(stack),
            # Its own generator: by default a loader draws a number from the global one for each epoch.
            generator=torch.Generator(),
            num_workers=workers,
            pin_memory=pin,
            # Evaluation is rare: its workers would only hold memory between two of them.
            persistent_workers=workers > 0 and seed is not None,
        )

    def epoch(self, index: int, start: int = 0, share: tuple[int, int] = (0, 1)) -> Generator[Batch, None, None]:
        """Start the workers, and return the batches of epoch ``index`` from step ``start`` on.

        Args:
            index: Of the epoch.
            start: Of its batches.
            share: Which part of each batch to read (`harness.tasks.data.order.part`).

        Raises:
            UsageError: If a file cannot be read, when its batch is requested.
        """
        self._sampler.epoch, self._sampler.start, self._sampler.share = index, start, share
        # What workers are forked with is never theirs to collect: the end of a DALI pipeline, say, would wait for
        # threads that a fork does not copy.
        gc.freeze()
        try:
            batches = iter(self._loader)
        finally:
            gc.unfreeze()
        return _readable(batches)


def _readable(batches: Iterator[Batch | UsageError]) -> Generator[Batch, None, None]:
    for batch in batches:
        if isinstance(batch, UsageError):
            del batches  # the workers end now, not with the error's traceback
            raise UsageError(str(batch))
        yield batch


class _Stack(Generic[Sample, Batch]):
    """Makes a batch of samples, or the first error among them."""

    def __init__(self, stack: Callable[[Sequence[Sample]], Batch]) -> None:
        self._stack = stack

    def __call__(self, samples: Sequence[Sample | UsageError]) -> Batch | UsageError:
        read: list[Sample] = []
        for sample in samples:
            if isinstance(sample, UsageError):
                return sample
            read.append(sample)
        return self._stack(read)


class _EpochSampler(Sampler[list[Key]]):
    """Gives the loader the batches of one epoch; set ``epoch``, ``start`` and ``share`` before iterating.

    It stays with its loader over all epochs, so worker processes are started once.
    """

    def __init__(self, samples: int, batch_size: int, seed: int | None) -> None:
        self.epoch = 0
        self.start = 0
        self.share = (0, 1)
        self._bounds = bounds(samples, batch_size, training=seed is not None)
        self._samples = samples
        self._seed = seed

    def __len__(self) -> int:
        return len(self._bounds)

    def __iter__(self) -> Iterator[list[Key]]:
        epoch = self.epoch
        order = torch.arange(self._samples) if self._seed is None else shuffled(self._samples, self._seed, epoch)
        for begin, end in part(self._bounds[self.start :], self.share):
            yield [(epoch, index) for index in order[begin:end].tolist()]
