"""What each model of the project is given in tests: images, unless it is made for something else."""

from harness.budget.inputs import Inputs
from harness.tasks.models import MODELS

SIGNALS, TEXT = Inputs((1, 40)), Inputs((32,), 256)
_OTHERS = {"conv1d": SIGNALS, "gru": SIGNALS, "gpt_nano": TEXT, "gpt_tiny": TEXT, "gpt_small": TEXT, "llama_60m": TEXT}


def inputs_of(name, side=32):
    """Return the inputs of a model: images of three channels and so many pixels a side, signals, or text."""
    return _OTHERS.get(name) or Inputs((3, side, side))


def own(inputs=None):
    """Return the project's models that take such inputs; without any, those that take images."""
    made = [name for name, build in MODELS.items() if build.__module__.startswith("harness.")]
    return [name for name in made if _OTHERS.get(name) == inputs]
