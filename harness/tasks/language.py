"""Language modelling: the next byte of a text is predicted; networks are compared by bits per byte."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.records.metrics import BITS_PER_BYTE, LANGUAGE
from harness.tasks.base import Score, Task, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Language(Task):
    """Samples are windows of bytes; inputs and targets are int64 [batch, tokens], outputs logits [batch, tokens, 256].

    Targets are the inputs one byte later. Every byte of a window counts alike, the first ones too, which a network
    predicts from few others: scores are those of texts cut into windows of this length.
    """

    name = LANGUAGE
    metric = BITS_PER_BYTE
    kind = "tokens"
    classes = 256
    smooths = True
    validation = "last"
    causal = True

    def loss(self, outputs: "Tensor", targets: "Tensor", smoothing: float = 0.0) -> "Tensor":
        """Return the mean cross entropy of a byte, in nats.

        Args:
            outputs: Logits.
            targets: The bytes that follow.
            smoothing: Share of each byte that is spread over all 256, in [0, 1).
        """
        from torch.nn import functional as F

        return F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), label_smoothing=smoothing)

    def tally(self, outputs: "Tensor", targets: "Tensor") -> "dict[str, Tensor]":
        """Return the loss: of each window the mean over its bytes, in nats."""
        from torch.nn import functional as F

        nats = F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="sum")
        return {"loss": nats / targets.shape[1]}

    def score(self, sums: Mapping[str, float], samples: int) -> Score:
        """Return bits per byte, and the perplexity of a byte beside it."""
        loss = sums["loss"] / samples
        # Of a diverged network the exponential may be too large for a float, which has no place in a record.
        more = {"perplexity": math.exp(loss)} if loss < 700 else {}
        return Score(loss / math.log(2), loss, more)

    def outputs(self, shape: tuple[int, ...], classes: int) -> tuple[int, ...]:
        """Return the shape of the logits of one window; see `Task.outputs`."""
        return (*shape, classes)
