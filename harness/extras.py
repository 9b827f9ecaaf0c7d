"""Optional libraries: which extra of the package brings one that is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from harness.errors import UsageError

EXTRAS = {
    "train": (
        *("torch", "torchvision", "hydra", "omegaconf", "fvcore", "docker", "requests", "urllib3"),
        *("sklearn", "PIL", "pynvml", "nvidia", "zstandard"),
    ),
    "plots": ("vl_convert",),
    "sparselab": ("sparselab",),
    "tensorboard": ("tensorboard",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
    "trackio": ("trackio",),
    "publish": ("pyarrow",),
    "hub": ("huggingface_hub",),
    "slurm": ("submitit",),
    "ray": ("ray",),
    "dev": ("pytest", "pytest_benchmark"),
}
"""Top-level modules by the extra of ``pyproject.toml`` that installs them."""

_EXTRA = {module: extra for extra, modules in EXTRAS.items() for module in modules}


class MissingExtraError(UsageError, ImportError):
    """A library of an extra is not installed; the message names the command that installs it."""


def require(*modules: str) -> None:
    """Make sure that libraries of `EXTRAS` are installed; imports none of them.

    Raises:
        MissingExtraError: One of them is not.
    """
    for module in modules:
        if find_spec(module) is None:
            raise missing(module)


def missing(module: str) -> MissingExtraError:
    """Return the error for a library of `EXTRAS` that is not installed."""
    return MissingExtraError(f"{module} is not installed: pip install 'sparsebench[{_EXTRA[module]}]'")


@contextmanager
def explained() -> Iterator[None]:
    """Turn the failed import of a library of `EXTRAS` into a `MissingExtraError`; also a decorator."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _EXTRA or find_spec(module) is not None:
            raise
        raise missing(module) from None
