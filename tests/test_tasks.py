"""Tasks other than the classification of images: from a file to a rank on the board, and what they refuse."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from runs import at_step, go_on, train, trainer
from test_plugins import sparsebench
from test_train import on_disk, outcome
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import sparsebench as sb
from harness import config, plugins
from harness.budget.inputs import Inputs
from harness.budget.measure import measure
from harness.cli.main import parse
from harness.conformance.kit import Examination
from harness.errors import UnfitError, UsageError
from harness.plan.planned import plan
from harness.records import load
from harness.tasks import base, data
from harness.tasks.score import evaluate, problem, recorded
from harness.training import contract
from harness.training.derivatives import flow
from harness.training.objective import objective
from harness.training.prepare import prepare, sized
from harness.training.trainer import DivergedError

pytestmark = pytest.mark.usefixtures("forgotten")

REGRESSION = '''
import numpy as np
import sparsebench as sb
from torch.nn import functional as F


class Waves(sb.Task):
    """Sums of sines: the mean absolute error is the metric, the mean squared error the loss."""

    metric = sb.Metric("mae", "mean absolute error", higher=False, lowest=0.0)

    def data(self):
        draw = np.random.default_rng(0)
        inputs = draw.uniform(-1, 1, (250, 6))
        targets = np.sin(3 * inputs).sum(1)
        return inputs[:200], targets[:200], inputs[200:], targets[200:]

    def loss(self, outputs, targets):
        return F.mse_loss(outputs, targets)

    def tally(self, outputs, targets):
        error = outputs - targets
        return {"loss": error.square().sum(), "mae": error.abs().sum(), "bias": error.sum()}
'''
QUICK = ("model=mlp", "recipe=tabular", "budget=steps:60", "evaluations=2", "device=cpu", "runner=local")


@pytest.fixture
def waves(tmp_path):
    """The override that chooses the task, from a file."""
    path = tmp_path / "waves.py"
    path.write_text(REGRESSION)
    return f"dataset={path}:Waves"


def resolved(waves, *more):
    return config.resolve([waves, *QUICK, *more])


def planned(run):
    """Look at the data of a run and size it, as a plan does."""
    data.fingerprint(vars(run.dataset))
    return sized(run)


def call(*words):
    """Run a command in this process and return its exit status."""
    given = parse(list(words))
    return given.call(given)


def test_a_task_from_a_file_trains_passes_the_checker_and_ranks_the_right_way_round(waves, tmp_path, capsys):
    output = tmp_path / "results"
    for method in ("dense", "rigl", "snip", "static"):
        assert call("run", waves, *QUICK, f"method={method}", "sparsity=0.8", f"output={output}") == 0
    records = {record["method"]: record for record in map(load, sorted((output / "records").glob("*.json")))}
    for record in records.values():
        metrics, dataset = record["metrics"], record["config"]["dataset"]
        assert not {"test_accuracy", "test_top5", "test_right", "val_accuracy"} & set(metrics)
        assert "reliability" not in record
        assert (dataset["task"], dataset["metric"]["name"], dataset["metric"]["higher"]) == ("Waves", "mae", False)
        assert (dataset["shape"], dataset["classes"], dataset["mean"]) == ([6], 1, [])
        assert metrics["val_score"] == record["curve"][-1]["val_score"]
        assert abs(metrics["test_more"]["bias"]) <= metrics["test_score"] <= metrics["test_loss"] ** 0.5
        assert str(tmp_path) not in json.dumps({**record, "config": {**record["config"], "output": ""}})
    capsys.readouterr()
    call("check", *map(str, sorted((output / "records").glob("*.json"))))
    reasons = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert {reason.partition(":")[0] for reason in reasons} <= {"git_dirty", "seeds"}, reasons
    rows = list(csv.DictReader(io.StringIO((output / "leaderboard.csv").read_text())))
    scores = [float(row["score"]) for row in rows if row["method"] != "dense"]
    assert {row["metric"] for row in rows} == {"mae"}
    assert {row["better"] for row in rows} == {"lower"}
    assert scores == sorted(scores)
    for row in rows:
        assert float(row["score"]) == pytest.approx(records[row["method"]]["metrics"]["test_score"])


def test_a_task_of_an_installed_package_is_listed_with_its_metric(tmp_path, capsys):
    site = tmp_path / "site"
    about = site / "waves-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: waves\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[sparsebench.datasets]\nWaves = outside:Waves\n")
    (site / "outside.py").write_text(REGRESSION)
    listed = sparsebench("list", "--json", site=site)
    assert listed.returncode == 0, listed.stderr
    found = json.loads(listed.stdout)["task"]
    assert found["Waves"] == {"metric": "mean absolute error", "better": "lower", "datasets": ["Waves"]}
    assert "digits" in found["classification"]["datasets"]
    assert call("list") == 0
    assert "classification (top-1 %, higher is better): " in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("method", ["rigl", "snip", "lth_rewind"])
def test_a_run_is_resumed_to_the_bit(waves, method):
    run = resolved(waves, f"method={method}", "sparsity=0.8")
    whole = train(run)
    part = train(run, at_step(25))
    state = on_disk(part.state_dict())
    torch.rand(5)
    part = trainer(run)
    part.load_state_dict(state)
    go_on(part)
    assert outcome(part) == outcome(whole)
    assert all("val_score" in point and "val_accuracy" not in point for point in whole.history.curve)


def test_two_processes_do_what_one_does(waves, tmp_path):
    found = []
    for count in (1, 2):
        output = tmp_path / str(count)
        words = [waves, *QUICK, "budget=steps:12", "method=static", f"nproc={count}", f"output={output}"]
        words.append("dataset.val_examples=1")  # of which one process has none
        assert call("run", *words) == 0
        (path,) = (output / "records").glob("*.json")
        found.append(load(path))
    one, two = found
    assert one["status"] == two["status"] == "done"
    assert one["metrics"]["layer_density"] == two["metrics"]["layer_density"]
    for name in ("val_score", "test_score", "test_loss"):
        assert two["metrics"][name] == pytest.approx(one["metrics"][name], rel=1e-4)


@pytest.mark.docker
def test_a_task_is_trained_and_scored_again_in_containers(waves, tmp_path):
    output = tmp_path / "results"
    words = ["run", waves, *QUICK[:-1], "runner=docker", "method=rigl", "sparsity=0.8", f"output={output}"]
    done = sparsebench(*words, timeout=600)
    assert done.returncode == 0, done.stderr
    (path,) = (output / "records").glob("*.json")
    record = load(path)
    assert (record["runner"], record["status"]) == ("docker", "done")
    assert record["metrics"]["test_score"] < 1.5


@pytest.mark.parametrize(
    ("more", "error", "reason"),
    [
        (["recipe.augment=crop"], UsageError, "recipe.augment=crop: augments images, and Waves has values; allowed is"),
        (["recipe.label_smoothing=0.1"], UsageError, "recipe.label_smoothing=0.1: spreads labels .* Waves"),
        (
            ["dataset.mean=[0.5]", "dataset.std=[0.5]"],
            UsageError,
            r"dataset.shape \[6\] is not channels, height and width of images",
        ),
        (["model=convnet"], UsageError, r"model 'convnet' takes images, .* not inputs of shape \[6\]"),
        (["dataset.shape=[7]"], UsageError, r"dataset.shape=\[7\], but the Waves found here has \[6\]"),
        (["dataset.val_examples=200"], UsageError, "dataset.val_examples=200: allowed are .*, of 200 samples"),
        (["method=grasp"], UnfitError, "method 'grasp' probes samples of each class, and those of Waves .* have none"),
        (["corruptions=true"], UsageError, "corruptions=true: images that are classified .* Waves has none"),
        (["dataset.task=classification"], UsageError, "dataset.task cannot be set"),
        (["dataset.metric.higher=true"], UsageError, "dataset.metric.higher cannot be set"),
    ],
)
def test_what_a_task_cannot_use_is_refused_by_name(waves, more, error, reason):
    with pytest.raises(error, match=reason) as caught:
        planned(resolved(waves, "sparsity=0.8", *more))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "inputs = draw.uniform(-1, 1, (250, 6))",
            "inputs = draw.integers(0, 9, (250, 6))",
            "training inputs are int64",
        ),
        ("return inputs[:200]", "return inputs[:200] / 0", "training inputs of Waves are not all finite"),
        ("targets[:200], inputs", "targets[:199], inputs", "has 200 training inputs and 199 training targets"),
        ("inputs[200:], ", "inputs[200:, :5], ", "training and test inputs differ in shape"),
        ("return inputs[:200], ", "return ", "does not return four arrays: training inputs, targets"),
        ('sb.Metric("mae", "mean absolute error", higher=False, lowest=0.0)', '"mae"', "metric is 'mae', not a sparse"),
        ("metric =", 'kind = "sounds"\n    metric =', "kind 'sounds' is not one of images, values, tokens"),
        ("metric =", 'name = "language"\n    metric =', "task 'language' exists already"),
        ("class Waves(sb.Task)", "class Waves", "is not a subclass of sparsebench.Task"),
        ("def data", "def dates", "task 'Waves' has no data"),
    ],
)
def test_a_task_that_cannot_be_used_is_refused_in_one_line(tmp_path, old, new, reason):
    assert old in REGRESSION
    path = tmp_path / "waves.py"
    path.write_text(REGRESSION.replace(old, new))
    with np.errstate(all="ignore"), pytest.raises(UsageError, match=reason) as caught:
        data.fingerprint(vars(resolved(f"dataset={path}:Waves").dataset))
    assert "\n" not in str(caught.value)


SQUARES = '"loss": error.square().sum()'


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("(outputs, targets)", '(outputs, targets, reduction="none")', r"its loss returns a tensor of shape \[8, 1\]"),
        ("return F.mse_loss(outputs, targets)", "return targets.mean()", "its loss has no gradient by the outputs"),
        ("return F.mse_loss(outputs, targets)", 'raise KeyError("oops")', "its loss fails: line 19: KeyError: 'oops'"),
        ("return F.mse_loss(outputs, targets)", "return (outputs - 9).log().mean()", "its loss is nan for the outputs"),
        ('"mae": error.abs().sum(), ', "", "its tally has no 'mae', but loss, bias"),
        (SQUARES, '"loss": 3.0', "its tally of loss is 3.0, not a scalar tensor"),
        (SQUARES, '"loss": error.square().mean()', "its tally of loss is .* for 8 samples, but .* must add up to it"),
        ("error.sum()}", "error.sum() / 0}", "its tally of bias is -?inf for the outputs of the initial network"),
        ("lowest=0.0", "lowest=90.0", "mae is .*, below 90, the lowest it is said to be"),
        ("    def tally", "    smooths = True\n\n    def tally", "unexpected keyword argument 'smoothing'"),
        (
            "    def tally",
            "    def score(self, sums, samples):\n        return 3.0\n\n    def tally",
            "its score returns 3.0",
        ),
    ],
)
def test_a_task_that_does_not_keep_to_its_contract_is_refused_before_training(tmp_path, old, new, reason):
    assert old in REGRESSION
    path = tmp_path / "waves.py"
    path.write_text(REGRESSION.replace(old, new))
    run = resolved(f"dataset={path}:Waves")
    with pytest.raises(UsageError, match=f"task 'Waves' cannot be used: .*{reason}") as caught:
        contract.require(run, prepare(run).model)
    assert "\n" not in str(caught.value)


def test_the_contract_is_looked_at_by_the_commands_and_changes_nothing(waves, tmp_path, capsys):
    run = resolved(waves)
    task = prepare(run)
    before = {name: weight.clone() for name, weight in task.model.state_dict().items()}
    drawn = torch.get_rng_state()
    contract.require(run, task.model)
    assert torch.equal(drawn, torch.get_rng_state())
    assert task.model.training
    assert all(torch.equal(weight, before[name]) for name, weight in task.model.state_dict().items())
    path = tmp_path / "waves.py"
    path.write_text(REGRESSION.replace(SQUARES, '"loss": error.square().mean()'))
    assert call("doctor", "data", waves, "model=mlp", "recipe=tabular") == 1
    assert "its tally of loss is" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(UsageError, match="its tally of loss is"):
        call("run", waves, *QUICK, "method=dense", f"output={tmp_path / 'results'}")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("metric =", "classes = 3\n    metric =", r"an output .* is \[3\], and targets of Waves are float32 \[1\]"),
        (
            "targets = np.sin(3 * inputs).sum(1)",
            "targets = np.sin(inputs)[:, None]",
            r"targets .* are float32 \[1, 6\]",
        ),
        (
            "metric =",
            'validation = "stratified"\n    metric =',
            "validation=default: .* not one integer; allowed are random",
        ),
        ("metric =", 'validation = "first"\n    metric =', "validation 'first' is not one of stratified, random, last"),
        ("metric =", 'name = "a/b"\n    metric =', "task 'a/b': a name is one word"),
        ("metric =", "causal = True\n    metric =", "causal is of tokens, and its kind is values"),
        ("metric =", "tokens = 2.5\n    metric =", "tokens is 2.5; allowed are None and integers from 1"),
        ('"mae",', '"my mae!",', "metric.name is 'my mae!'; allowed: one word"),
        ("mean absolute error", "x" * 101, "metric.label is 'xx.*; allowed: one line of at most 100"),
        ("higher=False", 'higher="no"', "metric.higher is 'no'; allowed: True and False"),
        ("lowest=0.0", "scale=-1", "metric.scale is -1; allowed: numbers above 0"),
        ("lowest=0.0", "digits=11", "metric.digits is 11; allowed: integers from 0 to 10"),
        ("lowest=0.0", "lowest=2, highest=1", "metric.lowest is 2, not below its highest, 1"),
        ('"mae", "mean absolute error", higher=False', '"loss", "loss", higher=True', "named loss, lower is better"),
        ('"mae"', '"accuracy"', "higher is False, but of a metric named accuracy, higher is better: give it another n"),
        ('"mae", "mean absolute error", higher=False', '"bits_per_byte", "b", higher=True', "byte, lower is better"),
    ],
)
def test_what_a_task_says_of_itself_is_checked(tmp_path, old, new, reason):
    assert old in REGRESSION
    path = tmp_path / "waves.py"
    path.write_text(REGRESSION.replace(old, new))
    with pytest.raises(UsageError, match=reason) as caught:
        data.fingerprint(vars(resolved(f"dataset={path}:Waves").dataset))
    assert "\n" not in str(caught.value)


def test_a_score_out_of_its_bounds_is_a_problem_and_no_record_holds_nan(waves):
    resolved(waves)
    task = base.named("Waves")
    assert problem(base.Score(0.5, 0.5), task) is None
    assert problem(base.Score(-0.5, 0.5), task) == "mae is -0.5, below 0, the lowest it is said to be"
    score = base.Score(0.5, 0.5, {"bias": math.nan, "spread": 2.0})
    assert problem(score, task) == "bias is nan"
    assert recorded(score, task)["test_more"] == {"spread": 2.0}


def test_a_run_with_another_loss_is_another_run(tmp_path, waves):
    path = Path(waves.removeprefix("dataset=").rpartition(":")[0])

    def key():
        return plan([resolved(waves, f"output={tmp_path}")])[0].key

    first = key()
    path.write_text("# Only a comment.\n" + REGRESSION)
    assert key() == first
    request = {"plugins": resolved(waves).plugins, "sources": {"dataset": data.DATASETS["Waves"].digest}}
    plugins.load_requested(request)
    path.write_text(REGRESSION.replace("F.mse_loss", "F.l1_loss"))
    with pytest.raises(UsageError, match="dataset 'Waves' has changed since the run was planned"):
        plugins.load_requested(request)
    assert key() != first


def test_random_samples_are_held_out_by_the_seed_and_the_last_ones_by_none(waves):
    dataset = vars(resolved(waves).dataset)
    assert (dataset["train_examples"], dataset["val_examples"]) == (200, 20)

    def parts(seed):
        found = data.load(dataset, batch_size=32, seed=seed)
        return [
            {tuple(row) for inputs, _ in part.epoch(0) for row in inputs.tolist()} for part in (found.train, found.val)
        ]

    (train, val), again, other = parts(0), parts(0), parts(1)
    assert [train, val] == again
    assert (len(train), len(val), len(train & val)) == (180, 20, 0)
    assert val != other[1]
    dataset = {**dataset, "validation": "last"}
    assert parts(0)[1] == parts(1)[1]


def test_batches_hold_values_as_float32_and_targets_of_the_shape_of_an_output(waves):
    inputs, targets = next(data.load(vars(resolved(waves).dataset), batch_size=32, seed=0).train.epoch(0))
    assert (inputs.shape, inputs.dtype) == ((32, 6), torch.float32)
    assert (targets.shape, targets.dtype) == ((32, 1), torch.float32)


def test_a_task_that_names_no_metric_is_compared_by_its_mean_loss_and_counts_samples_alike():
    class Plain(sb.Task):
        def loss(self, outputs, targets):
            return F.mse_loss(outputs, targets)

    task, draw = Plain(), torch.Generator().manual_seed(0)
    outputs, targets = (torch.randn(10, 3, generator=draw) for _ in range(2))
    parts = [task.tally(outputs[cut], targets[cut])["loss"] for cut in (slice(0, 7), slice(7, 10))]
    score = task.score({"loss": float(sum(parts))}, 10)
    assert score.value == score.loss == pytest.approx(float(F.mse_loss(outputs, targets)))
    assert recorded(score, task) == {"test_score": score.value, "test_loss": score.loss}
    assert (task.name, task.metric.higher, task.outputs((4,), 3)) == ("Plain", False, (3,))


def test_a_classification_is_recorded_as_before():
    task = base.named("classification")
    logits, labels = torch.eye(8)[:4], torch.tensor([0, 1, 2, 7])
    sums = {name: float(total) for name, total in task.tally(logits, labels).items()}
    found = recorded(task.score(sums, 4), task)
    assert found["test_accuracy"] == 0.75
    assert set(found) == {"test_accuracy", "test_loss", "test_top5"}
    assert task.tally(logits[:, :5], labels % 5).keys() == {"accuracy", "loss"}


def test_the_loss_of_a_task_gets_outputs_in_full_precision_and_one_that_is_nan_ends_the_run(waves):
    run = resolved(waves)
    seen = []
    base.named("Waves").loss = lambda outputs, targets: seen.append(outputs.dtype) or F.mse_loss(outputs, targets)
    objective(run)(torch.zeros(2, 1, dtype=torch.bfloat16), torch.zeros(2, 1))
    assert seen == [torch.float32]
    del base.named("Waves").loss
    base.named("Waves").tally = lambda outputs, targets: {"loss": outputs.sum(), "mae": outputs.sum() * float("nan")}
    with pytest.raises(DivergedError, match="mae on the validation split is nan at step 30"):
        train(run)


class Reader(nn.Module):
    """Predicts tokens from tokens, with the table of its embedding as its head or not."""

    def __init__(self, tokens, tied):
        super().__init__()
        self.table, self.body = nn.Embedding(tokens, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, tokens, bias=False)
        if tied:
            self.head.weight = self.table.weight

    def forward(self, tokens):
        return self.head(self.body(self.table(tokens)).relu())


@pytest.mark.parametrize("tied", [False, True])
def test_tokens_are_looked_up_for_nothing_and_a_head_tied_to_their_table_stays_dense(tied):
    model, inputs = Reader(20, tied), Inputs((6,), tokens=20, outputs=(6, 20))
    costs = measure(model, inputs)
    with FlopCounterMode(display=False) as counter:
        model.eval()(inputs.zeros(1))
    assert costs.dense == counter.get_total_flops()
    assert [layer.name for layer in costs.layers] == ["body.weight", *([] if tied else ["head.weight"])]
    assert costs.fixed == (2 * 6 * 8 * 20 if tied else 0)
    assert costs.notes == (
        ("table.weight stays dense: tokens are looked up in it, and it is the matrix of a product as well",) * tied
    )
    if tied:
        assert measure(model, inputs, ["table.weight"]).layers == costs.layers
    with pytest.raises(UsageError, match=r"returns a tensor of shape \(2, 6, 20\) for 2 samples .* not \(2, 20\)"):
        measure(model, Inputs((6,), tokens=20, outputs=(20,)))


def test_synaptic_flow_reaches_every_layer_of_a_network_of_tokens():
    model, inputs = Reader(20, tied=False).eval(), Inputs((6,), tokens=20, outputs=(6, 20))
    layers = [("body.weight", model.body.weight), ("head.weight", model.head.weight)]
    assert all(bool((scores > 0).all()) for scores in flow(model, layers, inputs))


TOKENS = '''
import numpy as np
import sparsebench as sb
from torch.nn import functional as F


class Next(sb.Task):
    """The next number of a sequence that counts on, modulo 12."""

    kind = "tokens"
    validation = "last"

    def data(self, folder=None):
        starts = np.arange(120) if folder is None else np.load(folder / "starts.npy")
        rows = (starts[:, None] + np.arange(9)) % 12
        return rows[:96, :-1], rows[:96, 1:], rows[96:, :-1], rows[96:, 1:]

    def loss(self, outputs, targets):
        return F.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    def outputs(self, shape, classes):
        return (*shape, classes)
'''
READER = """
from torch import nn


