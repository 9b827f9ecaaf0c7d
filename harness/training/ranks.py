"""The processes of one run: each trains on its part of every batch, and together they take the steps of one.

Every process holds the whole network, its masks and its optimiser, draws the same random numbers, and so decides the
same. What a method or the optimiser computes from samples is averaged over all of them. Batch statistics are those of
each process's part of the batch, as in `torch.nn.parallel.DistributedDataParallel`; evaluations use the running
statistics of the first process, the leader, which also writes all that a run leaves.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import torch
import torch.distributed as dist
from torch import Tensor, nn

from harness.errors import UsageError
from methods import Masks

BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}
_POSTED = "ended"
_WAIT_SECONDS = 2.0
"""For a process that fails to say why, which it does before it ends."""


class LostRankError(Exception):
    """Another process of the run has ended."""


class UnequalRanksError(Exception):
    """Masks or weights of two processes differ."""


class Ranks:
    """This process among those of its run.

    Attributes:
        rank: Its number, from 0; the leader's is 0.
        count: How many there are.
        backend: What averages gradients, ``gloo`` or ``nccl``.
    """

    def __init__(self, store: dist.Store, rank: int, count: int, device: str) -> None:
        """Join the others.

        Args:
            store: What they have in common.
            rank: This process's number.
            count: How many there are.
            device: ``cpu``, or ``cuda`` for the GPU of that number.
        """
        self.rank, self.count, self._store = rank, count, store
        self.backend = "nccl" if device == "cuda" else "gloo"
        if device == "cuda":
            torch.cuda.set_device(rank)
        with _connected():
            dist.init_process_group(BACKENDS[device], store=store, rank=rank, world_size=count)

    @classmethod
    def join(cls, count: int, device: str) -> Self:
        """Join the others as torchrun's environment says.

        Raises:
            UsageError: They are not as many as the run has, or there are too few GPUs.
        """
        started = int(os.environ["WORLD_SIZE"])
        if started != count:
            raise UsageError(f"nproc={count}: torchrun has started {started} processes")
        if device == "cuda" and torch.cuda.device_count() < count:
            raise UsageError(f"nproc={count}: each process needs a GPU, and {torch.cuda.device_count()} are here")
        store, rank, _ = next(dist.rendezvous("env://"))
        return cls(store, rank, count, device)

    @property
    def leads(self) -> bool:
        """Whether this process writes what the run leaves."""
        return self.rank == 0

    @property
    def share(self) -> tuple[int, int]:
        """The part of each batch that is this process's (`harness.tasks.data.Batches`)."""
        return self.rank, self.count

    def totals(self, *numbers: float) -> list[float]:
        """Return numbers summed over the processes, in float64."""
        found = torch.tensor(numbers, dtype=torch.float64)
        self.reduce(found)
        return found.tolist()

    def of_leader(self, number: float) -> float:
        """Return the leader's number."""
        return self.totals(number if self.leads else 0.0)[0]

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Sum tensors of one type over the processes, in place."""
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        self.reduce(flat)
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))

    def reduce(self, tensor: Tensor) -> None:
        """Sum a tensor over the processes, in place: to the same bits in each.

        Raises:
            LostRankError: One of them has ended.
        """
        with _connected():
            dist.all_reduce(tensor)

    def take_buffers(self, model: nn.Module) -> None:
        """Give the model the leader's buffers, which no step has averaged."""
        with _connected():
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)

    def require_equal(self, masks: Masks, step: int, *, weights: bool = False) -> None:
        """Require the same masks in all processes, to the bit, and the same weights if asked.

        Raises:
            UnequalRanksError: They differ; the message names the process and the layers.
        """
        layers = range(len(masks))
        parts = {"masks": [_digest(masks.alive(layer)) for layer in layers]}
        if weights:
            parts["weights"] = [_digest(masks.weight(layer)) for layer in layers]
        mine = torch.tensor(list(parts.values()))
        all_of_them = [torch.empty_like(mine) for _ in range(self.count)]
        with _connected():
            dist.all_gather(all_of_them, mine)
        for rank, theirs in enumerate(all_of_them):
            for what, first, other in zip(parts, all_of_them[0], theirs, strict=True):
                if unequal := (first != other).nonzero().flatten().tolist():
                    named = ", ".join(masks.names[layer] for layer in unequal[:3])
                    raise UnequalRanksError(
                        f"at step {step} the {what} of process {rank + 1} of {self.count} are not those of the first: "
                        f"{named}{', ...' if len(unequal) > 3 else ''}"
                    )

    def post(self, status: str, reason: str | None) -> None:
        """Say how this process ends, for the leader's record."""
        with _connected():
            self._store.set(_POSTED, json.dumps([status, f"process {self.rank + 1} of {self.count}: {reason}"]))

    def posted(self) -> tuple[str, str] | None:
        """Return the status and the reason that another process ended with, once it has said so; None if it does not.

        The launcher keeps the store, so that it outlives the processes.
        """
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            if self._store.check([_POSTED]):
                status, reason = json.loads(self._store.get(_POSTED))
                return status, reason
            time.sleep(0.05)
        return None

    def described(self, model: nn.Module) -> dict[str, Any]:
        """Return what a record says of the processes."""
        normalised = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
        statistics = "per_process" if normalised else None
        return {"count": self.count, "backend": self.backend, "batch_statistics": statistics}


