"""The board: what is grouped, ranked, listed and left off."""

import copy
import csv
import io
import re

import pytest
from boards import of, only_table
from records import GPU, METHODS, board, make

from harness.board import csv_text, markdown, published, reference, results_table, wording
from harness.board.tables import in_words
from harness.records import record_name


def changed(original, **parts):
    made = copy.deepcopy(original)
    for part, values in parts.items():
        if isinstance(values, dict):
            made[part] |= values
        else:
            made[part] = values
    return made


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_every_method_gets_one_row_per_sparsity_and_dense_is_the_unranked_reference():
    table = only_table(board(runner="docker"))
    assert len(table.rows) == 1 + 3 * (len(METHODS) - 1)
    assert [(row.method, wording.rank(row)) for row in table.rows if row.sparsity == 0] == [("dense", "ref")]
    for level in (0.9, 0.95, 0.98):
        rows = [row for row in table.rows if row.sparsity == level]
        assert {row.method for row in rows} == set(METHODS) - {"dense"}
        means = [row.score.mean for row in rows]
        assert means == sorted(means, reverse=True)
        assert rows[0].place.may_lead


def test_a_mean_with_its_interval_is_over_all_seeds_that_ended():
    records = [make("set", 0.9, seed, accuracy=a) for seed, a in enumerate((0.90, 0.92, 0.94))]
    row = only_table([*records, make("set", 0.9, 3, status="diverged")]).rows[0]
    assert wording.estimated(row) == "92.00 ± 4.97 (3 seeds, 1 lost)"
    assert wording.statuses(row) == "1 diverged, 3 done"


def test_accuracy_and_cost_of_a_ranked_row_are_of_the_same_seeds():
    records = board(runner="docker")
    row = next(row for row in only_table(records).rows if row.name == "rigl" and row.place is not None)
    extra = changed(row.example, seed=row.required, cost={"train_flops": 10 * row.example["cost"]["train_flops"]})
    (more,) = (one for one in only_table([*records, extra]).rows if (one.name, one.sparsity) == ("rigl", row.sparsity))
    assert len(more.runs) == len(row.runs) + 1
    assert len(more.scores) == len(row.scores)
    assert more.mean("cost", "train_flops") == row.mean("cost", "train_flops")


def test_a_single_seed_shows_no_interval_and_says_so():
    row = only_table([make("set", 0.9, 0, accuracy=0.9)]).rows[0]
    assert wording.estimated(row) == "90.00 (1 seed, no interval)"
    assert read_csv(csv_text(of([make("set", 0.9, 0)])))[0]["top1_ci95_half_width"] == ""


@pytest.mark.parametrize(
    "other",
    [
        {"dataset": "fashion_mnist"},
        {"model": "mlp"},
        {"recipe": "long"},
        {"budget": ("epochs", 20, 1)},
        {"budget": ("flops", 10, 1)},
        {"budget": ("epochs", 10, 5)},
    ],
)
def test_nothing_is_ranked_across_tasks_or_budgets(other):
    tables = of([make("set", 0.9, 0), make("rigl", 0.9, 0, **other)]).tables
    assert [len(table.rows) for table in tables] == [1, 1]
    assert len({table.title for table in tables}) == 2


def test_a_recipe_with_an_overridden_value_is_another_task_and_is_named_by_it():
    plain, hot = make("set", 0.9, 0), make("set", 0.9, 1)
    hot["config"]["recipe"]["lr"] = 0.4
    titles = [table.recipe for table in of([plain, hot]).tables]
    assert sorted(titles) == ["digits [lr=0.1]", "digits [lr=0.4]"]


def test_where_the_data_lie_does_not_make_another_task():
    here, there = make("set", 0.9, 0), make("set", 0.9, 1)
    there["config"]["dataset"]["root"] = "/mnt/data"
    assert len(only_table([here, there]).rows) == 1


