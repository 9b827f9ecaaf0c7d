"""The data of a run, read onto its device."""

from harness.config import RunConfig
from harness.tasks import data


def load_data(run: RunConfig) -> data.Data:
    """Read and split a run's data set.

    Raises:
        UsageError: The data are absent, damaged, or not what the config says.
    """
    return data.load(
        vars(run.dataset),
        batch_size=run.recipe.batch_size,
        augment=run.recipe.augment,
        seed=run.seed,
        device=run.device,
        loader=run.loader,
        workers=run.workers,
    )
