"""The data sets: one module each, one function under ``@register``."""

import importlib
import pkgutil

# Importing a module of this folder registers its data set, so a new file needs no entry in a list.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
