"""Byte n-grams with interpolated Kneser-Ney smoothing (Chen and Goodman 1999), to hold language models against."""

import numpy as np

ORDER = 5


class Ngrams:
    """Predicts each byte of a window from up to four bytes before it.

    A byte of a longer context is predicted by how often it followed, less a discount that goes to the shorter context;
    in a shorter one counts the number of different bytes before it. Discounts are n1 / (n1 + 2 n2) of each order.

    Args:
        windows: uint8 [windows, bytes], the training text.
    """

    def __init__(self, windows):
        grams, counts = np.unique(_grams(windows, ORDER), return_counts=True)
        self.tables = {ORDER: _Table(grams, counts)}
        for order in range(ORDER - 1, 0, -1):
            # One for each byte that precedes it, however often it does.
            grams, counts = np.unique(grams % 256**order, return_counts=True)
            self.tables[order] = _Table(grams, counts)

    def bits_per_byte(self, windows):
        """Return the mean bits of all bytes but the first of each window."""
        bits = count = 0
        for order in range(2, ORDER + 1):
            # The first bytes of a window have fewer before them.
            grams = _grams(windows if order == ORDER else windows[:, :order], order)
            bits -= np.log2(self.probability(grams, order)).sum()
            count += len(grams)
        assert count == windows.shape[0] * (windows.shape[1] - 1)
        return bits / count

    def probability(self, grams, order):
        """Return the probabilities of the last byte of n-grams given those before it."""
        if order == 0:
            return np.full(len(grams), 1 / 256)
        shorter = self.probability(grams % 256 ** (order - 1), order - 1)
        return self.tables[order].interpolated(grams, shorter)


class _Table:
    """Counts of n-grams of one length, and of their contexts."""

    def __init__(self, grams, counts):
        self.grams, self.counts = grams, counts
        once, twice = (counts == 1).sum(), (counts == 2).sum()
        self.discount = once / max(once + 2 * twice, 1)
        self.contexts, first = np.unique(grams >> 8, return_index=True)
        self.totals = np.add.reduceat(counts, first)
        self.kinds = np.diff(np.append(first, len(grams)))

    def interpolated(self, grams, shorter):
        counts = _looked_up(self.grams, self.counts, grams)
        totals = _looked_up(self.contexts, self.totals, grams >> 8)
        spared = self.discount * _looked_up(self.contexts, self.kinds, grams >> 8)
        known = np.maximum(counts - self.discount, 0) + spared * shorter
        return np.where(totals > 0, known / np.maximum(totals, 1), shorter)


def _grams(windows, order):
    """Return all n-grams of each window as numbers, the last byte in the lowest eight bits."""
    width = windows.shape[1] - order + 1
    found = np.zeros((len(windows), width), dtype=np.int64)
    for place in range(order):
        found = found << 8 | windows[:, place : place + width].astype(np.int64)
    return found.ravel()


def _looked_up(names, values, wanted):
    """Return the values of sorted names, 0 of those that are not there."""
    at = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
    return np.where(names[at] == wanted, values[at], 0)
