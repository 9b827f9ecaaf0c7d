"""MNIST-1D (Greydanus and Kobak 2020, arXiv 2011.14439): 5,000 signals of 40 values in ten classes.

A digit is a template of twelve values that is padded, stretched, scaled, moved, sheared and given noise. The published
set is what the authors' package ``mnist1d`` makes with its default arguments (`make_dataset(get_dataset_args())`), from
NumPy's legacy generator, which never changes. That package imports Matplotlib and Requests, so its generator (Apache
2.0) is written anew here, draw by draw: the set needs no files and no network, inside a container either.
"""

from functools import lru_cache

import numpy as np
import torch

from harness.errors import UsageError
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config
from harness.tasks.data.registry import register

_TEMPLATES = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)
"""One for each class: the authors' drawings of the ten digits."""

_SAMPLES, _TRAIN, _LENGTH, _SEED = 5000, 4000, 40, 42
_PADDING = (36, 60)
_STRETCHED = 12 + _PADDING[1]  # values of a signal before it is subsampled
_MOST_MOVED = 48
_SCALE, _SHEAR, _CORRELATED, _INDEPENDENT = 0.4, 0.75, 0.25, 2e-2
_SMOOTHING = 2  # standard deviation of the filter that makes noise correlated, in values

SHA256 = "1abb96a682b1bcba81c739c1898af1bf78afd9e8d4a5e9ce9ebdbf224f3a3c07"
"""`Arrays.digest` of the set, as the authors' package 0.0.2.post1 makes it, in float32."""


@register("mnist1d")
def mnist1d(config: Config) -> Arrays:
    """Make the 4,000 training and 1,000 test signals, always the same ones: float32 [samples, 1, 40].

    Raises:
        UsageError: The libraries here compute other signals.
    """
    return _made()


@lru_cache(maxsize=1)
def _made() -> Arrays:
    signals, classes = _signals()
    inputs, labels = torch.from_numpy(signals[:, None].astype(np.float32)), torch.from_numpy(classes)
    arrays = Arrays(inputs[:_TRAIN], labels[:_TRAIN], inputs[_TRAIN:], labels[_TRAIN:])
    if (found := arrays.digest()) != SHA256:
        raise UsageError(
            f"dataset=mnist1d: NumPy {np.__version__} and SciPy make other signals here than the published ones "
            f"(sha256 {found[:12]}, not {SHA256[:12]})"
        )
    return arrays


def _signals() -> tuple[np.ndarray, np.ndarray]:
    """Return all signals, float64 [samples, length], and their classes, in the published order."""
    draws = np.random.RandomState(_SEED)
    every = _SAMPLES // len(_TEMPLATES)
    signals = np.stack([_signal(template, draws) for template in _templates() for _ in range(every)])
    classes = np.repeat(np.arange(len(_TEMPLATES)), every)
    order = draws.permutation(_SAMPLES)
    signals = signals[order]
    return (signals - signals.mean()) / signals.std(), classes[order]


def _templates() -> np.ndarray:
    """Return the templates with mean 0 and deviation 1, moved so that they begin at 0: float64 [classes, 12]."""
    found = np.asarray(_TEMPLATES, dtype=np.float64)
    found -= found.mean(1, keepdims=True)
    found /= found.std(1, keepdims=True)
    return (found - found[:, :1]) / 6.0


def _signal(template: np.ndarray, draws: np.random.RandomState) -> np.ndarray:
    """Return one signal; what is drawn, and in which order, is the published generator's."""
    from scipy.ndimage import gaussian_filter  # here: slow to import

    low, high = _PADDING
    padding = np.zeros(low + int(draws.rand() * (high - low + 1)))
    # The authors' 1e-8 tells values of the template from the padding, which alone becomes correlated noise.
    signal = _resampled(np.concatenate([template + 1e-8, padding]), _STRETCHED)
    signal = signal * (1 + _SCALE * (draws.rand() - 0.5))
    signal = np.roll(signal, draws.choice(_MOST_MOVED))
    digit = signal != 0
    noise = gaussian_filter(_CORRELATED * draws.randn(_STRETCHED), _SMOOTHING)
    signal = digit * signal + (1 - digit) * noise
    signal = signal + _INDEPENDENT * draws.randn(_STRETCHED)
    slope = _SHEAR * (draws.rand() - 0.5)
    return _resampled(signal - slope * np.linspace(-0.5, 0.5, _STRETCHED), _LENGTH)


def _resampled(signal: np.ndarray, length: int) -> np.ndarray:
    """Return a signal of another length by linear interpolation."""
    return np.interp(np.linspace(0, 1, length), np.linspace(0, 1, len(signal)), signal)
