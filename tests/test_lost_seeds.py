"""Seeds that were started and have no result."""

import re

from boards import of, only_table
from records import make

from harness.board import markdown, readme_table, wording


def test_a_row_that_lost_a_seed_is_marked_and_ranks_after_those_that_lost_none():
    """The seeds that a method lost may be its worst, as here: the mean of the other two would lead."""
    steady = [make("rigl", 0.9, seed, accuracy=0.80 + seed / 1000) for seed in range(3)]
    worse = [make("static", 0.9, seed, accuracy=0.70 + seed / 1000) for seed in range(3)]
    lossy = [make("set", 0.9, seed, accuracy=0.85) for seed in range(2)] + [make("set", 0.9, 2, status="diverged")]
    gone = [make("gmp", 0.9, seed, status="diverged") for seed in range(3)]
    table = only_table([*steady, *worse, *lossy, *gone])
    assert [row.method for row in table.rows] == ["rigl", "static", "set", "gmp"]
    assert [wording.rank(row) for row in table.rows] == ["1", "2", "3", "–"]
    text = readme_table([*steady, *worse, *lossy, *gone])
    assert re.search(r"set \(local\) +\| 85.00 ± 0.00, 1 of 3 seeds lost \(#3\) ", text)
    assert re.search(r"gmp \(local\) +\| 3 of 3 seeds lost ", text)
    assert wording.LOST in text
    assert wording.LOST in markdown(of(lossy))
    assert "– (3 lost)" in markdown(of(gone))


def test_where_every_row_lost_seeds_the_best_is_still_bold():
    records = [make(name, 0.9, seed, accuracy=mean) for name, mean in (("set", 0.8), ("rigl", 0.7)) for seed in (0, 1)]
    lost = [make(name, 0.9, 2, status="timeout") for name in ("set", "rigl")]
    rows = only_table([*records, *lost]).rows
    assert [row.place.rank for row in rows] == [1, 2]
    assert wording.ranked_accuracy(rows[0]).startswith("**80.00")
