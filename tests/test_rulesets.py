"""Two rulesets, never ranked together; what splits tables and rows; what the checker holds of both."""

import copy

import pytest
from boards import of, only_table
from records import make, resealed

from harness.audit.submission import check
from harness.board.tables import REFERENCE
from harness.records import record_name, ruleset
from harness.records.record import text
from harness.records.validate import validate
from harness.tuning import space

LR = {"recipe.lr": space.Range(0.1, 0.03, 0.3, "log")}


def at_rate(record, rate):
    """Give a record another learning rate, along its curve too."""
    for point in record["curve"]:
        point["lr"] *= rate / record["config"]["recipe"]["lr"]
    record["config"]["recipe"]["lr"] = rate


def tuned(record, trial=1, *, trials=5, own=None):
    """The record of the same run with tuned settings."""
    made = copy.deepcopy(record)
    ranges = LR | (own or {})
    settings = space.draw(ranges, f"{record['dataset']}/{record['model']}", trials)[trial]
    for name, value in settings.items():
        group, _, field = name.partition(".")
        if name == "recipe.lr":
            at_rate(made, value)
        made["config"][group][field] = value
    plain = {name: one.plain() for name, one in ranges.items()}
    made["tuning"] = {"chosen": "tuned", "space": plain, "trials": trials, "flops": 10**9, "split": "validation"}
    return resealed(made)


def rows(method="granet", sparsity=0.9, **more):
    return [resealed(make(method, sparsity, seed, runner="docker", **more)) for seed in range(3)]


def refusals(folder, records, index=0):
    folder.mkdir(exist_ok=True)
    for each in records:
        assert validate(each) == []
        (folder / record_name(each)).write_text(text(each))
    path = folder / record_name(records[index])
    return check([path])[path]


def test_tuned_and_published_rows_stand_in_tables_of_their_own():
    both = [*rows("granet"), *rows("rigl"), *(tuned(each, 2) for each in [*rows("granet"), *rows("rigl")])]
    first, second = of(both).tables
    assert (first.ruleset, first.trials) == (ruleset.PUBLISHED, None)
    assert (second.ruleset, second.trials) == (ruleset.TUNED, 5)
    assert [len(table.rows) for table in (first, second)] == [2, 2]
    assert second.title == f"{first.title} · equally tuned, 5 trials each"
    assert first.recipe == second.recipe == "digits"


def test_methods_with_other_chosen_values_of_a_shared_setting_share_a_table():
    table = only_table([*(tuned(each, 1) for each in rows("granet")), *(tuned(each, 3) for each in rows("rigl"))])
    assert {row.method for row in table.rows} == {"granet", "rigl"}
    assert len({row.settings["recipe.lr"] for row in table.rows}) == 2


def test_two_choices_of_one_method_are_two_rows():
    table = only_table([*(tuned(each, 1) for each in rows()), *(tuned(each, 3) for each in rows())])
    assert len(table.rows) == 2
    assert all("recipe.lr=" in row.method for row in table.rows)


def test_other_numbers_of_trials_and_other_shared_spaces_are_other_tables():
    wider = [copy.deepcopy(each) for each in map(tuned, rows("rigl"))]
    for each in wider:
        each["tuning"]["space"]["recipe.lr"]["high"] = 0.9
    found = of([*map(tuned, rows("granet")), *(tuned(each, trials=8) for each in rows("set")), *wider]).tables
    assert len(found) == 3


def test_spaces_of_methods_own_settings_do_not_split_a_table():
    own = {"method.fraction": space.Range(0.3, 0.1, 0.6)}
    assert len(only_table([*map(tuned, rows("granet")), *(tuned(each, own=own) for each in rows("rigl"))]).rows) == 2


def test_trials_are_not_on_the_board():
    trials = copy.deepcopy(rows("rigl"))
    for each in trials:
        each["config"]["test"] = False
        each["metrics"] |= {"test_accuracy": None, "test_top5": None, "test_loss": None}
    table = only_table([*rows("granet"), *map(resealed, trials)])
    assert [row.method for row in table.rows] == ["granet"]


def test_dense_is_one_row_whatever_it_says_of_masks():
    other = copy.deepcopy(rows("dense", 0.0))
    for each in other:
        each["config"]["method"] |= {"distribution": "uniform", "interval": 7}
    table = only_table(
        [*rows("granet"), *rows("dense", 0.0), *(each | {"key": f"{each['seed']:016x}"} for each in other)]
    )
    assert [row.method for row in table.rows if row.name == REFERENCE] == ["dense"]


def test_a_distribution_tells_masked_rows_apart():
    other = copy.deepcopy(rows("granet"))
    for each in other:
        each["config"]["method"]["distribution"] = "uniform"
    table = only_table([*rows("granet"), *map(resealed, other)])
    assert {row.method for row in table.rows} == {"granet [distribution=erk]", "granet [distribution=uniform]"}


