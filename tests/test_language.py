"""Language models: what they compute, what is masked and counted, their task, their recipe, and a 5-gram to beat."""

import math
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
from ngrams import Ngrams
from runs import at_step, everything, go_on, record, same, small, train, trainer
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from harness import config
from harness.audit import counts
from harness.budget.inputs import Inputs
from harness.budget.measure import measure
from harness.conformance.errors import ConformanceError
from harness.conformance.kit import Examination
from harness.errors import UsageError
from harness.tasks import base, data, models
from harness.tasks.data.loading import read
from harness.tasks.data.sets.text import windows
from harness.tasks.models.gpt import _turned, _turns
from harness.training import contract
from harness.training.prepare import prepare

MODELS = ["gpt_tiny", "gpt_small", "llama_60m"]
TOKENS = 24
LIBRARY = Path(sysconfig.get_path("stdlib"))


def inputs(tokens=TOKENS):
    return Inputs((tokens,), 256, (tokens, 256))


def built(name, tokens=TOKENS, width=0.125, device="cpu", seed=0):
    return models.build(name, 256, [tokens], seed, device, width=width)


def costs(name, dense=(), **sizes):
    return measure(built(name, **sizes), inputs(sizes.get("tokens", TOKENS)), dense)


@pytest.fixture
def text(tmp_path):
    """A folder with a file that is one line over and over, with its number in it."""
    lines = b"".join(b"line %d of the text that is read\n" % number for number in range(3000))
    (tmp_path / "lines.txt").write_bytes(lines)
    return tmp_path


def language(text, method, budget="steps:8", *, model="gpt_tiny", width=0.25, **changes):
    """Return a run of a fraction of a second on a text."""
    sizes = {"train_examples": 304, "val_examples": 16, "test_examples": 16}
    settings = {"name": "text_folder", "root": str(text), "task": "language", "shape": [31], "classes": 256}
    settings |= {"metric": base.named("language").metric.described(), "mean": [], "std": [], **sizes}
    recipe = {"optimizer": "adamw", "lr": 3e-3, "nesterov": False, "clip": 1.0, "decay_normalisation": False}
    recipe |= {"batch_size": 16, **changes.pop("recipe", {})}
    run = small(method, budget, recipe=recipe, dataset=settings, **changes)
    run.model = config.ModelConfig(model, width)
    return run


@pytest.mark.parametrize("name", MODELS)
def test_what_is_predicted_at_a_place_depends_on_no_later_byte(name):
    model = built(name).eval()
    draws = torch.Generator().manual_seed(0)
    first = torch.randint(256, (2, TOKENS), generator=draws)
    second = first.clone()
    second[:, 10] = (second[:, 10] + 1) % 256
    one, other = model(first), model(second)
    assert one.shape == (2, TOKENS, 256)
    assert torch.equal(one[:, :10], other[:, :10])
    assert bool((one[:, 10:] != other[:, 10:]).any(-1).all())


AHEAD = """
from torch import nn


class Ahead(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.table, self.head = nn.Embedding(classes, 8), nn.Linear(8, classes)
        nn.init.zeros_(self.head.weight)  # so that nothing moves at the start

    def forward(self, tokens):
        return self.head(self.table(tokens.roll(-1, 1)))


def ahead(classes, shape):
    return Ahead(classes)
"""


@pytest.mark.usefixtures("forgotten")
def test_a_model_that_looks_ahead_is_refused_by_name(text, tmp_path):
    (tmp_path / "ahead.py").write_text(AHEAD)
    words = [f"model={tmp_path}/ahead.py:ahead", "dataset=text_folder", f"dataset.root={text}", "dataset.shape=[31]"]
    run = config.resolve([*words, "method=dense", "device=cpu", "budget=steps:2"])
    reason = "model 'ahead' looks ahead: another token 11 of 31 changes its outputs for tokens before it"
    with pytest.raises(UsageError, match=reason):
        contract.require(run, prepare(run).model)
    more = ["dataset=text_folder", f"dataset.root={text}", "dataset.shape=[31]", "recipe=text", "budget=steps:2"]
    with pytest.raises(ConformanceError, match="looks ahead"):
        Examination("model", f"{tmp_path}/ahead.py:ahead", more).check("builds")


