"""Parts of a data set in memory, chosen by a rule that others can repeat (``dataset.subset``, ``dataset.test_subset``).

The rule is that of the tutorials on sparse evolutionary training (Mocanu et al., IJCAI 2019 and SCADS 2020):
``numpy.random.seed(0)``, shuffle the indices of the training samples, then those of the test samples, and take the
first of each. So a smaller subset is part of a larger one, and neither depends on the seed of a run.
"""

from dataclasses import replace

import numpy as np

from harness.errors import UsageError
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config


def indices(train: int, test: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of so many training and test samples in the order in which subsets take them, int64."""
    generator = np.random.RandomState(0)
    orders = np.arange(train), np.arange(test)
    for order in orders:
        generator.shuffle(order)
    return orders


def chosen(config: Config, found: Arrays) -> Arrays:
    """Return the part of a data set that its settings ask for; all of it if they ask for none.

    Raises:
        UsageError: It has fewer samples.
    """
    wanted = {name: config.get(name, 0) for name in ("subset", "test_subset")}
    if not any(wanted.values()):
        return found
    available = len(found.train_targets), len(found.test_targets)
    for (name, count), there in zip(wanted.items(), available, strict=True):
        if not isinstance(count, int) or not 0 <= count <= there:
            raise UsageError(f"dataset.{name}={count}: {config['name']} has {there}")
    train, test = (
        order[:count] if count else np.arange(there)
        for order, count, there in zip(indices(*available), wanted.values(), available, strict=True)
    )
    return replace(
        found,
        train_inputs=found.train_inputs[train],
        train_targets=found.train_targets[train],
        test_inputs=found.test_inputs[test],
        test_targets=found.test_targets[test],
    )
