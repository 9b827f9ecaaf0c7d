"""Two rows paired by seed: what is compared, with which interval, and what is refused by name."""

import copy
import math
import random
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import GPU, make, resealed
from scipy import stats

from harness.errors import UsageError
from harness.places import ROOT
from harness.records import bits, record_name, write
from harness.reports import comparison, contrasts, html, pairing, sides, terminal

HOSTILE = "<script>alert(1)</script>\x1b[31m\n\u202e&\"'"


def side(letter, *records):
    return sides.Side(letter, "given", {f"{number}-{record_name(each)}": each for number, each in enumerate(records)})


def runs(method, accuracies, sparsity=0.9, **task):
    return [make(method, sparsity, seed, accuracy=value, **task) for seed, value in accuracies.items()]


def compared(first, second):
    return comparison.page(side("A", *first), side("B", *second))


def section(page, title):
    (found,) = (each for each in page.sections if each.title.startswith(title))
    return found


A = {0: 0.912, 1: 0.905, 2: 0.921, 3: 0.909}
B = {0: 0.904, 1: 0.901, 2: 0.909, 3: 0.907}


def test_the_difference_has_the_interval_and_the_p_value_of_a_paired_t_test():
    values = [A[seed] - B[seed] for seed in A]
    expected = stats.ttest_rel(list(A.values()), list(B.values()))
    low, high = stats.t.interval(0.95, 3, np.mean(values), np.std(values, ddof=1) / 2)
    found = pairing.paired_difference(A, B, 0.001)
    assert (found.n, found.mean) == (4, pytest.approx(np.mean(values)))
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.mean - found.half_width, found.mean + found.half_width) == pytest.approx((low, high))
    page = compared(runs("rigl", A), runs("set", B))
    said = f"A − B: {100 * found.mean:+.2f} ± {100 * found.half_width:.2f} points of test accuracy"
    assert page.lead[1].startswith(f"{said} (4 seeds, 95 % interval, p = {expected.pvalue:.2g}): ")
    assert page.lead[1].endswith("no difference is shown") == (low <= 0 <= high)


@given(
    st.dictionaries(st.integers(0, 9), st.floats(0, 1), min_size=1), st.dictionaries(st.integers(0, 9), st.floats(0, 1))
)
def test_the_sides_exchanged_give_the_opposite_difference(first, second):
    one, other = pairing.paired_difference(first, second, 0.001), pairing.paired_difference(second, first, 0.001)
    if not first.keys() & second.keys():
        assert one is other is None
        return
    assert one.mean == -other.mean
    assert (one.half_width, one.p, one.n) == (other.half_width, other.p, len(first.keys() & second.keys()))
    assert (one.half_width is None) == (one.n == 1)


def test_seeds_that_differ_by_the_same_image_are_no_proof():
    same = pairing.paired_difference({0: 0.901, 1: 0.902}, {0: 0.9, 1: 0.901}, 0.001)
    assert same.half_width == pytest.approx(stats.t.ppf(0.975, 1) * 0.001 / math.sqrt(2))
    assert same.half_width > same.mean


def test_one_common_seed_has_no_interval_and_says_so():
    page = compared(runs("rigl", {1: 0.95}), runs("set", {0: 0.9, 1: 0.92}))
    assert page.lead[1] == "A − B: +3.00 points of test accuracy from one common seed: no interval, nothing is shown"
    assert "±" not in terminal.show(page)
    assert section(page, "By seed").notes == ["Only B has finished seed 0: left out."]


def test_lost_seeds_are_said_where_the_difference_stands():
    lost = make("rigl", 0.9, 2, status="diverged")
    page = compared([*runs("rigl", {0: 0.95, 1: 0.94}), lost], runs("set", B))
    assert page.lead[2] == "A lost seeds (1 diverged): the difference is of the seeds that both finished"


def test_layers_are_listed_by_how_much_they_differ():
    first, second = runs("rigl", A), runs("set", B)
    densities = {"conv1": (0.5, 0.4), "conv2": (0.1, 0.9), "fc": (0.3, 0.3)}
    for each, place in [*((run, 0) for run in first), *((run, 1) for run in second)]:
        each["metrics"]["layer_density"] = {name: values[place] for name, values in densities.items()}
    (table,) = section(compared(first, second), "Density").tables
    assert [row[0] for row in table.rows] == ["conv2", "conv1", "fc"]
    assert table.rows[0] == ["conv2", "10.00 %", "90.00 %", "-80.00 points"]


