"""Who is ranked, with the inputs that a board once got wrong: failing, lucky and foreign rows."""

import copy
import csv
import hashlib
import io
import random
from itertools import combinations

import pytest
from boards import of, only_table
from records import GPU, make

from harness.board import apart, csv_text, levels, markdown, wording
from harness.board.eligible import required_seeds
from harness.records import record_name


def runs(method, accuracies, **kind):
    """A row: accuracies in a list by seed, or by the seeds named."""
    seeds = accuracies.items() if isinstance(accuracies, dict) else enumerate(accuracies)
    return [make(method, 0.9, seed, accuracy=accuracy, **({"runner": "docker"} | kind)) for seed, accuracy in seeds]


def later(record, key, **parts):
    """The same run again, under another key and a day later."""
    made = copy.deepcopy(record) | {"key": key * 16} | parts
    made["provenance"]["finished"] = "2026-11-22T00:00:00Z"
    return made


def rows(records):
    return {row.method: row for row in only_table(records).rows}


def ranks(records):
    return {method: wording.rank(row) for method, row in rows(records).items()}


ABOVE, BELOW = runs("rigl", (0.90, 0.901, 0.902)), runs("static", (0.80, 0.801, 0.8025))


def test_rows_that_lack_nothing_are_ranked():
    assert ranks([*ABOVE, *BELOW]) == {"rigl": "1", "static": "2"}


@pytest.mark.parametrize("status", ["diverged", "invalid"])
@pytest.mark.parametrize("lost", [seeds for size in (1, 2, 3) for seeds in combinations(range(3), size)])
def test_failing_never_pays(status, lost):
    """F2: a method that lost its three worst seeds was bold in 97 % of boards."""
    records = [*ABOVE, *BELOW]
    for record in (record for record in records if record["method"] == "static" and record["seed"] in lost):
        records = [each for each in records if each is not record]
        records.append(make("static", 0.9, record["seed"], status=status, runner="docker"))
    row = rows(records)["static"]
    assert row.place is None
    assert row.unranked == ", ".join(f"seed {seed} {status}" for seed in lost)
    assert not wording.ranked_score(row).startswith("**")


def test_a_failure_on_a_seed_that_is_not_required_keeps_from_a_rank_too():
    assert rows([*ABOVE, *BELOW, make("rigl", 0.9, 7, status="diverged", runner="docker")])["rigl"].place is None


@pytest.mark.parametrize("status", ["interrupted", "timeout", "out_of_memory", "failed"])
def test_what_the_machine_may_have_done_is_repeated_and_then_forgotten(status):
    failed = make("static", 0.9, 1, status=status, runner="docker") | {"key": "e" * 16}
    lacking = [*ABOVE, BELOW[0], failed, BELOW[2]]
    assert rows(lacking)["static"].unranked == "of the seeds 0 to 2, 1 is not done"
    assert ranks([*lacking, later(BELOW[1], "f")]) == {"rigl": "1", "static": "2"}


def test_a_verdict_on_a_method_is_not_replaced_by_a_repetition():
    """F10b: diverged, then tried again, was "3 done"."""
    diverged = make("static", 0.9, 1, status="diverged", runner="docker") | {"key": "e" * 16}
    row = rows([*ABOVE, *BELOW, diverged, later(BELOW[1], "f")])["static"]
    assert row.statuses == {"diverged": 1, "done": 2}
    assert row.unranked == "seed 1 diverged"


def code(digest):
    return {"results": "1", "method": digest * 64, "model": None, "shared": None}


def test_newer_code_that_diverges_shows():
    """F10a: newer code diverged on all three seeds; the old accuracy stayed, with "3 done"."""
    failed = [later(make("static", 0.9, seed, status="diverged", runner="docker"), str(seed)) for seed in range(3)]
    row = rows([*ABOVE, *BELOW, *(record | {"code": code("e")} for record in failed)])["static"]
    assert (row.statuses, row.superseded, row.score) == ({"diverged": 3}, 3, None)
    assert row.place is None


def test_newer_code_that_cannot_be_run_shows_beside_what_is_done():
    failed = later(make("static", 0.9, 0, status="failed", runner="docker"), "e", code=code("e"))
    row = rows([*ABOVE, *BELOW, failed])["static"]
    assert wording.statuses(row) == "3 done; since, otherwise made: 1 failed"
    assert str(row.place) == "2"