@pytest.mark.parametrize("width", [0.3, 1.0])
def test_a_narrow_net_stands_in_the_table_of_the_sparse_rows(width):
    narrow = copy.deepcopy(rows("static"))
    for each in narrow:
        each["config"]["model"]["width"] = width
        each["config"] |= {"reference": {"maskable": 6032}}
    table = only_table([*rows("granet"), *map(resealed, narrow)])
    assert [row.settings.get("model.width") for row in table.rows if row.method == "static"] == [width]


def test_a_model_of_another_width_is_another_task():
    narrow = copy.deepcopy(rows("static"))
    for each in narrow:
        each["config"]["model"]["width"] = 0.5
    assert len(of([*rows("granet"), *map(resealed, narrow)]).tables) == 2


def test_a_short_dense_run_has_no_settings_of_masks():
    short = copy.deepcopy(rows("static"))
    for each in short:
        each["config"]["budget_share"] = 0.3
    (row,) = only_table(list(map(resealed, short))).rows
    assert "distribution" not in row.settings


def test_honest_records_of_both_rulesets_pass(tmp_path):
    records = [*rows(), *map(tuned, rows())]
    assert refusals(tmp_path, records) == []
    assert refusals(tmp_path, records, 3) == []
    for chosen in ("paper", "default"):
        said = [resealed(each | {"tuning": {"chosen": chosen}}) for each in rows("rigl")]
        assert refusals(tmp_path, said) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trials": None}, "tuning: trials is missing, though the settings were tuned"),
        ({"space": None}, "tuning: space is missing, though the settings were tuned"),
        ({"flops": 0}, "tuning: flops is missing, though the settings were tuned"),
        ({"split": "test"}, "tuning: on the split 'test'; the validation split alone may be tuned on"),
        ({"trials": 1}, "tuning: 1 trials; allowed are 2 to 100"),
        ({"chosen": "paper"}, "tuning: space is given, though the settings are paper ones"),
        ({"space": {"recipe.lr": {"usual": 0.1, "low": 0.2, "high": 0.3, "scale": "log"}}}, "is none of the 5 trials"),
        ({"space": {"recipe.lr": {"usual": 0.1}}}, "config: space: recipe.lr takes times"),
    ],
)
def test_a_tuning_that_does_not_hold_is_refused(tmp_path, change, said):
    records = list(map(tuned, rows()))
    for each in records:
        each["tuning"] |= change
    (reason,) = refusals(tmp_path, records)
    assert said in reason


def test_settings_that_no_trial_had_are_refused(tmp_path):
    records = [copy.deepcopy(each) for each in map(tuned, rows())]
    for each in records:
        at_rate(each, 0.1234)
    (reason,) = refusals(tmp_path, [resealed(each) for each in records])
    assert reason == "tuning: recipe.lr=0.1234 is none of the 5 trials that its space gives"


def test_a_row_with_another_number_of_trials_than_its_table_is_refused(tmp_path):
    records = [
        *map(tuned, rows("granet")),
        *map(tuned, rows("rigl")),
        *(tuned(each, trials=20) for each in rows("set")),
    ]
    assert refusals(tmp_path, records) == []
    assert refusals(tmp_path, records, -1) == ["tuning: 20 trials, but the other rows of its table have 5"]


def test_one_choice_serves_all_sparsities_and_seeds(tmp_path):
    same = [*(tuned(each, 2) for each in rows()), *(tuned(each, 2) for each in rows(sparsity=0.95))]
    assert refusals(tmp_path / "same", same) == []
    picked = [*(tuned(each, 2) for each in rows()), *(tuned(each, 3) for each in rows(sparsity=0.95))]
    for index in (0, 5):
        (reason,) = refusals(tmp_path / "picked", picked, index)
        assert reason == "tuning: other runs of the method have another choice; one serves all sparsities and seeds"


def test_another_range_of_the_methods_own_settings_does_not_excuse_another_choice(tmp_path):
    ranges = [{"method.fraction": space.Range(0.3, 0.1, high)} for high in (0.6, 0.6001)]
    records = [
        *(tuned(each, 2, own=ranges[0]) for each in rows("rigl")),
        *(tuned(each, 3, own=ranges[1]) for each in rows("rigl", sparsity=0.95)),
    ]
    for index in (0, 5):
        (reason,) = refusals(tmp_path, records, index)
        assert reason == "tuning: other runs of the method have another choice; one serves all sparsities and seeds"


def test_trials_are_refused_as_submissions(tmp_path):
    records = copy.deepcopy(rows())
    for each in records:
        each["config"]["test"] = False
        each["metrics"] |= {"test_accuracy": None, "test_top5": None, "test_loss": None}
    assert any(
        "is a trial of a tuning" in reason for reason in refusals(tmp_path, [resealed(each) for each in records])
    )


def test_seeds_begin_at_zero(tmp_path):
    records = [resealed(make("granet", 0.9, seed, runner="docker")) for seed in (0, 17, 23)]
    assert refusals(tmp_path, records) == ["seeds: 1, 2 missing; a submission has the seeds 0, 1, 2 and on"]
