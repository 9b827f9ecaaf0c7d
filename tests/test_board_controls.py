"""What the board says of dense nets that cost as little, of shuffled masks and new weights, and of a common fan-in."""

import copy

import pytest
from boards import of, only_table
from records import LAYERS, make, resealed
from scipy import stats
from statsmodels.stats.multitest import multipletests

from harness.board import baselines, controls, csv_text, findings, markdown, results_table
from harness.board.page import data as page_data
from harness.board.page.html import html
from harness.board.spending import planned
from harness.records.validate import validate

IMAGE = 1 / 1000  # of the records' test set


def runs(method, accuracies, sparsity=0.9, runner="docker", settings=None, **config):
    """A row of any method; `settings` are its method's."""
    made = []
    for seed, accuracy in enumerate(accuracies):
        record = make("static", sparsity, seed, accuracy=accuracy, runner=runner)
        record["method"] = method
        record["config"]["method"] = {"name": method, "distribution": "erk", **(settings or {})}
        record["config"] |= config
        made.append(resealed(record))
    return made


def small(accuracies, equal="weights", **kind):
    reference = {"maskable": 6032, "forward_flops": 10**6, "training_flops": 3 * 10**6}
    return runs("small_dense", accuracies, settings={"equal": equal}, reference=reference, **kind)


def short(accuracies, **kind):
    return runs("short_dense", accuracies, settings={"like": "static"}, budget_share=0.25, **kind)


def snip(accuracies, shuffle="none", reinit=False, **kind):
    settings = {"per_class": 1, "shuffle": shuffle, "reinit": reinit} | kind.pop("settings", {})
    return runs("snip", accuracies, settings=settings, **kind)


HIGH, MIDDLE, LOW = (0.900, 0.901, 0.902), (0.850, 0.851, 0.8525), (0.800, 0.8012, 0.802)
NOISY = (0.80, 0.90, 0.85)


def test_a_level_says_what_is_better_and_worse_than_the_small_and_the_short_dense_net():
    table = only_table([*runs("rigl", HIGH), *small(MIDDLE), *short(LOW), *runs("static", (0.7, 0.701, 0.7022))])
    assert baselines.told(table) == (
        "At 0.9, rigl and small_dense are shown to be better than short_dense (dense, with the training FLOPs of "
        "static), and static is worse; rigl is shown to be better than small_dense (dense, with as many weights), and "
        "short_dense and static are worse."
    )


def test_the_verdicts_are_those_of_the_levels_own_tests():
    table = only_table([*runs("rigl", HIGH), *runs("set", NOISY), *small(MIDDLE), *runs("static", LOW)])
    (level,) = table.levels
    row = next(row for row in level.ranked if row.name == "small_dense")
    assert ([each.method for each in level.better(row)], [each.method for each in level.worse(row)]) == (
        ["rigl"],
        ["static"],
    )
    assert "rigl is shown to be better than small_dense" in baselines.told(table)
    assert "set" not in baselines.told(table)


def test_where_nothing_is_shown_that_is_said():
    words = "no method is shown to be better or worse than small_dense (dense, with as many weights)"
    assert baselines.told(only_table([*runs("set", NOISY), *small(MIDDLE)])) == f"At 0.9, {words}."
    only_worse = only_table([*runs("static", LOW), *small(MIDDLE)])
    assert baselines.told(only_worse).startswith("At 0.9, no method is shown to be better than small_dense (")
    assert baselines.told(only_worse).endswith("), and static is worse.")
    alone = baselines.told(only_table(small(MIDDLE, equal="flops")))
    assert alone == "At 0.9, no other method is ranked with small_dense (dense, with as many FLOPs an image)."


def test_a_dense_net_without_a_rank_is_named_with_the_reason_and_none_is_passed_over():
    ranked = [*runs("rigl", HIGH), *runs("static", LOW)]
    assert baselines.told(only_table(ranked)) == ""
    assert baselines.told(only_table([*ranked, *small(MIDDLE, runner="local")])) == (
        "At 0.9, nothing is tested against small_dense, which is not ranked (not made in a container)."
    )
    lacking = baselines.told(only_table([*ranked, *small(MIDDLE[:2])]))
    assert lacking.endswith("which is not ranked (of the seeds 0 to 2, 2 is not done).")


def test_under_a_plan_the_verdicts_are_those_after_its_looks():
    records = [*runs("rigl", HIGH), *small(MIDDLE)]
    for record in records:
        record["provenance"]["looks"] = planned(0.005).as_record()
    table = only_table(records)
    assert table.levels[0].look
    shown = bool(table.levels[0].better(next(row for row in table.rows if row.name == "small_dense")))
    assert ("rigl is shown to be better" in baselines.told(table)) == shown