def test_one_run_of_newer_code_takes_the_rank_of_its_method_and_of_no_other():
    """F4: it left its method with one seed, and all others tied with it."""
    third = runs("set", (0.85, 0.851, 0.8495))
    newer = later(make("rigl", 0.9, 0, accuracy=0.99, runner="docker"), "e", code=code("e"))
    assert ranks([*ABOVE, *BELOW, *third, newer]) == {"set": "1", "static": "2", "rigl": "–"}


def test_seeds_outside_the_required_ones_do_not_count():
    """F3: a row with seeds of its own could not be beaten."""
    elsewhere = runs("set", {10: 0.99, 11: 0.9901, 12: 0.9902})
    assert ranks([*ABOVE, *BELOW, *elsewhere]) == {"rigl": "1", "static": "2", "set": "–"}
    assert rows([*ABOVE, *elsewhere])["set"].unranked == "of the seeds 0 to 2, 0, 1, 2 are not done"


@pytest.mark.parametrize(
    ("lucky", "why"),
    [
        (runs("set", {0: 0.99}), "of the seeds 0 to 2, 1, 2 are not done"),
        (runs("set", (0.99, 0.9901, 0.9902), runner="local"), "not made in a container"),
    ],
)
def test_a_lucky_row_neither_leads_nor_changes_what_is_shown_of_others(lucky, why):
    """F4: one local run with the best mean made all methods tie."""
    assert ranks([*ABOVE, *BELOW, *lucky]) == {"rigl": "1", "static": "2", "set": "–"}
    row = rows([*ABOVE, *BELOW, *lucky])["set"]
    assert row.unranked == why
    assert "**" not in wording.ranked_score(row)
    assert f"not ranked: {why}" in markdown(of([*ABOVE, *lucky]))


def test_local_rows_are_ranked_by_the_same_rules_where_no_row_was_made_in_a_container():
    local = [record | {"runner": "local"} for record in copy.deepcopy([*ABOVE, *BELOW, *runs("set", (0.95, 0.951))])]
    assert ranks(local) == {"rigl": "1", "static": "2", "set": "–"}
    assert rows(local)["set"].unranked == "of the seeds 0 to 2, 2 is not done"
    said = "No method has a result from a container: local rows are ranked among themselves, and none is verified."
    assert said in markdown(of(local))
    assert {row["verified"] for row in csv.DictReader(io.StringIO(csv_text(of(local))))} == {"no"}
    assert said not in markdown(of(ABOVE))


def test_one_verified_row_ends_the_ranks_of_local_ones():
    verified = runs("gmp", (0.7, 0.7, 0.7))
    local = [record | {"runner": "local"} for record in copy.deepcopy([*ABOVE, *BELOW])]
    assert ranks([*local, *verified]) == {"rigl": "–", "static": "–", "gmp": "1"}
    assert rows([*local, *verified])["rigl"].unranked == "not made in a container"


@pytest.mark.parametrize("status", ["interrupted", "failed", "timeout", "done"])
def test_a_container_that_gave_no_result_or_trained_dense_leaves_local_rows_their_ranks(status):
    local = [record | {"runner": "local"} for record in copy.deepcopy([*ABOVE, *BELOW])]
    dense = [make("dense", 0.0, seed, accuracy=0.95, runner="local") for seed in range(3)]
    what = ("dense", 0.0) if status == "done" else ("gmp", 0.9)
    accuracy = 0.95 if status == "done" else None
    verified = [make(*what, seed, runner="docker", status=status, accuracy=accuracy) for seed in range(3)]
    found = only_table([*local, *dense, *verified])
    shown = {(row.method, row.runner): wording.rank(row) for row in found.rows}
    assert (shown["rigl", "local"], shown["static", "local"]) == ("1", "2")
    assert levels.reference(found).runner == "local"
    (other,) = (row for row in found.rows if row.runner == "docker")
    assert other.unranked == "made in a container, unlike what is ranked"


def test_copies_of_a_method_made_locally_change_no_test():
    """F4: three of them were enough to tie what was told apart."""
    copies = [record | {"runner": "local", "key": f"{i}" * 16} for i, record in enumerate([*ABOVE, *BELOW])]
    made = only_table([*ABOVE, *BELOW, *copies])
    assert len(made.levels[0].family.gaps) == 1
    assert [wording.rank(row) for row in made.rows] == ["1", "2", "–", "–"]


def test_the_sign_is_that_of_the_common_seeds():
    """F5: A's two lucky extra seeds put it first, with B, which won every common seed, "beaten"."""
    first, second = runs("set", (0.80, 0.8005, 0.801, 0.95, 0.95)), runs("rigl", (0.82, 0.8205, 0.8212))
    assert ranks([*first, *second]) == {"rigl": "1", "set": "2"}
    row = rows([*first, *second])["set"]
    assert wording.estimated(row) == "80.05 ± 0.12 (3 of 5 seeds)"


