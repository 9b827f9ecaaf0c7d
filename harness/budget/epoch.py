"""How an epoch is cut into batches: the one rule for the samples that remain after the last whole batch.

A batch much smaller than the others takes a full step on few samples, which harms training, and batch normalisation
cannot train on a single sample at all. So a rest of one sample, or of less than an eighth of the batch size, joins the
batch before it; any other rest is a batch of its own. Nothing is dropped: every epoch visits every sample once.
"""

_JOINS = 8
"""A rest below the batch size divided by this joins the batch before it."""


def joined_rest(samples: int, batch_size: int) -> int:
    """Return how many samples join the last whole batch of an epoch; 0 where the rest is a batch of its own."""
    whole, rest = divmod(samples, batch_size)
    return rest if whole and (rest == 1 or rest * _JOINS < batch_size) else 0


def steps_per_epoch(samples: int, batch_size: int) -> int:
    """Return the batches of an epoch of so many ``samples``."""
    return (samples - joined_rest(samples, batch_size) + batch_size - 1) // batch_size


def largest_batch(samples: int, batch_size: int) -> int:
    """Return the samples of the largest batch."""
    return min(batch_size + joined_rest(samples, batch_size), samples)


def last_batch(samples: int, batch_size: int) -> int:
    """Return the samples of the last batch of an epoch."""
    return samples - batch_size * (steps_per_epoch(samples, batch_size) - 1)


def budget_samples(steps: int, samples: int, batch_size: int) -> int:
    """Return the samples in the first ``steps`` batches, over as many epochs as they take."""
    epochs, rest = divmod(steps, steps_per_epoch(samples, batch_size))
    return epochs * samples + rest * batch_size  # a rest of steps leaves out the last batch
