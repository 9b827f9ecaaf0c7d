"""How a density is distributed over layers: exact counts, whatever the shapes."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import NET, Layers
from runs import small, trainer

from harness.errors import UsageError
from harness.training.prepare import sized
from methods import Moment, build
from methods.parts.distributions import Shapes, balanced, er, erk, exact_counts, layer_counts, uniform

quick = settings(deadline=None, max_examples=60)
SHAPES = st.lists(
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([(), (1, 1), (3, 3)])).map(
        lambda sizes: (*sizes[:2], *sizes[2])
    ),
    min_size=1,
    max_size=8,
)


def test_balanced_layers_have_equally_many_weights_or_all_of_theirs():
    shapes = [(10, 10), (2, 3), (20, 10), (2, 10)]  # 326 weights, of which 163 stay
    counts = [share * math.prod(shape) for share, shape in zip(balanced(shapes, 0.5), shapes, strict=True)]
    assert counts == pytest.approx([68.5, 6, 68.5, 20])
    assert balanced(shapes, 1.0) == [1.0] * 4


@given(SHAPES, st.floats(0.01, 1), st.sampled_from([erk, er, balanced]))
@quick
def test_erdos_renyi_densities_average_to_the_density_and_are_shares(shapes, density, distribution):
    sizes = [math.prod(shape) for shape in shapes]
    densities = distribution(shapes, density)
    assert sum(d * n for d, n in zip(densities, sizes, strict=True)) == pytest.approx(density * sum(sizes), rel=1e-9)
    assert all(0 < d <= 1 for d in densities)


@given(SHAPES, st.floats(0.01, 1), st.floats(0.01, 1))
@quick
def test_erk_layers_never_get_sparser_when_the_net_gets_denser(shapes, one, other):
    sparser, denser = erk(shapes, min(one, other)), erk(shapes, max(one, other))
    assert all(low <= high + 1e-9 for low, high in zip(sparser, denser, strict=True))


@given(SHAPES, st.floats(0.01, 1), st.randoms(use_true_random=False))
@quick
def test_erk_does_not_depend_on_the_order_of_layers_and_ties_go_together(shapes, density, random):
    order = list(range(2 * len(shapes)))
    random.shuffle(order)
    doubled = [*shapes, *shapes]
    densities = erk(doubled, density)
    shuffled = erk([doubled[i] for i in order], density)
    assert shuffled == pytest.approx([densities[i] for i in order], rel=1e-9)
    assert densities[: len(shapes)] == densities[len(shapes) :]


@given(st.floats(0.1, 1))
@quick
def test_uniform_keeps_the_first_convolution_dense_and_the_net_at_its_density(density):
    sizes = [math.prod(shape) for shape in NET]
    densities = uniform(NET, density)
    assert densities[0] == 1
    assert len(set(densities[1:])) == 1
    assert sum(d * n for d, n in zip(densities, sizes, strict=True)) == pytest.approx(density * sum(sizes))


@pytest.mark.parametrize("kernel", [(3,), (3, 3), (3, 3, 3)])
def test_uniform_keeps_the_first_convolution_dense_whatever_its_dimensions(kernel):
    shapes = [(20, 20), (8, 4, *kernel), (8, 8, *kernel), (10, 8)]
    densities = uniform(shapes, 0.6)
    assert densities[1] == 1
    assert len({densities[0], *densities[2:]}) == 1
    assert uniform([(20, 20), (10, 20)], 0.3) == [0.3, 0.3]


def test_uniform_gives_one_density_to_all_where_the_first_convolution_is_not_masked():
    assert uniform(Shapes(NET[1:], stem=None), 0.3) == [0.3] * 3
    assert uniform(Shapes(NET, stem=0), 0.3) == uniform(NET, 0.3)


def test_a_first_convolution_that_the_config_keeps_dense_does_not_make_the_second_one_dense():
    run = small("static", sparsity=0.7, distribution="uniform")
    masks = trainer(run).masks
    assert masks.active[0] == masks.sizes[0]
    run.dense_layers = ["features.0.0.weight"]
    masks = trainer(run).masks
    assert "features.0.0.weight" not in masks.names
    assert [round(active / size, 2) for active, size in zip(masks.active, masks.sizes, strict=True)] == [0.3] * 3


@given(
    SHAPES,
    st.sampled_from([erk, er, uniform, balanced]),
    st.lists(st.floats(0.001, 1), min_size=2, max_size=8),
    st.booleans(),
)
@quick
def test_exact_counts_add_up_to_the_target_and_never_grow(shapes, distribution, falling, twice):
    shapes = [*shapes, *shapes] if twice else shapes
    sizes = [math.prod(shape) for shape in shapes]
    active = sizes
    for density in sorted(falling, reverse=True):
        try:
            densities = distribution(shapes, density)
        except ValueError:  # less than the first convolution
            return
        # Uniform densities need no look at what is active, so a plan knows their counts without walking the ramp.
        counts = exact_counts(shapes, densities, density, None if distribution is uniform else active)
        assert sum(counts) == round(density * sum(sizes))
        assert all(0 <= now <= before for now, before in zip(counts, active, strict=True))
        active = counts


@pytest.mark.parametrize("distribution", ["uniform", "erk"])
def test_layer_wise_pruning_is_exact_at_every_tick(distribution):
    net = Layers(shapes=[(16, 3, 3, 3), *[(16, 16, 3, 3)] * 6, (32, 16, 1, 1), (10, 33)], density=1.0)
    method = build({"name": "gmp_uniform", "interval": 1, "distribution": distribution})
    for step in range(1, 101):
        moment = Moment(step, step / 100, (step - 1) / 100, 100)
        density = method.density(moment, 0.3)
        if density is not None:
            method.update(net.masks, moment, 0.3)
            assert sum(net.masks.active) == sum(net.masks.counted()) == round(density * net.masks.maskable)
    assert sum(net.masks.active) == round(0.3 * net.masks.maskable)


def test_uniform_refuses_a_density_that_the_first_convolution_alone_exceeds():
    with pytest.raises(ValueError, match=r"its 72 weights are more than a density of 0\.01 allows"):
        uniform(NET, 0.01)


@given(SHAPES, st.floats(0.01, 1), st.sampled_from([erk, er, balanced]))
@quick
def test_layer_counts_are_rounded_and_their_total_is_exact_to_one_weight(shapes, density, distribution):
    sizes = [math.prod(shape) for shape in shapes]
    densities = distribution(shapes, density)
    counts = layer_counts(shapes, densities, density)
    assert abs(sum(counts) - round(density * sum(sizes))) <= 1
    assert all(0 <= count <= size for count, size in zip(counts, sizes, strict=True))
    assert all(abs(c - d * n) < 1.5 for c, d, n in zip(counts, densities, sizes, strict=True))


def test_rounding_errors_of_many_layers_do_not_add_up():
    shapes = [(5, 5)] * 100
    assert abs(sum(layer_counts(shapes, [0.26] * 100, 0.26)) - 650) <= 1


@pytest.mark.parametrize(
    ("densities", "said"),
    [
        ([0.3, 0.3, 0.3, 0.3], "average to 0.3, a sparsity of 0.7, and not to 0.1, the sparsity of 0.9"),
        ([1.5, 0.1, 0.1, 0.1], "the density of layer 0, 1.5, is not in [0, 1]"),
    ],
)
def test_layer_densities_of_another_sparsity_are_refused_before_training(monkeypatch, densities, said):
    run = small("static")
    monkeypatch.setattr(type(run.method), "layer_densities", lambda self, shapes, density: densities)
    with pytest.raises(UsageError) as refused:
        sized(run)
    assert "sparsity 0.9 on convnet: method 'static'" in str(refused.value)
    assert said in str(refused.value)