def test_settings_that_differ_make_rows_of_their_own_named_by_what_differs():
    plain, slow = make("set", 0.9, 0), make("set", 0.9, 0)
    plain["config"]["method"]["delta_t"] = 100
    slow["config"]["method"]["delta_t"] = 1500
    slow["key"] = "f" * 16
    assert [row.method for row in only_table([plain, slow]).rows] == ["set [delta_t=100]", "set [delta_t=1500]"]


def test_verified_and_local_runs_are_never_averaged():
    rows = only_table([make("set", 0.9, 0), make("set", 0.9, 1, runner="docker")]).rows
    assert sorted(wording.mark(row) for row in rows) == ["local", "verified"]


def test_the_newest_run_that_is_done_stands_for_its_seed():
    old = make("set", 0.9, 0, accuracy=0.5)
    new = changed(make("set", 0.9, 0, accuracy=0.9), key="1" * 16, provenance={"finished": "2026-11-22T00:00:00Z"})
    failed = changed(
        make("set", 0.9, 0, status="failed"), key="2" * 16, provenance={"finished": "2026-11-23T00:00:00Z"}
    )
    made = of([old, new, failed])
    row = made.tables[0].rows[0]
    assert row.scores == {0: 0.9}
    assert (row.superseded, row.statuses) == (1, {"done": 1})
    assert [name for name, _ in made.failures] == [record_name(failed)]


def test_runs_of_older_code_do_not_enter_the_mean():
    old = [make("set", 0.9, seed, accuracy=0.5) for seed in (0, 1, 2)]
    new = changed(
        make("set", 0.9, 0, accuracy=0.9),
        key="1" * 16,
        provenance={"finished": "2026-11-22T00:00:00Z"},
        code={"results": "2", "method": "e" * 64, "model": None, "shared": None},
    )
    row = only_table([*old, new]).rows[0]
    assert row.scores == {0: 0.9}
    assert row.superseded == 3


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({"kind": "epochs", "amount": 160}, "160 epochs"),
        ({"kind": "epochs", "amount": 1, "stretch": 1, "rounds": "shared"}, "1 epoch"),
        ({"kind": "epochs", "amount": 182, "stretch": 1, "rounds": "each"}, "182 epochs each round"),
        ({"kind": "steps", "amount": 32000, "stretch": 5}, "5 × 32000 steps"),
        ({"kind": "flops", "amount": 0.5, "stretch": 1}, "0.5 of the dense run's FLOPs"),
        ({"kind": "seconds", "amount": 60, "stretch": None}, "60 seconds"),
    ],
)
def test_a_budget_is_told_in_words(budget, words):
    assert in_words(budget) == words


def test_time_is_told_per_hardware_and_never_averaged_across():
    cpu, gpu = make("set", 0.9, 0), make("set", 0.9, 1, gpu=GPU)
    row = only_table([cpu, gpu]).rows[0]
    assert list(row.usage) == ["AMD EPYC 9B45, 2 cores", "NVIDIA H100 80GB HBM3"]
    assert row.usage["NVIDIA H100 80GB HBM3"].seconds == gpu["cost"]["seconds"]["total"]
    told = wording.cells(row)["wall-clock"]
    assert told == f"{cpu['cost']['seconds']['total']:.1f} s; {gpu['cost']['seconds']['total']:.1f} s"
    assert read_csv(csv_text(of([cpu, gpu])))[0]["wall_clock_seconds"] == ""


def test_a_run_that_shared_its_gpu_is_other_hardware():
    alone, packed = make("set", 0.9, 0, gpu=GPU), make("set", 0.9, 1, gpu=GPU)
    packed["config"]["packed"] = 4
    assert list(only_table([alone, packed]).rows[0].usage) == [
        "NVIDIA H100 80GB HBM3",
        "NVIDIA H100 80GB HBM3 (shared by 4 runs)",
    ]


def test_a_run_of_several_processes_is_no_seed_of_a_run_of_one():
    one = make("rigl", accuracy=0.9)
    two = changed(make("rigl", accuracy=0.5), config={"nproc": 2}, key="b" * 16)
    rows = only_table([one, two]).rows
    assert {row.method: row.scores for row in rows} == {"rigl [nproc=1]": {0: 0.9}, "rigl [nproc=2]": {0: 0.5}}