def test_one_row_neither_lowers_nor_raises_the_seeds_that_a_level_requires():
    def level(*counts):
        records = [
            make(name, 0.9, seed, runner="docker")
            for name, n in zip(("set", "rigl", "gmp", "static"), counts, strict=False)
            for seed in range(n)
        ]
        return required_seeds(only_table(records).rows)

    assert level(10, 10, 10, 3) == 10
    assert level(3, 3, 10) == 3
    assert level(5, 3) == 3
    assert level(5, 5, 2) == 5
    assert level(2, 1) == 3


def test_runs_on_other_data_or_in_another_image_are_not_ranked_with_the_rest():
    other = runs("set", (0.95, 0.951, 0.952))
    for record in other:
        record["provenance"]["data_sha256"] = "f" * 64
    assert rows([*ABOVE, *BELOW, *other])["set"].unranked == "made with other data than most of its table"
    other = runs("set", (0.95, 0.951, 0.952))
    for record in other:
        record["image"] = {"content": "f" * 64, "base": "local"}
    assert rows([*ABOVE, *BELOW, *other])["set"].unranked == "made with other image than most of its table"


def uniform(version):
    """A row whose results version 2 changed (uniform layer densities)."""
    made = runs("gmp_uniform", (0.85, 0.8505, 0.851))
    for record in made:
        record["code"]["results"] = version
    return made


def warmed(method, accuracies, version):
    made = runs(method, accuracies)
    for record in made:
        record["code"]["results"] = version
        record["config"]["recipe"]["warmup_epochs"] = 1
    return made


def test_results_that_a_version_did_not_change_are_compared_with_either():
    for version in ("1", "2"):
        assert ranks([*ABOVE, *uniform(version)]) == {"rigl": "1", "gmp_uniform": "2"}


def test_results_of_two_versions_that_differ_are_not_ranked_together():
    new = [*warmed("set", (0.9, 0.901, 0.902), "2"), *warmed("rigl", (0.8, 0.801, 0.8025), "2")]
    old = warmed("static", (0.99, 0.991, 0.992), "1")
    assert ranks([*new, *old]) == {"set": "1", "rigl": "2", "static": "–"}
    assert rows([*new, *old])["static"].unranked == "made with other results version 1 than most of its table"


def test_devices_have_tables_of_their_own():
    gpu = runs("set", (0.99, 0.991, 0.992), gpu=GPU)
    for record in gpu:
        record["config"]["device"] = "cuda"
    tables = of([*ABOVE, *BELOW, *gpu]).tables
    assert [table.title.rpartition(" · ")[2] for table in tables] == ["on cpu", "on cuda"]
    assert [[wording.rank(row) for row in table.rows] for table in tables] == [["1", "2"], ["1"]]


def test_the_csv_holds_what_a_reader_needs_to_draw_the_board_again():
    """F13: it had no p, no difference to the best, and no word on who is beaten."""
    local = runs("gmp", (0.7, 0.7), runner="local")
    found = {row["method"]: row for row in csv.DictReader(io.StringIO(csv_text(of([*ABOVE, *BELOW, *local]))))}
    assert (found["rigl"]["rank_first"], found["rigl"]["rank_last"], found["rigl"]["shown_worse"]) == (
        "1",
        "1",
        "static",
    )
    below = found["static"]
    assert (below["best_mean"], below["shown_better"], below["shown_worse"]) == ("rigl", "rigl", "")
    assert float(below["below_best"]) == pytest.approx(0.9010 - 0.8011666667)
    assert 0 < float(below["p_to_best"]) < 0.05
    assert float(below["smallest_difference"]) > 0
    assert int(below["seeds_for_0.003"]) >= int(below["seeds_for_0.005"]) >= 3
    assert found["gmp"]["not_ranked_because"] == "not made in a container"
    assert found["gmp"]["p_to_best"] == ""


def test_every_file_of_a_row_is_named_once():
    files = of([*ABOVE, *BELOW]).tables[0].rows[0].files
    assert sorted(files.values()) == sorted(map(record_name, ABOVE))


def varied(method, accuracies, **settings):
    made = runs(method, accuracies)
    for record in made:
        record["config"]["method"].update(settings)
        record["key"] = hashlib.sha256((record["key"] + str(settings)).encode()).hexdigest()[:16]
    return made


