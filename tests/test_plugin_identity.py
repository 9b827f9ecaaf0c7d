"""What a plug-in computes is in its identity, whichever statements make it; what it is asked for by is its name."""

import sys

import pytest

from harness import config, plugins
from harness.errors import UsageError
from harness.records.source import source_digest
from harness.tasks import data
from harness.tasks.models import registry as models
from methods import registry

pytestmark = pytest.mark.usefixtures("forgotten")

HEADER = """
import functools

import numpy as np
import sparsebench as sb
import torch
from torch import nn
from torch.nn import functional as F

"""
LAYERS = "nn.Sequential(nn.Flatten(), nn.Linear(64, 16), {act}, nn.Linear(16, classes))"
NET = f"""
def net(classes, shape):
    return {LAYERS}
"""
PLAIN = NET.format(act="nn.ReLU()")
FACTORY = f"""
def make(act, name="build"):
    def build(classes, shape):
        return {LAYERS.format(act="act()")}
    return build

"""
CLASS = f"""
class net(nn.Module):
    look = 3.0
    def __init__(self, classes, shape):
        super().__init__()
        self.layers = {LAYERS.format(act="nn.ReLU()")}
    def forward(self, x):
        return self.look * self.layers(x)
"""
DECORATOR = """
def zeroed(value):
    def wrap(make):
        def made(classes, shape):
            model = make(classes, shape)
            nn.init.constant_(model[-1].bias, value)
            return model
        return made
    return wrap

@zeroed(0.0)
"""


@pytest.fixture
def digest(tmp_path):
    """Return the digest of an object of a file with a text."""

    def of(text, name="net", group="model"):
        path = tmp_path / "mine.py"
        path.write_text(HEADER + text)
        found = plugins.load(group, f"{path}:{name}")
        return source_digest(registry.METHODS[found] if group == "method" else models.builder(found))

    return of


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (CLASS, "look = 3.0", "look = 4.0"),
        (FACTORY + "net = make(nn.ReLU)\n", "make(nn.ReLU)", "make(nn.GELU)"),
        ("net = " + "lambda classes, shape: " + LAYERS.format(act="nn.ReLU()"), "nn.ReLU()", "nn.Tanh()"),
        (FACTORY + PLAIN.replace("def net", "def helper") + "net = make(nn.ReLU)\n", "nn.ReLU)", "nn.SiLU)"),
        (DECORATOR + PLAIN.strip(), "zeroed(0.0)", "zeroed(1.0)"),
        (DECORATOR.replace("zeroed", "register") + PLAIN.strip(), "@register(0.0)", "@register(1.0)"),
        (FACTORY + "class B:\n    pass\nnet = type('B', (nn.ReLU,), {'slope': 1})\n", "'slope': 1", "'slope': 2"),
        ("ACTS = []\nfor _ in (1,):\n    ACTS.append(nn.ReLU)\n" + NET.format(act="ACTS[0]()"), "nn.ReLU)", "nn.SiLU)"),
        ("ACTS = [1]\n_ = ACTS.append(nn.ReLU)\n" + NET.format(act="ACTS[1]()"), "nn.ReLU)", "nn.SiLU)"),
        (
            "if len('x') > 1:\n    pass\nelse:\n    nn.act = nn.ReLU\n" + NET.format(act="nn.act()"),
            "nn.ReLU",
            "nn.SiLU",
        ),
    ],
)
def test_what_makes_a_model_counts_whichever_statement_it_is(digest, text, old, new):
    assert old in text
    assert digest(text) != digest(text.replace(old, new))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("import torch.nn.functional as act", "import torch.special as act"),
        ("from torch.nn.functional import softmax as act", "from torch.special import softmax as act"),
        (
            "from torch.nn.utils import spectral_norm as act",
            "from torch.nn.utils.parametrizations import spectral_norm as act",
        ),
        ("from torch.nn.utils import spectral_norm", "from torch.nn.utils.parametrizations import spectral_norm"),
        ("import torch.nn.functional as act", "import own_acts as act"),
        ("import own_acts as act, own_others as other", "import own_others as act, own_acts as other"),
        ("from own_acts import *", "from own_others import *"),
        ("from own_acts import elu as act, tanh as other", "from own_acts import tanh as act, elu as other"),
    ],
)
def test_where_a_name_is_imported_from_counts(digest, own_files, one, other):
    name = one.split()[-1] if "spectral" in one else "act"
    used = {"from own_acts import *": "elu"}.get(one, name)
    own_files(own_acts="def elu(x): return x\ndef tanh(x): return x\n", own_others="def elu(x): return 2 * x\n")
    rest = f"\ndef net(classes, shape):\n    return {used}, other\n" + ("" if "other" in one else "other = 1\n")
    assert digest(one + rest) != digest(other + rest)