def test_cost_is_a_ratio_of_means_and_time_only_where_it_can_be_compared():
    first, second = runs("rigl", A), runs("gmp", B)
    flops = [np.mean([each["cost"]["train_flops"] for each in side]) for side in (first, second)]

    def rows():
        return {row[0]: row[-1] for row in section(compared(first, second), "Cost").tables[0].rows}

    assert rows()["training FLOPs"] == f"{flops[0] / flops[1]:.3g}×"
    assert rows()["wall-clock"].endswith("×")
    for each in first:
        each["config"]["packed"] = 2
    assert rows()["wall-clock"] == "–"
    assert rows()["training FLOPs"] == f"{flops[0] / flops[1]:.3g}×"
    for each in second:
        each["provenance"]["cpu"] = "another"
    assert rows()["peak memory"] == "–"


def test_settings_that_differ_are_listed_and_the_others_are_not():
    first, second = runs("rigl", A), runs("set", B, 0.95)
    for each in first:
        each["config"]["method"]["interval"] = 100
        each["config"]["recipe"]["lr"] = 0.2
    (table,) = section(compared(first, second), "Settings").tables
    assert [list(row) for row in table.rows] == [
        ["method.name", "rigl", "set"],
        ["method.interval", "100", "–"],
        ["recipe.lr", "0.2", "0.1"],
        ["sparsity", "0.9", "0.95"],
    ]


def test_what_was_made_differently_is_said_at_the_top():
    second = runs("set", B)
    for each in second:
        each["code"]["results"] = "2"
        each["provenance"]["torch"] = "2.12.0"
    page = compared(runs("rigl", A), second)
    assert page.lead[2] == "A and B were also made differently: results version, torch"
    assert section(compared(runs("rigl", A), runs("set", B)), "Made").notes == [
        "Same code, data, environment and hardware."
    ]


def test_images_on_which_one_alone_is_right_are_counted():
    first, second = runs("rigl", {0: 0.9}), runs("set", {0: 0.9})
    right = np.random.default_rng(0).random((2, 1000)) < 0.9
    for (each,), answers in zip((first, second), right, strict=True):
        each["metrics"]["test_right"] = bits.pack(answers)
    (table,) = section(compared(first, second), "By seed").tables
    assert table.rows[0][-1] == f"{int((right[0] != right[1]).sum())} of 1,000"


def other_data(record):
    record["provenance"]["data_sha256"] = "c" * 64


def other_split(record):
    record["config"]["dataset"]["val_examples"] = 100


def other_budget(record):
    record["budget"]["amount"] = record["config"]["budget"]["amount"] = 20


def other_device(record):
    record["config"]["device"] = "cuda"


def no_common_seed(record):
    record["seed"] = record["config"]["seed"] = record["seed"] + 10


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_data, "other data (fingerprints "),
        (other_split, "other data (val_examples 200 and 100)"),
        (other_budget, "other budget (10 epochs and 20 epochs)"),
        (other_device, "other device (cpu and cuda)"),
        (no_common_seed, "no common seed (A has 0, 1, 2, 3, B has 10, 11, 12, 13)"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(change, said):
    second = runs("set", B)
    for each in second:
        change(each)
    with pytest.raises(UsageError, match=re.escape(f"A and B cannot be compared: {said}")):
        compared(runs("rigl", A), second)


def test_other_data_sets_the_same_runs_and_runs_without_a_result_are_refused():
    first = runs("rigl", A)
    with pytest.raises(UsageError, match=r"other data \(name digits and cifar10\)"):
        compared(first, runs("set", B, dataset="cifar10"))
    with pytest.raises(UsageError, match="they are the same runs"):
        compared(first, copy.deepcopy(first))
    with pytest.raises(UsageError, match="B has no finished run: seed 4 timeout"):
        compared(first, [make("set", 0.9, 4, status="timeout")])


def test_several_rows_of_a_side_are_refused_unless_one_alone_can_be_compared():
    first = [*runs("rigl", A), *runs("rigl", A, 0.95)]
    with pytest.raises(UsageError, match=r"A, 'given', has several rows that differ in sparsity \(0.9, 0.95\)"):
        compared(first, runs("set", B))
    other = [*runs("rigl", A), *runs("rigl", A, budget=("epochs", 20, 1))]
    assert compared(other, runs("set", B)).lead[0].endswith("budget 10 epochs")


def test_hostile_names_are_shown_and_do_nothing():
    first = runs("rigl", A)
    for each in first:
        each["method"] = each["config"]["method"]["name"] = HOSTILE
        each["metrics"]["layer_density"][HOSTILE] = 0.5
    page = compared(first, runs("set", B))
    text, written = terminal.show(page), html.page(page)
    assert not {"\x1b", "\u202e"} & set(text)
    assert "<script" not in written
    assert "\u202e" not in written
    with pytest.raises(UsageError) as caught:
        compared([*first, *runs("rigl", A)], [*runs("set", B), *runs("set", B, 0.95)])
    assert str(caught.value).isprintable()


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("output")
    for method, values in (("rigl", A), ("set", B)):
        for sparsity in (0.9, 0.95):
            for record in runs(method, values, sparsity):
                write(resealed(record), folder / "records" / record_name(record))
    write(make("gmp", 0.9, 0, gpu=GPU), folder / "records" / record_name(make("gmp", 0.9, 0, gpu=GPU)))
    trial = make("rigl", 0.9, 1_000_000)
    trial["config"]["test"], trial["metrics"]["test_accuracy"] = False, None
    write(trial, folder / "trial.json")
    return folder


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("method=rigl sparsity=0.9", 4),
        ("method=rigl sparsity=0.90000000001 seed=1", 1),
        ("budget=epochs:10 method=set", 8),
        ("budget=epochs", 17),
        ("recipe.lr=1e-1 recipe=digits recipe.nesterov=true method=rigl", 8),
        ("dataset.shape=[1,8,8] device=cpu", 17),
        ("digits-convnet-rigl-0.95-s2", 1),
        ("*-rigl-0.9-*", 4),
        ("{output}/records/*set*", 8),
        ("{output}", 17),
        ("{output}/records", 17),
    ],
)
def test_a_side_is_a_selector_a_name_a_glob_or_a_folder(output, text, count):
    assert len(sides.read("A", text.format(output=output), output).files) == count