@pytest.mark.parametrize("name", MODELS)
def test_models_of_this_project_do_not_look_ahead(name, text):
    contract.require_causal(language(text, "dense", model=name, width=0.125), built(name, 31))


def test_the_width_of_a_text_s_output_and_its_parts_are_fixed(text):
    dataset = vars(language(text, "dense").dataset)
    for setting, reason in (
        ({"classes": 300}, "dataset.classes=300: the task language .* allowed is 256"),
        ({"validation": "random"}, "dataset.validation=random: .* a part of its own; allowed are default and last"),
    ):
        with pytest.raises(UsageError, match=reason):
            data.info({**dataset, **setting})
    with pytest.raises(UsageError, match=r"allowed is at most dataset.train_examples=\d+ with dataset.val_examples=1$"):
        data.fingerprint({**dataset, "val_examples": 1, "train_examples": 10**6})


def test_copies_in_a_folder_are_left_out_and_named_and_repeated_windows_counted(text):
    dataset = {**vars(language(text, "dense").dataset), "val_examples": 16}
    before = data.fingerprint(dataset)
    (text / "more").mkdir()
    (text / "more" / "copy.txt").write_bytes((text / "lines.txt").read_bytes())
    (text / "more" / "notes.md").write_text("not read")
    assert data.fingerprint(dataset) == before
    (note,) = data.notes(dataset)
    assert note.endswith("skipped: copies of other files, such as more/copy.txt: 1, .md: 1")
    found = read(dataset)

    def slowly():
        text = torch.cat([found.train_inputs, found.train_targets[:, -1:]], 1)[:-16].numpy().tobytes()
        rows = torch.cat([found.test_inputs, found.test_targets[:, -1:]], 1).numpy()
        return sum(row.tobytes() in text for row in rows)

    found.test_inputs[:3], found.test_targets[:3] = found.train_inputs[5:8], found.train_targets[5:8]
    found.test_inputs[3], found.test_targets[3] = found.train_inputs[-1], found.train_targets[-1]  # of validation
    assert windows.verbatim(found, 16) == slowly() >= 3


