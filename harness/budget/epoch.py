"""How an epoch is cut into batches: the one rule for the images that remain after the last whole batch.

A batch much smaller than the others takes a full step on few images, which harms training, and batch normalisation
cannot train on a single image at all. So a rest of one image, or of less than an eighth of the batch size, joins the
batch before it; any other rest is a batch of its own. Nothing is dropped: every epoch visits every image once.
"""

_JOINS = 8
"""A rest below the batch size divided by this joins the batch before it."""


def joined_rest(samples: int, batch_size: int) -> int:
    """Return how many images join the last whole batch of an epoch; 0 where the rest is a batch of its own."""
    whole, rest = divmod(samples, batch_size)
    return rest if whole and (rest == 1 or rest * _JOINS < batch_size) else 0


def steps_per_epoch(samples: int, batch_size: int) -> int:
    """Return the batches of an epoch of ``samples`` images."""
    return (samples - joined_rest(samples, batch_size) + batch_size - 1) // batch_size


def largest_batch(samples: int, batch_size: int) -> int:
    """Return the images of the largest batch."""
    return min(batch_size + joined_rest(samples, batch_size), samples)


def last_batch(samples: int, batch_size: int) -> int:
    """Return the images of the last batch of an epoch."""
    return samples - batch_size * (steps_per_epoch(samples, batch_size) - 1)


def budget_samples(steps: int, samples: int, batch_size: int) -> int:
    """Return the images in the first ``steps`` batches, over as many epochs as they take."""
    epochs, rest = divmod(steps, steps_per_epoch(samples, batch_size))
    return epochs * samples + rest * batch_size  # a rest of steps leaves out the last batch