@pytest.fixture
def own_files(tmp_path, monkeypatch):
    """Write modules that a plug-in may import."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text(text)
            sys.modules.pop(name, None)

    yield write
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


@pytest.mark.parametrize("imported", ["import own_acts", "import own_acts as act", "from own_acts import elu"])
def test_an_edit_of_another_file_of_a_plug_in_counts(digest, own_files, imported):
    used = {"import own_acts": "own_acts.elu", "import own_acts as act": "act.elu"}.get(imported, "elu")
    text = f"{imported}\n\ndef net(classes, shape):\n    return {used}\n"
    own_files(own_acts="def elu(x): return x\n")
    one = digest(text)
    own_files(own_acts="def elu(x): return 2 * x\n")
    assert digest(f"# Imported anew.\n{text}") != one


def test_usual_imports_are_not_in_a_digest(digest):
    """A plain ``def`` keeps the identity that it had before imports counted."""
    text = NET.format(act="nn.ReLU(), F, np, torch")
    assert digest(text) == digest("import torch.nn as nn\n\ndef unused():\n    return 1\n" + text)


def test_what_describes_a_method_counts_only_where_its_code_reads_it(digest):
    text = "class Mine(sb.Method):\n    family = 'one'\n    period = 1\n"
    one = digest(text, "Mine", "method")
    assert digest(text.replace("'one'", "'two'"), "Mine", "method") == one
    assert digest(text.replace("= 1", "= 2"), "Mine", "method") != one
    text += "    def marks(self):\n        return (0.1,) if self.family == 'one' else ()\n"
    assert digest(text, "Mine", "method") != digest(text.replace("family = 'one'", "family = 'two'"), "Mine", "method")


def test_a_method_that_a_function_makes_counts_its_arguments(digest):
    text = "def make(at):\n    class Inner(sb.Method):\n        start = at\n    return Inner\nMine = make(0.5)\n"
    assert digest(text, "Mine", "method") != digest(text.replace("0.5", "5.0"), "Mine", "method")


TASK = """
def make(delta):
    class Huber(sb.Task):
        def data(self):
            inputs = np.arange(60, dtype=float).reshape(20, 3) / 60
            return inputs[:15], inputs[:15, :1], inputs[15:], inputs[15:, :1]
        def loss(self, outputs, targets):
            return F.huber_loss(outputs, targets, delta=delta)
    return Huber

One = make(0.5)
Two = make(5.0)
"""


def test_two_tasks_and_two_models_of_one_function_are_two_by_the_names_asked_for(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        HEADER + TASK + FACTORY + "first = make(nn.ReLU)\nsecond = make(nn.Tanh)\n".replace("make", "makes")
    )
    path.write_text(path.read_text().replace("def make(act", "def makes(act"))
    runs = [
        config.resolve([f"dataset={path}:{task}", f"model={path}:{model}", "recipe=tabular"])
        for task, model in (("One", "first"), ("Two", "second"))
    ]
    assert [(run.dataset.name, run.dataset.task, run.model.name) for run in runs] == [
        ("One", "One", "first"),
        ("Two", "Two", "second"),
    ]


def test_the_arguments_of_a_function_that_makes_a_task_are_in_the_fingerprint(tmp_path):
    path, found = tmp_path / "mine.py", []
    for delta in ("0.5", "0.7"):
        path.write_text(HEADER + TASK.replace("make(0.5)", f"make({delta})"))
        run = config.resolve([f"dataset={path}:One", "model=mlp", "recipe=tabular"])
        found.append(data.fingerprint(config.to_dict(run)["dataset"]))
    assert found[0] != found[1]


@pytest.mark.parametrize("name", ["Nan", "Inf", "Null", "Yes"])
def test_a_task_may_have_a_name_that_reads_like_a_value(tmp_path, name):
    path = tmp_path / "mine.py"
    path.write_text(HEADER + TASK.replace("Huber", name) + f"{name} = One\n")
    assert config.resolve([f"dataset={path}:{name}", "model=mlp", "recipe=tabular"]).dataset.name == name


def test_a_lambda_is_named_as_it_is_asked_for(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(HEADER + "net = lambda classes, shape: nn.Linear(64, classes)\n")
    assert config.resolve([f"model={path}:net", "dataset=digits", "recipe=digits"]).model.name == "net"


@pytest.mark.parametrize("made", ["functools.partial(nn.Linear, 3)", "np.vectorize(abs)"])
def test_an_object_that_is_no_function_is_refused(tmp_path, made):
    path = tmp_path / "mine.py"
    path.write_text(f"{HEADER}net = {made}\n")
    with pytest.raises(UsageError, match=r"model=.*mine\.py:net cannot be used: TypeError: .* is not a function"):
        config.resolve([f"model={path}:net"])


def test_a_negative_zero_is_zero(tmp_path):
    given = ["method=static", "dataset=digits", "recipe=digits"]
    assert str(config.resolve([*given, "sparsity=-0.0"]).sparsity) == "0.0"
