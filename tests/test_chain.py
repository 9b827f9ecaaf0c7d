"""Chains: one training of iterative pruning serves every density that it passes."""

import itertools
import json
import math
import shutil
from dataclasses import dataclass

import pytest
from runs import record, small, suite

from harness import config
from harness.audit import counts
from harness.errors import UsageError
from harness.plan import grid
from harness.plan.chains import chains
from harness.plan.planned import plan
from harness.records import identity
from methods import Event, Method, Moment, Rewinding, registry


def fifth(method, sparsity, **more):
    return small(method, "steps:21", budget_rounds="each", sparsity=sparsity, share=0.2, **more)


@pytest.mark.parametrize("method", ["lth_rewind", "lr_rewind"])
def test_a_run_that_goes_on_from_another_is_the_run_trained_alone(method, tmp_path):
    alone, first, then = (tmp_path / name for name in ("alone", "first", "then"))
    for folder in (alone, first, then):
        folder.mkdir()
    record(fifth(method, 0.36), first, successor="1" * 16)
    shutil.move(first / "successor.pt", then / "checkpoint.pt")
    chained, whole = record(fifth(method, 0.488), then, key="1" * 16), record(fifth(method, 0.488), alone)
    assert (chained["status"], chained["provenance"]["resumed"], whole["provenance"]["resumed"]) == (
        "done",
        True,
        False,
    )
    for part in ("metrics", "curve", "topology", "rounds"):
        assert chained[part] == whole[part]
    for count in ("steps", "samples", "train_flops"):
        assert chained["cost"][count] == whole["cost"][count]


def test_every_round_has_the_budget_and_prunes_a_fifth(tmp_path):
    made = record(fifth("lth_rewind", 0.488, rewind_to=0.25), tmp_path)
    assert made["cost"]["steps"] == 69  # 21 + 3 x 15.75, up to whole steps
    assert [round(training["density"], 2) for training in made["rounds"]] == [1, 0.8, 0.64, 0.51]
    assert [training["step"] for training in made["rounds"]] == [21, 37, 53, 69]
    ends = {training["step"]: training["val_accuracy"] for training in made["rounds"]}
    assert ends.items() <= {point["step"]: point["val_accuracy"] for point in made["curve"]}.items()


def test_a_chain_holds_the_runs_whose_rounds_begin_alike():
    runs = [fifth("lth_rewind", s, seed=seed) for seed in (0, 1) for s in (0.488, 0.2, 0.5, 0.36)]
    runs += [fifth("lr_rewind", 0.2), small("lth_rewind", sparsity=0.9), small("lth_rewind", sparsity=0.95)]
    found = [
        [(one.run.method.name, one.run.seed, one.run.sparsity) for one in members] for members in chains(plan(runs))
    ]
    assert sorted(found) == [
        [("lr_rewind", 0, 0.2)],
        [("lth_rewind", 0, 0.2), ("lth_rewind", 0, 0.36), ("lth_rewind", 0, 0.488), ("lth_rewind", 0, 0.5)],
        [("lth_rewind", 0, 0.9)],
        [("lth_rewind", 0, 0.95)],
        [("lth_rewind", 1, 0.2), ("lth_rewind", 1, 0.36), ("lth_rewind", 1, 0.488), ("lth_rewind", 1, 0.5)],
    ]


def test_the_rewinding_suite_is_one_chain_a_method_and_seed():
    found = [[one.run for one in members] for members in chains(plan(grid.runs("rewinding", ["seed=0"])))]
    (lth, lr), alone = [c for c in found if len(c) > 1], [c for c in found if len(c) == 1]
    for members, name in ((lth, "lth_rewind"), (lr, "lr_rewind")):
        assert {run.method.name for run in members} == {name}
        assert len(members) == 17
        assert all(after.sparsity > before.sparsity for before, after in itertools.pairwise(members))
    assert sorted({members[0].method.name for members in alone}) == ["dense", "gmp"]


def test_a_suite_trains_a_chain_once(tmp_path):
    chain = ["dataset=digits", "model=convnet", "recipe=digits", "budget=epochs:2", "method=[lr_rewind]", "seed=0"]
    chain += ["method.share=0.2", "sparsity=[0.2,0.36]", "device=cpu", "runner=local", f"output={tmp_path}"]
    assert suite("rewinding", chain) == 0
    found = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("records/*.json"))]
    assert [(r["sparsity"], r["provenance"]["resumed"], len(r["rounds"])) for r in found] == [
        (0.2, False, 2),
        (0.36, True, 3),
    ]
    assert not list(tmp_path.glob("runs/*"))


def test_a_run_that_is_done_gets_no_checkpoint_to_begin_from(tmp_path):
    chain = ["dataset=digits", "model=convnet", "recipe=digits", "budget=epochs:1", "method=[lr_rewind]", "seed=0"]
    chain += ["method.share=0.2", "sparsity=[0.2,0.36]", "device=cpu", "runner=local", f"output={tmp_path}"]
    assert suite("rewinding", chain) == 0
    next(tmp_path.glob("records/*-0.2-*.json")).unlink()
    assert suite("rewinding", chain) == 0
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.parametrize(
    ("written", "rounds"),
    [
        *((sparsity, 10) for sparsity in (0.893, 0.892626, 0.8926258176)),
        *((0.36, 2), (0.59, 4), (0.965, 15), (0.972, 16), (0.986, 19)),
        *((0.5, 4), (0.9, 11), (0.95, 14), (0.98, 18), (0.99, 21)),  # of no whole number of fifths
    ],
)
def test_a_sparsity_that_a_paper_rounds_takes_no_further_round(written, rounds):
    run = fifth("lth_rewind", written)
    assert run.method.rewinding(1 - written).rounds == rounds
    assert run.method.density(Moment(0, 1.0, 1.0, None, rounds), 1 - written) == 1 - written


def test_the_results_version_tells_the_sparsities_that_take_a_round_less():
    run = fifth("lth_rewind", 0.9)
    settings = identity.settings(config.to_dict(run))
    for sparsity in (number / 1000 for number in range(1, 1000)):
        before = max(math.ceil(math.log(1 - sparsity) / math.log1p(-0.2) - 0.01), 1)
        fewer = run.method.rewinding(1 - sparsity).rounds < before
        assert (identity.results_version(settings | {"sparsity": sparsity}) == "3") == fewer


def test_a_share_that_would_take_ever_so_many_rounds_is_refused():
    with pytest.raises(UsageError, match=r"method.share: 1e-20 would take .* rounds to this sparsity, over 100"):
        config.checked(small("lth_rewind", share=1e-20))


@dataclass
class Foreign(Method):
    """Rewinds, by other names than ours."""

    def rewinding(self, target):
        return Rewinding(2, 0.5, weights=False)

    def event(self, moment):
        return Event() if moment.round else None

    def density(self, moment, target):
        return target ** (moment.round / 2)

    def initial_density(self, target):
        return 1.0

    def update(self, masks, moment, target):
        masks.prune_globally(round(self.density(moment, target) * masks.maskable))


def test_the_checker_asks_any_method_for_its_rounds(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.METHODS, "foreign", Foreign(name="foreign"))
    made = record(small("foreign", "steps:20", budget_rounds="each"), tmp_path)
    assert (made["status"], made["cost"]["steps"]) == ("done", 40)
    assert counts.refusals(made) == []
