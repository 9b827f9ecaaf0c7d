"""A training loop as a careful user writes it by hand: dense, without book-keeping, and fast.

It does what costs nothing to do: a fused optimiser, gradients set to None rather than zeroed, images normalised once
and kept with their channels last in memory, weights likewise, no number read back from the device. As a program,
``python bare_loop.py LAYOUT MEMORY STEPS``, it trains the convolutional net of Fashion-MNIST with or without two of
these, on one thread, and prints what a step takes as JSON: a process of its own, since the second is a setting of the
whole process.
"""

import argparse
import itertools
import json
import resource
import statistics
import sys
import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Batches = Iterator[tuple[Tensor, Tensor]]

WARM_UP = 20
"""Steps that are not timed: caches fill, the optimiser makes its state."""

SAMPLES, BATCH_SIZE = 10240, 128


def train(model: nn.Module, batches: Batches, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Take a step of each batch, pausing after it; mixed precision on CUDA."""
    for images, labels in batches:
        optimizer.zero_grad()
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=images.is_cuda):
            loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        yield


def shuffled(images: Tensor, labels: Tensor, batch_size: int) -> Batches:
    """Yield the batches of one epoch after the other.

    Args:
        images: Normalised float32 [samples, channels, height, width]; batches have their memory layout.
        labels: int64 [samples].
        batch_size: Samples of a batch.
    """
    while True:
        for chosen in torch.randperm(len(labels)).to(labels.device).split(batch_size):
            yield images[chosen], labels[chosen]


def main() -> None:
    """Time the loop as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layout", choices=("contiguous", "channels_last"))
    parser.add_argument("memory", choices=("default", "kept"), help="what the C library does with freed memory")
    parser.add_argument("steps", type=int)
    given = parser.parse_args()
    from harness.machine.allocator import keep_freed_memory
    from harness.tasks import models

    if given.memory == "kept":
        keep_freed_memory()
    torch.set_num_threads(1)
    model = models.build("convnet", 10, (1, 28, 28), seed=0)
    images, labels = torch.randn(SAMPLES, 1, 28, 28), torch.randint(10, (SAMPLES,))
    if given.layout == "channels_last":
        # Not contiguous(memory_format=...), which leaves images of one channel as they are.
        images = images.to(memory_format=torch.channels_last)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True)
    steps = train(model, shuffled(images, labels, BATCH_SIZE), optimizer)
    for _ in itertools.islice(steps, WARM_UP):
        pass
    faults, times = _page_faults(), []
    for _ in range(given.steps):
        started = time.thread_time()
        next(steps)
        times.append(time.thread_time() - started)
    per_step = (_page_faults() - faults) / given.steps
    json.dump({"seconds": statistics.median(times), "page_faults": per_step}, sys.stdout)


def _page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


if __name__ == "__main__":
    main()