def test_failures_have_a_section_and_a_row_even_where_nothing_was_done():
    failed = [make("set", 0.9, 0, status="diverged"), make("rigl", 0.9, 1, status="invalid")]
    text = markdown(of([make("gmp", 0.9, 0), *failed]))
    section = text.split("## Runs that failed")[1]
    assert "the loss became NaN at step 31" in section
    assert record_name(failed[1]) in section
    assert re.search(r"\| – +\| set .* local: 1 diverged", text)
    assert re.search(r"\| – +\| rigl .* local: 1 invalid", text)


def test_the_csv_keeps_every_digit_of_large_counts():
    big = make("set", 0.9, 0)
    big["cost"]["train_flops"] = 3_200_000_000_000_000_001
    assert read_csv(csv_text(of([big])))[0]["train_flops"] == "3200000000000000001"


def test_published_numbers_stand_beside_ours_with_the_difference_in_words():
    ours = [
        make(method, sparsity, 0, dataset="cifar10", model="resnet50_cifar", recipe="cifar")
        for method, sparsity in (("granet", 0.95), ("rigl", 0.95))
    ]
    text = markdown(of(ours)).split("Published, under another protocol")[1]
    line = next(line for line in text.splitlines() if line.startswith("| granet_s05"))
    assert "94.38 ± 0.28 (std)" in line
    assert f"{100 * ours[0]['metrics']['test_accuracy']:.2f}" in line
    assert "best epoch chosen on the TEST set" in line
    assert "ours: recipe cifar, 10 epochs, batch 64, last epoch" in line
    assert "check the paper before quoting" in line
    assert re.search(r"\| snip .*\| – ", text)  # a method that we do not have
    assert read_csv(csv_text(of(ours)))[0]["published_top1"] in ("0.9438", "0.9386")


def test_published_numbers_of_other_tasks_and_of_longer_training_are_not_compared():
    assert "Published" not in markdown(of([make("granet", 0.9, 0)]))
    table = only_table([make("rigl", 0.8, 0, dataset="imagenet", model="resnet50", recipe="imagenet")])
    five = [p for p in published.beside(reference.read()[0], table) if p.method == "rigl_5x"]
    assert five
    assert all(published.ours(p, table) is None for p in five)


def test_a_sparsity_that_is_only_near_is_said_to_be():
    table = only_table([make("lr_rewind", 0.9, 0, dataset="cifar10", model="resnet20", recipe="renda")])
    number = next(p for p in published.beside(reference.read()[0], table) if p.ours == "lr_rewind")
    words = published.difference(number, table, published.ours(number, table))
    assert "sparsity theirs 0.89" in words
    assert "ours 0.9" in words


def test_every_published_number_is_read():
    numbers = reference.read()[0]
    assert len(numbers) > 150
    assert all(0 < number.top1 < 100 and 0 <= number.sparsity < 1 for number in numbers)
    assert {"granet", "rigl", "gmp", "gmp_uniform", "lth_rewind", "lr_rewind", "dense"} <= {n.ours for n in numbers}


def test_the_results_table_names_hardware_and_versions_and_marks_local_runs():
    text = results_table(board())
    assert "AMD EPYC 9B45, 2 cores; torch 2.11.0" in text
    assert "granet (local)" in text
    assert "3 seeds, ± half a 95 % interval" in text


def test_seeds_too_far_apart_for_an_interval_are_shown_themselves():
    """It read 44.40 ± 420.58."""
    table = only_table([make("set", 0.9, seed, accuracy=share) for seed, share in enumerate((0.113, 0.775))])
    (row,) = table.rows
    assert wording.estimated(row) == "44.40 (2 seeds from 11.30 to 77.50, too far apart for an interval)"
    assert wording.score(row) == "44.40 (seeds from 11.30 to 77.50)"