def test_a_selector_takes_the_other_name_of_a_model_unless_a_record_has_it(tmp_path):
    def named(text):
        return [record["model"] for record in sides.read("A", text, tmp_path).files.values()]

    def add(model):
        record = make("rigl", 0.9, 0, model=model)
        write(resealed(record), tmp_path / "records" / record_name(record))

    add("convnet")
    with pytest.raises(UsageError, match="no record has model=lenet_300_100; there is convnet"):
        named("model=lenet_300_100")
    add("mlp")
    assert named("model=lenet_300_100 method=rigl sparsity=0.9") == named("model.name=lenet_300_100") == ["mlp"]
    add("lenet_300_100")  # of a plug-in
    assert named("model=lenet_300_100") == ["lenet_300_100"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("method=rigl sparsity=0.93", "A: no record has method=rigl sparsity=0.93; there is 0.9, 0.95"),
        ("method=rigel", "A: no record has method=rigel; there is gmp, rigl, set"),
        ("budget=epochs:11", "there is epochs:10"),
        ("sparsity=many", "no record has sparsity=many"),
        ("sparsty=0.9", "unknown name in a selector 'sparsty'"),
        ("method.nothing=3", "none has such a setting"),
        ("nothing*", "no file matches 'nothing*'"),
        ("nothing", "no record 'nothing'"),
        ("", "is empty"),
        ("{output}/trial.json", "a trial of tuning"),
        ("{output}/record?", "not a regular file"),
        (str(ROOT / "docs"), "holds no records"),
    ],
)
def test_a_side_that_names_nothing_is_an_error_in_one_line(output, text, said):
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        sides.read("A", text.format(output=output), output)
    assert len(str(caught.value).splitlines()) == 1


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", "compare", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_or_writes_a_comparison_or_says_in_one_line_why_not(output):
    given = ("method=rigl sparsity=0.9", "method=set sparsity=0.9", f"output={output}")
    done = command(*given)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("A: rigl at sparsity 0.9 against B: set at sparsity 0.9\n")
    file = output / "page.html"
    assert command(*given, "--html", str(file)).returncode == 0
    assert "points of test accuracy" in file.read_text()
    unquoted = ("method=rigl", "sparsity=0.9", "method=set", "sparsity=0.9")
    for arguments in (
        unquoted,
        ("method=rigl", "method=set", f"output={output}"),
        ("a",),
        (*given, "--html", "x.json"),
    ):
        failed = command(*arguments)
        assert failed.returncode == 2
        assert len(failed.stderr.strip().splitlines()) == 1, failed.stderr


@pytest.mark.parametrize("model", ["convnet", "lenet_300_100"])
def test_the_committed_rows_can_be_compared(model):
    first, second = (
        sides.read(letter, f"dataset=fashion_mnist model={model} method={method} sparsity=0.95", ROOT / "results")
        for letter, method in (("A", "gmp"), ("B", "static"))
    )
    page = comparison.page(first, second)
    assert page.lead[1].startswith("A − B: +")
    assert contrasts.ways(pairing.pair(first, second)) == {}


def test_many_rows_of_random_accuracies_hold_their_level():
    draw = random.Random(0)
    wrong = 0
    for _ in range(2000):
        first, second = ({seed: draw.gauss(0.9, 0.01) for seed in range(3)} for _ in range(2))
        found = pairing.paired_difference(first, second, 0.0001)
        wrong += abs(found.mean) > found.half_width
    assert 0.035 < wrong / 2000 < 0.065