class Averaging:
    """Averages gradients and loss over the samples of all processes, in one buffer.

    A gradient that some processes lack counts as 0 there; one that all lack stays missing, so that weight decay and
    momentum leave its parameter alone as in a run of one process.
    """

    def __init__(self, ranks: Ranks, parameters: Iterable[nn.Parameter]) -> None:
        self._ranks = ranks
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        sizes = [parameter.numel() for parameter in self._parameters]
        kind = self._parameters[0].dtype
        for parameter in self._parameters:
            kind = torch.promote_types(kind, parameter.dtype)
        sizes += [1, 1, len(sizes)]
        self._buffer = torch.empty(sum(sizes), dtype=kind, device=self._parameters[0].device)
        *parts, self._loss, self._samples, self._present = self._buffer.split(sizes)
        self._parts = [part.view(each.shape) for part, each in zip(parts, self._parameters, strict=True)]

    @torch.no_grad()
    def __call__(self, loss: Tensor, samples: int) -> Tensor:
        """Put the mean gradients in the place of this process's own.

        Args:
            loss: Mean over this process's samples, whose gradients the parameters have.
            samples: How many these are.

        Returns:
            The mean loss over the samples of all processes.
        """
        self._present.fill_(1)
        missing = [number for number, parameter in enumerate(self._parameters) if parameter.grad is None]
        for number in missing:
            self._parameters[number].grad = torch.zeros_like(self._parameters[number])
            self._present[number] = 0
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        torch._foreach_copy_(self._parts, gradients)
        self._loss.copy_(loss)
        self._samples.fill_(1)
        # Parts of a batch may differ by a sample: what is summed is weighted, the number of samples with it.
        self._buffer.mul_(samples)
        self._ranks.reduce(self._buffer)
        self._buffer.div_(self._samples.clone())
        torch._foreach_copy_(gradients, self._parts)
        for number in missing:
            if not self._present[number]:
                self._parameters[number].grad = None
        return self._loss[0].clone()


def smallest_part(nproc: int, batch: int) -> int:
    """Return the samples that a process has of a batch, at least.

    Raises:
        UsageError: A process would have none.
    """
    if batch < nproc:
        raise UsageError(f"nproc={nproc}: the smallest batch holds {batch} samples, allowed are 1 to {batch} processes")
    return batch // nproc


def _digest(tensor: Tensor) -> int:
    """Return 63 bits of the hash of a tensor's bytes."""
    content = tensor.contiguous().view(torch.uint8).cpu().numpy().data
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big") >> 1


@contextmanager
def _connected() -> Iterator[None]:
    """Turn the error of a lost connection into one of its own: what is sent is right, so nothing else can fail."""
    try:
        yield
    except RuntimeError as error:
        raise LostRankError(str(error)) from error
