"""The networks of the benchmark: a new one is one function under ``@register`` here and one YAML."""

import importlib
import pkgutil

from harness.tasks.models.registry import MODELS, add, build, builder, maskable

# Importing a module of this folder registers its models, so a new file needs no entry in a list.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["MODELS", "add", "build", "builder", "maskable"]
