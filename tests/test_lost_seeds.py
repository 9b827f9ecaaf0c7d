"""Seeds that were started and have no result are said in every view."""

import re

from boards import of, only_table
from records import make

from harness.board import markdown, notes, results_table


def runs(method, accuracies):
    return [make(method, 0.9, seed, accuracy=value, runner="docker") for seed, value in enumerate(accuracies)]


def lost(method, seed):
    return make(method, 0.9, seed, status="diverged", runner="docker")


def test_a_row_that_lost_a_seed_is_marked_and_not_ranked():
    """The seeds that a method lost may be its worst, as here: the mean of the other two would lead."""
    steady, worse = runs("rigl", (0.800, 0.801, 0.802)), runs("static", (0.700, 0.701, 0.7025))
    lossy = [*runs("set", (0.85, 0.85)), lost("set", 2)]
    gone = [lost("gmp", seed) for seed in range(3)]
    records = [*steady, *worse, *lossy, *gone]
    assert [row.method for row in only_table(records).rows] == ["rigl", "static", "set", "gmp"]
    text = results_table(records)
    assert re.search(r"rigl +\| \*\*80.10 ± 0.25\*\* \[1\] ", text)
    assert re.search(r"set +\| 85.00 ± 0.00, 1 of 3 seeds lost, not ranked ", text)
    assert re.search(r"gmp +\| 3 of 3 seeds lost ", text)
    assert "Not ranked: set: seed 2 diverged; gmp: seed 0 diverged, seed 1 diverged, seed 2 diverged." in text
    assert notes.LOST in text
    assert notes.LOST in markdown(of(lossy))
    assert "– (3 lost)" in markdown(of(gone))


def test_where_every_row_lost_seeds_none_is_bold():
    records = [*runs("set", (0.8, 0.8)), lost("set", 2), *runs("rigl", (0.7, 0.7)), lost("rigl", 2)]
    table = only_table(records)
    assert [row.place for row in table.rows] == [None, None]
    assert "**8" not in results_table(records)
    assert table.levels[0].family is None
