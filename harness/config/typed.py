"""Settings of a record, which a stranger may have written, held to their types before a run is made of them."""

from dataclasses import replace

from harness.config.check_model import check_model
from harness.config.check_recipe import check_recipe
from harness.config.schema import PARTS, RunConfig
from harness.errors import UsageError, first_line, short


def require_types(run: RunConfig) -> None:
    """Check the types of the settings of each group, and the limits on those of model and recipe.

    Raises:
        UsageError: A setting is of another type, or out of range.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    for group in PARTS:
        part = getattr(run, group)
        try:
            typed = OmegaConf.to_object(OmegaConf.structured(part))
        except (OmegaConfBaseException, ValueError) as error:
            raise UsageError(f"config.{group}: {first_line(error)}") from None
        for name, value in vars(typed).items():
            if value != getattr(part, name):  # what reads as its type is not of it
                raise UsageError(f"config.{group}.{name}: {short(getattr(part, name))} is not of its type")
    check_model(run.model)
    try:
        check_recipe(replace(run.recipe, threads=None))  # of which another machine may have more
    except TypeError as error:  # positions may be of any type until they are settled
        raise UsageError(f"config.recipe: {first_line(error)}") from None
