"""Classification: every sample has one class, and networks are compared by the share that they classify correctly."""

from typing import TYPE_CHECKING

from harness.records.metrics import ACCURACY, CLASSIFICATION
from harness.tasks.base import Task, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Classification(Task):
    """Samples of one class each; targets are int64 [batch], outputs logits [batch, classes]."""

    name = CLASSIFICATION
    metric = ACCURACY
    kind = "images"
    smooths = True
    validation = "stratified"

    def loss(self, outputs: "Tensor", targets: "Tensor", smoothing: float = 0.0) -> "Tensor":
        """Return the mean cross entropy.

        Args:
            outputs: Logits.
            targets: Labels.
            smoothing: Share of each label that is spread over all classes, in [0, 1).
        """
        from torch.nn import functional as F

        return F.cross_entropy(outputs, targets, label_smoothing=smoothing)

    def tally(self, outputs: "Tensor", targets: "Tensor") -> "dict[str, Tensor]":
        """Return how many are right, how many are among the five best where there are more classes, and the loss."""
        from torch.nn import functional as F

        best = self.best(outputs, targets)
        sums = {"accuracy": best[:, 0].sum(), "loss": F.cross_entropy(outputs, targets, reduction="sum")}
        return sums | ({"top5": best.sum()} if outputs.shape[1] > 5 else {})

    @staticmethod
    def best(outputs: "Tensor", targets: "Tensor") -> "Tensor":
        """Return whether each of the five best classes is the right one, best first: bool [batch, at most 5]."""
        return outputs.topk(min(5, outputs.shape[1]), dim=1).indices == targets[:, None]