def test_the_tests_are_scipys_paired_ones_under_holms_correction_over_all_controls_of_the_table():
    own = {0.9: (0.90, 0.912, 0.905, 0.908), 0.95: (0.85, 0.861, 0.858, 0.852)}
    changed = {
        (0.9, "layerwise", False): (0.897, 0.910, 0.899, 0.901),
        (0.9, "none", True): (0.86, 0.873, 0.864, 0.8695),
        (0.95, "layerwise", True): (0.856, 0.853, 0.859, 0.846),
    }
    records = [record for at, values in own.items() for record in snip(values, sparsity=at)]
    for (at, shuffle, reinit), values in changed.items():
        records += snip(values, shuffle, reinit, sparsity=at)
    found = {
        (each.row.sparsity, each.row.settings["shuffle"], each.row.settings["reinit"]): each
        for each in controls.of_table(only_table(records))
    }
    raw = [stats.ttest_rel(values, own[at]).pvalue for (at, *_), values in changed.items()]
    adjusted = multipletests(raw, method="holm")[1]
    for number, (key, values) in enumerate(changed.items()):
        assert found[key].p == pytest.approx(adjusted[number], rel=1e-9)
        interval = stats.ttest_rel(values, own[key[0]]).confidence_interval(1 - 0.05 / len(changed))
        assert found[key].change - found[key].half_width == pytest.approx(interval.low, rel=1e-9)
        assert found[key].change + found[key].half_width == pytest.approx(interval.high, rel=1e-9)
    told = controls.told(only_table(records))
    assert "paired t-tests with Holm's correction over all 3" in told
    assert (
        "At 0.9, shuffling the masks of snip within layers is not shown to change accuracy (−0.45 points, −1.03 to "
        "+0.13); drawing the weights of snip anew is shown to lower accuracy (−3.96 points, −4.23 to −3.69)."
    ) in told
    assert "At 0.95, shuffling the masks of snip within layers and drawing its weights anew is not shown" in told


def test_seeds_that_agree_to_the_image_are_no_proof():
    records = [*snip((0.90, 0.91, 0.92)), *snip((0.901, 0.911, 0.921), "layerwise")]
    (control,) = controls.of_table(only_table(records))
    assert control.p == pytest.approx(2 * stats.t.sf(0.001 / (IMAGE / 3**0.5), 2), rel=1e-9)


def test_a_single_test_has_its_own_interval_and_says_so():
    told = controls.told(only_table([*snip(HIGH), *snip(LOW, "layerwise")]))
    assert told.startswith(
        "Controls of pruning before training (Su et al. 2020, Frankle et al. 2021; a paired t-test, with a 95 % "
        "interval). At 0.9, "
    )
    assert "is shown to lower accuracy" in told


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([*snip(HIGH[:2], "layerwise"), *snip(HIGH)], "of the seeds 0 to 2, 2 is not done"),
        ([*snip(HIGH, "layerwise"), *snip(HIGH[:2])], "of the method's own row, of the seeds 0 to 2, 2 is not done"),
        (snip(HIGH, "layerwise"), "the method was not run without it"),
        ([*snip(HIGH, "layerwise"), *snip(HIGH, settings={"per_class": 3})], "the method was not run without it"),
    ],
)
def test_what_cannot_be_tested_says_why(records, why):
    table = only_table([*records, *runs("static", HIGH), *runs("rigl", HIGH), *runs("set", HIGH)])
    assert controls.told(table).endswith(f" is not tested: {why}.")
    assert controls.of_table(table)[0].p is None


def test_a_seed_that_diverged_and_other_code_are_not_tested():
    shuffled = snip(HIGH, "layerwise")
    shuffled[1] |= {"status": "diverged", "reason": "NaN"}
    assert controls.told(only_table([*snip(HIGH), *shuffled])).endswith("is not tested: seed 1 diverged.")
    other = copy.deepcopy(snip(HIGH, "layerwise"))
    for record in other:
        record["provenance"]["data_sha256"] = "c" * 64
    assert controls.told(only_table([*snip(HIGH), *other])).endswith("made with other code, data or image.")


def test_seeds_beyond_the_required_do_not_count():
    records = [*snip((*HIGH, 0.1)), *snip((*MIDDLE, 0.9), "layerwise"), *runs("static", LOW), *runs("rigl", HIGH)]
    records += [*runs("set", HIGH), *runs("gmp", HIGH)]
    (control,) = controls.of_table(only_table(records))
    assert control.change == pytest.approx((sum(MIDDLE) - sum(HIGH)) / 3)


def test_local_rows_and_sparsity_zero_are_no_controls():
    local = [*snip(HIGH), *snip(LOW, "layerwise", runner="local")]
    assert controls.told(only_table(local)) == ""
    assert controls.told(only_table([*snip(HIGH, sparsity=0.0), *snip(LOW, "layerwise", sparsity=0.0)])) == ""


def test_every_view_says_it_and_none_where_there_is_nothing_to_say():
    records = [*snip(HIGH), *snip(LOW, "layerwise"), *small(MIDDLE)]
    table = only_table(records)
    said = (baselines.told(table), controls.told(table))
    for text in (markdown(of(records)), results_table(records)):
        assert all(words.replace("_", r"\_") in text or words in text for words in said)
    shown = page_data.data(of(records), "records")["tables"][0]
    assert shown["controls"] == controls.told(table)
    assert any(name == "Against small_dense" for name, _ in shown["answers"][0]["lines"])
    plain = [*runs("rigl", HIGH), *runs("static", LOW)]
    assert "Controls of pruning" not in markdown(of(plain)) + results_table(plain)
    assert "small_dense" not in html(of(plain), "records").partition('id="data"')[2].partition("</script>")[0]
    assert not any("small_dense" in name for name, _ in findings.answer(only_table(plain), only_table(plain).levels[0]))
    assert csv_text(of(records))


def test_a_row_with_a_common_fan_in_says_it_and_how_many_neurons_are_active():
    records = runs("srigl", HIGH)
    for record, neurons in zip(records, (8, 8, 4), strict=True):
        names = [layer["name"] for layer in LAYERS]
        record["metrics"]["active_neurons"] = dict(zip(names, (16, neurons, 10), strict=True))
        record["topology"][-1]["active"] = [32, 320, 100]
        assert validate(record) == []
    (point,) = page_data.points(only_table(records))
    assert point["neurons"] == (
        "Fan-in and active neurons by layer: conv1 2, 100 %; conv2 40 to 80, 20.8 %; fc 10, 100 %."
    )
    assert page_data.points(only_table(runs("set", HIGH)))[0]["neurons"] == ""