def test_rotary_positions_tell_distances_alone():
    query, key = (torch.randn(1, 1, 1, 16, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    cosines, sines = _turns(40, 16)

    def product(first, second):
        turned = (
            _turned(each, (cosines[at : at + 1], sines[at : at + 1])) for each, at in ((query, first), (key, second))
        )
        return float(math.prod(turned).sum())

    assert product(7, 3) == pytest.approx(product(34, 30), rel=1e-4)
    assert product(7, 3) != pytest.approx(product(7, 4), rel=1e-2)


def test_the_models_have_the_published_sizes_but_for_the_vocabulary():
    found = {name: built(name, 1024, 1.0, "meta") for name in MODELS}
    sizes = {name: sum(weight.numel() for weight in model.parameters()) for name, model in found.items()}
    # GPT-2's smallest has 50,257 tokens, and 124,439,808 weights; LLaMA's 60M 32,000 in embedding and head each.
    assert sizes["gpt_small"] + (50_257 - 256) * 768 == 124_439_808
    assert sizes["llama_60m"] + 2 * (32_000 - 256) * 512 == 58_073_600


@pytest.mark.parametrize(
    ("name", "device"), [("gpt_nano", "cpu"), ("gpt_tiny", "meta"), ("gpt_small", "meta"), ("llama_60m", "meta")]
)
def test_the_ledger_is_torch_s_count_and_a_tied_head_is_a_product_too(name, device):
    model = built(name, 64, 1.0, device)
    found = measure(model, inputs(64))
    with FlopCounterMode(display=False) as counter:
        model.to("meta")(torch.zeros(2, 64, dtype=torch.int64, device="meta"))
    assert found.dense == counter.get_total_flops() / 2
    assert found.training([layer.weights for layer in found.layers]) == 3 * found.dense
    maskable = {"gpt_nano": 196_608, "gpt_tiny": 786_432, "gpt_small": 84_934_656, "llama_60m": 25_296_896 + 256 * 512}
    assert sum(layer.weights for layer in found.layers) == maskable[name]
    # What no mask makes cheaper: scores and weighted values of attention, and the head if it is the embedding.
    form = {"gpt_nano": (4, 64), "gpt_tiny": (4, 128), "gpt_small": (12, 768), "llama_60m": (8, 512)}[name]
    attention = 2 * form[0] * 2 * 64**2 * form[1]
    assert found.fixed == attention + (0 if name == "llama_60m" else 2 * 64 * 256 * form[1])


def test_projections_and_perceptrons_are_masked_and_nothing_else():
    gpt = [layer.name for layer in costs("gpt_tiny").layers]
    matrices = [f"attention.{name}" for name in ("query", "key", "value", "output")]
    perceptron = ["perceptron.hidden", "perceptron.output"]
    assert gpt == [f"blocks.{at}.{name}.weight" for at in range(4) for name in [*matrices, *perceptron]]
    llama = [layer.name for layer in costs("llama_60m", ["head.weight"]).layers]
    gated = [*matrices, "perceptron.gate", *perceptron]
    assert llama == [f"blocks.{at}.{name}.weight" for at in range(8) for name in gated]


def test_a_tied_head_stays_dense_and_is_named_and_a_head_of_its_own_is_dense_by_the_model_s_file():
    assert any("embedding.weight" in note for note in costs("gpt_tiny").notes)
    head = ["dataset=stdlib_text", "model=llama_60m"]
    assert config.resolve(head).dense_layers == ["head.weight"]
    assert config.resolve([*head, "dense_layers=[]"]).dense_layers == []
    assert config.resolve(["dataset=stdlib_text"]).dense_layers == []
    assert "head.weight" in [layer.name for layer in costs("llama_60m").layers]


@pytest.mark.parametrize("name", MODELS)
def test_width_scales_heads_and_perceptrons_and_keeps_their_number(name):
    full, half = (built(name, width=width, device="meta") for width in (1.0, 0.5))
    sizes = {weight: (each.numel(), full.get_parameter(weight).numel()) for weight, each in half.named_parameters()}
    assert sizes.keys() == dict(full.named_parameters()).keys()
    # Matrices have half the rows and half the columns; embeddings, positions, head, norms and biases half of one.
    assert {small / large for small, large in sizes.values()} == {0.25, 0.5}
    assert half.blocks[0].attention.heads == full.blocks[0].attention.heads
    assert built(name, width=1e-4)(torch.zeros(1, 3, dtype=torch.int64)).shape == (1, 3, 256)


@pytest.mark.parametrize("name", MODELS)
def test_images_are_refused_by_name(name):
    with pytest.raises(UsageError, match=f"model '{name}' reads windows of tokens"):
        models.build(name, 10, [1, 8, 8], 0)


@pytest.mark.parametrize("name", MODELS)
def test_at_the_start_every_weight_has_a_gradient_and_the_loss_is_that_of_chance(name):
    model = built(name, width=0.25)
    draws = torch.randint(256, (8, TOKENS + 1), generator=torch.Generator().manual_seed(0))
    loss = base.named("language").loss(model(draws[:, :-1]), draws[:, 1:])
    loss.backward()
    assert loss.item() == pytest.approx(math.log(256), rel=0.02)
    assert all(weight.grad.abs().sum() > 0 for weight in model.parameters() if weight.ndim > 1)


def test_scores_are_bits_per_byte_and_perplexity_whatever_the_batches():
    task = base.named("language")
    targets = torch.randint(256, (6, 5), generator=torch.Generator().manual_seed(0))
    even = torch.zeros(6, 5, 256)
    sums = {name: float(total) for name, total in task.tally(even, targets).items()}
    score = task.score(sums, 6)
    assert (score.value, score.loss) == (pytest.approx(8), pytest.approx(math.log(256)))
    assert score.more == {"perplexity": pytest.approx(256)}
    logits = torch.randn(6, 5, 256, generator=torch.Generator().manual_seed(1))
    parts = [task.tally(logits[at], targets[at])["loss"] for at in (slice(0, 2), slice(2, 6))]
    assert float(sum(parts)) / 6 == pytest.approx(float(task.loss(logits, targets)), rel=1e-6)
    assert float(task.loss(logits, targets)) == pytest.approx(float(F.cross_entropy(logits.mT, targets)), rel=1e-6)
    assert not task.metric.higher


@pytest.mark.parametrize("method", ["dense", "static", "rigl", "gmp", "granet", "srigl", "snip", "synflow", "top_kast"])
def test_a_run_at_90_percent_has_exact_counts_and_a_score_in_bits_per_byte(method, text, tmp_path):
    made = record(language(text, method, "steps:4", evaluations=1), tmp_path)
    assert (made["status"], made["reason"]) == ("done", None)
    assert counts.refusals(made) == []
    metrics = made["metrics"]
    assert metrics["test_score"] == pytest.approx(metrics["test_loss"] / math.log(2))
    assert metrics["test_more"] == {"perplexity": pytest.approx(math.exp(metrics["test_loss"]))}
    assert made["curve"][-1]["val_score"] == metrics["val_score"] < 9
    assert not {"test_accuracy", "val_accuracy", "test_top5", "test_right"} & set(metrics)


def test_llama_trains_with_a_dense_head(text, tmp_path):
    run = language(text, "rigl", "steps:4", model="llama_60m", width=0.05, evaluations=1)
    run.dense_layers = ["head.weight"]
    made = record(run, tmp_path)
    assert (made["status"], counts.refusals(made)) == ("done", [])
    assert "head.weight" not in made["metrics"]["layer_density"]


@pytest.mark.parametrize("model", ["gpt_tiny", "llama_60m"])
def test_a_run_is_resumed_to_the_bit(model, text):
    run = language(text, "rigl", "steps:12", model=model, width=0.125, seed=3)
    whole = train(run)
    first = train(run, at_step(7))
    second = trainer(run)
    second.load_state_dict(first.state_dict())
    go_on(second)
    assert same(whole, second)


def test_a_recorded_step_is_the_plain_one(text):
    plain, recorded = (train(language(text, "rigl", "steps:12", recipe={"clip": 0.1})) for _ in range(2))
    assert same(plain, recorded)
    run = language(text, "rigl", "steps:12", recipe={"clip": 0.1})
    run.graph = True
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(everything(plain), everything(train(run)), strict=True))


def test_gradients_are_clipped_after_they_are_masked(text, monkeypatch):
    seen, real = [], nn.utils.clip_grad_norm_

    def clipped(parameters, most):
        real(parameters, most)
        gradients = [parameter.grad for parameter in parameters]
        norm = torch.linalg.vector_norm(torch.cat([each.flatten() for each in gradients])).item()
        seen.append((most, norm, max((each == 0).float().mean().item() for each in gradients)))

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", clipped)
    train(language(text, "static", "steps:3", recipe={"clip": 0.05}))
    assert [most for most, _, _ in seen] == [0.05] * 3
    assert [norm for _, norm, _ in seen] == pytest.approx([0.05] * 3, rel=1e-3)
    assert min(zeros for *_, zeros in seen) > 0.85


def test_a_norm_that_is_never_reached_changes_nothing(text):
    with_limit, without = (train(language(text, "rigl", recipe={"clip": clip})) for clip in (1e6, None))
    assert same(with_limit, without)


def test_clip_is_left_out_of_records_without_it_and_refused_below_zero(text):
    assert "clip" not in config.to_dict(language(text, "rigl", recipe={"clip": None}))["recipe"]
    assert config.to_dict(language(text, "rigl"))["recipe"]["clip"] == 1.0
    with pytest.raises(UsageError, match=r"recipe.clip"):
        config.resolve(["dataset=stdlib_text", "recipe.clip=0"])


@pytest.mark.parametrize("name", MODELS)
def test_every_model_computes_in_the_precision_of_cuda(name):
    model = built(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(torch.zeros(2, TOKENS, dtype=torch.int64))
    F.cross_entropy(logits.float().flatten(0, 1), torch.zeros(2 * TOKENS, dtype=torch.int64)).backward()
    assert all(weight.grad.dtype == torch.float32 for weight in model.parameters())


def test_the_counts_of_a_folder_follow_from_it(text):
    run = config.resolve(["dataset=text_folder", f"dataset.root={text}"])
    found = data.info(vars(run.dataset))
    assert found.train_samples > 600
    assert (found.val_samples, found.test_samples) == (run.dataset.val_examples, run.dataset.test_examples)
    assert run.dataset.metric == base.named("language").metric.described()
    narrower = config.resolve(["dataset=text_folder", f"dataset.root={text}", "dataset.shape=[63]"])
    assert narrower.dataset.train_examples > 1.9 * run.dataset.train_examples
    fewer = config.resolve(["dataset=text_folder", f"dataset.root={text}", "dataset.train_examples=100"])
    assert fewer.dataset.train_examples == 100


def test_dense_and_at_80_percent_a_transformer_beats_a_5_gram_on_the_same_bytes(tmp_path):
    """On tables of characters, where a byte depends on the lines above: on other text that takes minutes to show."""
    (tmp_path / "text").mkdir()
    for path in sorted((LIBRARY / "encodings").glob("cp*.py")):
        (tmp_path / "text" / f"{path.stem}.txt").write_bytes(path.read_bytes())
    settings = [f"dataset.root={tmp_path / 'text'}", "dataset.train_examples=1500", "dataset.val_examples=100"]
    settings += ["model.width=0.5", "recipe.lr=0.01", "device=cpu", "evaluations=1"]
    found = {}
    for method, steps in (("dense", 760), ("gmp", 900)):
        run = config.resolve(
            ["dataset=text_folder", f"method={method}", "sparsity=0.8", f"budget=steps:{steps}", *settings]
        )
        (tmp_path / method).mkdir()
        made = record(run, tmp_path / method)
        assert (made["status"], made["reason"]) == ("done", None)
        found[method] = made["metrics"]["test_score"]
    loaded = data.load(vars(run.dataset), batch_size=8, seed=0)
    gram = Ngrams(_windows(loaded.train)).bits_per_byte(_windows(loaded.test))
    assert max(found.values()) < gram, (found, gram)


def _windows(batches):
    """Return the windows of a stream with the byte that follows each."""
    rows = [torch.cat([given, targets[:, -1:]], 1) for given, targets in batches.epoch(0)]
    return torch.cat(rows).numpy().astype("uint8")


def test_the_5_gram_predicts_probabilities_and_is_no_straw_man():
    text = (LIBRARY / "argparse.py").read_bytes()
    rows = np.frombuffer(text[: len(text) // 129 * 129], dtype=np.uint8).reshape(-1, 129)
    model = Ngrams(rows[::2])
    contexts = np.array([int.from_bytes(each, "big") for each in (b"self", b"zzzz", b"    ")])
    for order in range(1, 6):
        grams = (contexts % 256 ** (order - 1))[:, None] << 8 | np.arange(256)
        assert model.probability(grams.ravel(), order).reshape(3, 256).sum(1) == pytest.approx(1)
    assert model.bits_per_byte(rows[1::2]) < 1.5
