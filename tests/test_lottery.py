"""The first form of the lottery ticket, and layer densities that its papers need."""

import math

import pytest
from layers import Layers
from runs import record, small

from harness.plan.chains import chains
from harness.plan.planned import plan
from methods import Moment, build
from methods.parts.distributions import Shapes, densities

LENET = [(300, 784), (100, 300), (10, 100)]
SIZES = [math.prod(shape) for shape in LENET]
NET = [(8, 1, 3, 3), (12, 8, 3, 3), (5, 12)]


def lth(**fields):
    return build({"name": "lth", **fields})


def test_the_output_layer_is_pruned_at_half_the_rate_and_the_total_is_exact():
    counts = lth(share=0.2).layer_counts(LENET, 0.8**10)
    assert counts[2] == round(0.9**10 * SIZES[2])
    assert sum(counts) == round(0.8**10 * sum(SIZES))
    assert counts[0] / SIZES[0] == pytest.approx(counts[1] / SIZES[1], abs=1e-4)
    assert lth(output=1.0).layer_counts(LENET, 0.5) == [117600, 15000, 500]


def test_an_output_layer_that_would_take_all_weights_is_refused():
    with pytest.raises(ValueError, match=r"method\.output: 0\.5 keeps .* leaves nothing of the others"):
        lth().layer_counts([(10, 20), (10, 1000)], 0.01)


def test_a_share_of_all_weights_prunes_evenly():
    method = lth(share=1 / 99, of="all", output=1.0)
    target = 1 - 91 / 99
    assert method.rewinding(target).rounds == method.rewinding(1 - 0.9192).rounds == 91
    found = [method.density(Moment(0, 1.0, 1.0, None, number), target) for number in (1, 2, 91)]
    assert found == pytest.approx([98 / 99, 97 / 99, target])
    assert method.rewinding(target).position == 0


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"of": "some"}, "method.of: 'some' is not one of remaining, all"),
        ({"of": "all"}, "all needs method.share"),
        ({"output": 0}, r"method.output: 0 is not in \(0, 1\]"),
        ({"share": 0.2, "rewind_to": 1.0}, "leaves no training"),
    ],
)
def test_what_cannot_be_is_refused(fields, said):
    with pytest.raises(ValueError, match=said):
        lth(**fields)


def test_more_rounds_than_there_may_be_are_refused():
    with pytest.raises(ValueError, match="over 100"):
        lth(share=0.005, of="all").rewinding(0.1)


def test_each_layer_keeps_its_largest_weights():
    layers = Layers(NET, density=1.0)
    method = lth(rounds=1, output=1.0)
    method.update(layers.masks, Moment(5, 0.0, 1.0, None, 1), 0.25)
    for layer, size in enumerate(layers.masks.sizes):
        kept = layers.masks.magnitude(layer)[layers.masks.alive(layer)]
        assert len(kept) == pytest.approx(size / 4, abs=1)


def test_a_run_prunes_every_layer_and_a_longer_one_continues_it(tmp_path):
    def made(sparsity):
        return small("lth", "steps:9", budget_rounds="each", sparsity=sparsity, share=0.25, of="all", output=1.0)

    ended = record(made(0.5), tmp_path)
    assert ended["status"] == "done"
    assert [round(each["density"], 2) for each in ended["rounds"]] == [1, 0.75, 0.5]
    assert list(ended["metrics"]["layer_density"].values()) == pytest.approx([0.5] * 4, abs=0.01)
    (chain,) = chains(plan([made(0.75), made(0.25), made(0.5)]))
    assert [one.run.sparsity for one in chain] == [0.25, 0.5, 0.75]


def test_uniform_all_spares_no_first_convolution():
    assert densities("uniform_all", Shapes(NET, stem=0), 0.1) == [0.1] * 3
    assert densities("uniform", Shapes(NET, stem=0), 0.1)[0] == 1


def test_densities_by_hand_are_those_of_the_layers():
    static = build({"name": "static", "distribution": "0.01,0.109,1"})
    kept = 2352 + 3270 + 1000
    assert static.layer_counts(LENET, kept / sum(SIZES)) == [2352, 3270, 1000]
    with pytest.raises(ValueError, match=r"its layer densities average to 0\.0248.*and not to 0\.1"):
        static.layer_counts(LENET, 0.1)
    with pytest.raises(ValueError, match="is not a density for each of"):
        static.layer_counts(LENET[:2], 0.02)


@pytest.mark.parametrize("text", ["0.1,1.5", "0.1,", "nan", "0.1;0.2"])
def test_what_is_no_list_of_densities_is_refused(text):
    with pytest.raises(ValueError, match=r"method\.distribution: .* is not one of erk"):
        build({"name": "static", "distribution": text})