def test_a_method_has_one_ranked_row_that_of_its_defaults():
    """Clones took a share of the 5 % from every other row, and had more chances to lead."""
    clone = varied("rigl", (0.95, 0.951, 0.952), distribution="uniform")
    plain = varied("rigl", (0.90, 0.901, 0.902), distribution="erk")
    assert ranks([*plain, *clone, *BELOW]) == {
        "rigl [distribution=uniform]": "–",
        "rigl [distribution=erk]": "1",
        "static": "2",
    }
    row = rows([*plain, *clone, *BELOW])["rigl [distribution=uniform]"]
    assert row.unranked == "a variant: rigl [distribution=erk] is the method's row"
    assert len(only_table([*plain, *clone, *BELOW]).levels[0].family.gaps) == 1


def test_a_variant_does_not_take_the_place_of_a_default_that_failed():
    clone = varied("rigl", (0.95, 0.951, 0.952), distribution="uniform")
    plain = varied("rigl", (0.90, 0.901), distribution="erk")
    lost = varied("rigl", (0.9,), distribution="erk")[0] | {"seed": 2, "status": "diverged"}
    assert ranks([*plain, lost, *clone, *BELOW]) == {
        "rigl [distribution=uniform]": "–",
        "rigl [distribution=erk]": "–",
        "static": "1",
    }


def test_a_variant_that_stands_alone_is_ranked():
    clone = varied("rigl", (0.95, 0.951, 0.952), distribution="uniform")
    assert ranks([*clone, *BELOW]) == {"rigl [distribution=uniform]": "1", "static": "2"}


def reaching(sparsities, sparsity=0.9):
    made = [make("set", sparsity, seed, accuracy=0.95 + seed / 1000, runner="docker") for seed in range(3)]
    for record, reached in zip(made, sparsities, strict=True):
        record["config"]["reaches"] = True
        record["metrics"]["sparsity"] = reached
    return made


@pytest.mark.parametrize(
    ("reached", "why"),
    [
        ((0.9, 0.9, 0.9), ""),
        ((0.9, 0.8991, 0.93), ""),
        ((0.9, 0.8989, 0.93), "reaches 89.89 %"),
        ((0.9, 0.873, 0.88), "reaches 87.3 %"),
    ],
)
def test_a_row_that_reaches_its_sparsity_is_ranked_where_every_seed_does(reached, why):
    row = rows([*ABOVE, *BELOW, *reaching(reached)])["set"]
    assert row.unranked == why
    assert (row.place is None) == bool(why)


def local(method, accuracies):
    made = runs(method, accuracies, runner="local")
    for record in made:
        record["key"] = hashlib.sha256(record["key"].encode()).hexdigest()[:16]
    return made


@pytest.mark.parametrize(
    ("accuracies", "said"),
    [
        ((0.90, 0.902, 0.901), "local at 0.9: set 90.10, not shown to differ from rigl"),
        ((0.80, 0.801, 0.8025), "local at 0.9: set 80.12, shown to be worse than rigl"),
        ((0.99, 0.991, 0.9925), "local at 0.9: set 99.12, shown to be better than rigl"),
        ((0.99, 0.991), "local at 0.9: set 99.05, not tested against rigl: it lacks seeds of that row"),
    ],
)
def test_a_local_row_is_tested_against_the_leader_apart(accuracies, said):
    table = only_table([*ABOVE, *BELOW, *local("set", accuracies)])
    assert apart.told(table) == [said]
    assert len(table.levels[0].family.gaps) == 1


def test_a_local_row_that_is_denser_than_its_column_is_not_shown_better():
    dense = [record | {"runner": "local", "image": None} for record in reaching((0.9, 0.873, 0.9))]
    (said,) = apart.told(only_table([*BELOW, *dense]))
    assert said == "local at 0.9: set 95.10, not tested against static: it reaches 87.3 %"


def test_the_test_of_a_local_row_allows_for_the_choice_of_the_leader():
    """The leader is whichever ranked row has the best mean, so its mean is too high."""
    kinds = dict.fromkeys(("rigl", "static", "gmp", "granet", "set_itop"), "docker") | {"set": "local"}
    records = [record for name, runner in kinds.items() for record in runs(name, [0.9] * 5, runner=runner)]
    wrong = 0
    for number in range(200):
        draw = random.Random(number)
        drawn = [record | {"metrics": {"test_accuracy": draw.gauss(0.9, 0.003)}} for record in records]
        table = only_table(drawn)
        (each,) = apart.tested(table, table.levels[0])
        wrong += each.p <= 0.05
    assert wrong / 200 <= 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5
