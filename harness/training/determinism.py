"""Deterministic algorithms: torch's where it has them, and the names of those operators that have none."""

import os
import re
import warnings
from types import TracebackType
from typing import Any, Self

import torch
from torch.utils import deterministic

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_WARNING = re.compile(r"(\S+) does not have a deterministic implementation")


def require_deterministic() -> None:
    """Have this process use deterministic algorithms; must come before its first use of CUDA.

    An operator that has none is used all the same; torch warns, which `Nondeterministic` takes note of.
    """
    os.environ.setdefault(_WORKSPACE, ":4096:8")  # cuBLAS reads it when it starts
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling memory that is about to be overwritten costs time and makes no result more certain.
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


class Nondeterministic:
    """Collects the operators used meanwhile that have no deterministic algorithm; their warnings are not shown.

    Attributes:
        names: Of the operators, sorted.
    """

    def __init__(self) -> None:
        self.names: list[str] = []

    def __enter__(self) -> Self:
        """Start."""
        self._show = warnings.showwarning
        warnings.showwarning = self._note  # type: ignore[assignment]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        warnings.showwarning = self._show

    def _note(self, message: Warning | str, category: type[Warning], *where: Any) -> None:
        found = _WARNING.match(str(message))
        if found is None:
            self._show(message, category, *where)
        elif found[1] not in self.names:
            self.names = sorted([*self.names, found[1]])
