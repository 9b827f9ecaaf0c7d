"""The data of a run, read onto its device."""

from harness.config import RunConfig
from harness.tasks import data


def load_data(run: RunConfig, planned: str | None = None) -> data.Data:
    """Read and split a run's data set.

    Args:
        run: The run.
        planned: The fingerprint of the data that it was planned with; None where any will do.

    Raises:
        UsageError: The data are absent, damaged, not what the config says, or not those that were planned.
    """
    return data.load(
        vars(run.dataset),
        batch_size=run.recipe.batch_size,
        augment=run.recipe.augment,
        seed=run.seed,
        device=run.device,
        loader=run.loader,
        workers=run.workers,
        planned=planned,
    )