def reader(classes, shape):
    return nn.Sequential(nn.Embedding(classes, 16), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, classes))
"""


def test_tokens_train_and_a_folder_is_read_where_one_is_named(tmp_path):
    (tmp_path / "next.py").write_text(TOKENS + READER)
    chosen = [f"dataset={tmp_path}/next.py:Next", *QUICK, f"model={tmp_path}/next.py:reader", "recipe.lr=0.02"]
    run = config.resolve([*chosen, "method=rigl", "sparsity=0.5", "budget=steps:120"])
    dataset = vars(run.dataset)
    assert (dataset["shape"], dataset["classes"], data.directory(dataset)) == ([8], 12, None)
    task = prepare(run)
    assert [name for name, _ in task.layers] == ["1.weight", "3.weight"]
    made = train(run)
    assert evaluate(made.model, made._splits.test, base.named("Next")).value < 0.5
    inputs, targets = next(made._splits.val.epoch(0))
    assert (inputs.dtype, inputs.shape, targets.dtype) == (torch.int64, (10, 8), torch.int64)
    assert inputs[-1].tolist() == [(95 + place) % 12 for place in range(8)]
    np.save(tmp_path / "starts.npy", np.arange(240))
    named = vars(config.resolve([*chosen, f"dataset.root={tmp_path}"]).dataset)
    assert (named["test_examples"], data.directory(named)) == (144, tmp_path)


def test_the_kit_judges_methods_and_models_on_a_task(waves, capsys):
    words = [waves, "recipe=tabular", "sparsity=0.8", "evaluations=1"]
    assert call("doctor", "method", "rigl", "model=mlp", *words, "budget=steps:12") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "FAILS" not in said
    assert "counts and test mae" in said
    model = Examination("model", "mlp", words)
    assert "outputs of [1] for inputs of [6]" in model.check("builds")
    assert "31,900 of 32,301 parameters, in 3 layers" in model.check("maskable")


def test_doctor_data_says_what_a_run_would_see(waves, capsys):
    assert call("doctor", "data", waves, "model=mlp", "recipe=tabular") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "180 train, 20 val, 50 test" in said
    assert data.fingerprint(vars(resolved(waves).dataset)) in said
    assert "a run would be trained on these data" in said
