"""A step on tape: what a CUDA graph does with it, on a CPU.

Recording notes each operator with the very tensors that it was called with, and executes nothing as far as anybody can
tell afterwards. Replaying calls the operators again, without any Python of the step. As in a graph, a number is what it
was when it was recorded, a tensor is read anew where it was, and one that Python has since put in its place is not
seen. Where the host would have to wait for a result, recording fails.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
WAITING = (aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.equal, aten._unique2)


def storages(values):
    """Return the storages of the tensors among nested values, by their addresses."""
    return {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage()
        for tensor in tree_leaves(values)
        if isinstance(tensor, torch.Tensor)
    }


class Tape(TorchDispatchMode):
    """Records the operators that are called within it."""

    def __init__(self):
        super().__init__()
        self._calls = []
        self._made = {}  # storages that recorded operators made; held, so that no other takes their address
        self._found = {}  # those that were there before, and what they held

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        if operator.overloadpacket in WAITING:
            raise RuntimeError(f"{operator}: not permitted while a stream is capturing")
        given = storages((args, kwargs or {}))
        for address, storage in given.items():
            if address not in self._made and address not in self._found:
                self._found[address] = (storage, storage.clone())
        result = operator(*args, **(kwargs or {}))
        fresh = {address: storage for address, storage in storages(result).items() if address not in given}
        self._made |= fresh
        computes = fresh or operator._schema.is_mutable or not storages(result)
        self._calls.append((operator if computes else None, args, kwargs or {}, result))
        return result

    def undo(self):
        """Restore what recording has overwritten."""
        for storage, before in self._found.values():
            storage.copy_(before)

    @torch.no_grad()
    def replay(self):
        """Call the operators again; each result goes where the recorded one is."""
        for operator, args, kwargs, result in self._calls:
            if operator is None:  # a view, which is of the same memory as ever
                continue
            again = operator(*args, **kwargs)
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


def record(step, inputs):
    """Stand in for `harness.training.graph.RecordedStep._record`."""
    tape, states = Tape(), torch.get_rng_state()
    try:
        with tape:
            step._step(*inputs)
    finally:
        tape.undo()
        torch.set_rng_state(states)
    return tape.replay
