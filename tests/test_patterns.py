"""Patterns of active weights and what constant fan-in is made of, against plain loops."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.parts import fan_in
from methods.parts.distributions import erk, layer_counts
from methods.parts.patterns import Pattern, largest_in_groups

quick = settings(deadline=None, max_examples=60)

RATIOS = st.sampled_from([(2, 4), (1, 4), (2, 8), (1, 8), (1, 16), (3, 4)])
SIZES = st.tuples(st.integers(1, 5), st.integers(1, 3), st.sampled_from([(), (1,), (3,), (3, 2)]))
NETS = st.lists(
    st.tuples(st.integers(1, 60), st.integers(1, 40), st.sampled_from([(), (3, 3)])).map(
        lambda sizes: (*sizes[:2], *sizes[2])
    ),
    min_size=1,
    max_size=6,
)


def ties(seed, *shape):
    """Return scores of few different values, so that ties are the rule."""
    return torch.randint(0, 4, shape, generator=torch.Generator().manual_seed(seed)).double()


def groups_of(shape, m):
    """Return the indices of the weights of each group."""
    out, inputs, *kernel = shape
    positions = list(itertools.product(*(range(size) for size in kernel)))
    starts = range(0, inputs, m)
    return [
        [(row, start + place, *position) for place in range(m)]
        for row in range(out)
        for position in positions
        for start in starts
    ]


@given(st.integers(0, 10_000), RATIOS, SIZES)
@quick
def test_the_largest_of_each_group_are_marked_and_of_ties_the_first(seed, ratio, sizes):
    n, m = ratio
    out, groups, kernel = sizes
    scores = ties(seed, out, groups * m, *kernel)
    marked = largest_in_groups(scores, n, m)
    assert (marked.dtype, marked.shape) == (torch.bool, scores.shape)
    for group in groups_of(scores.shape, m):
        ranked = sorted(range(m), key=lambda place: (-float(scores[group[place]]), place))
        assert [place for place in range(m) if marked[group[place]]] == sorted(ranked[:n])
    pattern = Pattern("n:m", n, m)
    assert pattern.violations(marked) == 0
    assert pattern.counts([scores.shape]) == [int(marked.sum())]


def test_groups_lie_along_input_channels_at_a_fixed_position_of_the_kernel():
    weight = torch.zeros(1, 4, 1, 2)
    weight[0, :, 0, 0] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    weight[0, :, 0, 1] = torch.tensor([4.0, 3.0, 2.0, 1.0])
    marked = largest_in_groups(weight, 2, 4)
    assert marked[0, :, 0, 0].tolist() == [False, False, True, True]
    assert marked[0, :, 0, 1].tolist() == [True, True, False, False]


@given(st.integers(0, 10_000), RATIOS, SIZES, st.data())
@quick
def test_one_weight_more_or_less_breaks_one_group(seed, ratio, sizes, data):
    n, m = ratio
    out, groups, kernel = sizes
    mask = largest_in_groups(ties(seed, out, groups * m, *kernel), n, m).contiguous()
    place = data.draw(st.integers(0, mask.numel() - 1))
    mask.view(-1)[place].logical_not_()
    assert Pattern("n:m", n, m).violations(mask) == 1


@pytest.mark.parametrize("shape", [(5, 6), (8, 3, 3, 3), (8, 1, 3, 3)])
def test_a_layer_that_m_does_not_divide_is_dense(shape):
    pattern, mask = Pattern("n:m", 2, 4), torch.ones(shape, dtype=torch.bool)
    assert not pattern.holds_for(shape)
    assert pattern.counts([shape, (5, 8)]) == [math.prod(shape), 20]
    assert pattern.violations(mask) == 0
    mask.view(-1)[:3] = False
    assert pattern.violations(mask) == 3


def test_swapping_two_weights_between_groups_is_seen_although_counts_stay():
    mask = largest_in_groups(torch.arange(8.0).view(1, 8), 2, 4)
    mask[0, 2], mask[0, 4] = False, True
    assert int(mask.sum()) == 4
    assert Pattern("n:m", 2, 4).violations(mask) == 2


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.integers(0, 10_000))
@quick
def test_neurons_with_another_fan_in_than_most_are_counted_and_those_without_inputs_are_not(fan_ins, seed):
    mask = torch.zeros(len(fan_ins), 2, 3, dtype=torch.bool)
    draw = torch.Generator().manual_seed(seed)
    for neuron, count in enumerate(fan_ins):
        mask[neuron].view(-1)[torch.randperm(6, generator=draw)[:count]] = True
    alive = [count for count in fan_ins if count]
    expected = len(alive) - max((alive.count(count) for count in alive), default=0)
    assert Pattern("fan_in").violations(mask) == expected


@pytest.mark.parametrize("pattern", [Pattern("n:m", 2, 4), Pattern("n:m", 1, 16), Pattern("fan_in")])
def test_a_record_says_all_of_a_pattern(pattern):
    assert Pattern.of(pattern.described()) == pattern


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("block", 2, 4), "pattern kind 'block' is not one of n:m, fan_in"),
        (("n:m", 4, 4), "pattern 4:4"),
        (("n:m", 0, 4), "pattern 0:4"),
        (("fan_in", 1, 0), "a fan_in pattern has no n and m, not 1 and 0"),
    ],
)
def test_what_is_no_pattern_is_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message):
        Pattern(*fields)


@pytest.mark.parametrize("described", [{}, {"kind": 3}, {"kind": "n:m", "n": 2.0, "m": 4}, {"kind": "n:m", "n": True}])
def test_what_describes_no_pattern_is_refused(described):
    with pytest.raises(ValueError, match="pattern"):
        Pattern.of(described)


@given(NETS, st.floats(0.01, 1), st.data())
@quick
def test_fan_ins_meet_the_target_up_to_half_of_the_widest_layer(shapes, density, data):
    budgets = layer_counts(shapes, erk(shapes, density), density)
    total = round(density * sum(math.prod(shape) for shape in shapes))
    neurons = []
    for budget, shape in zip(budgets, shapes, strict=True):
        fewest = math.ceil(budget / math.prod(shape[1:]))
        neurons.append(data.draw(st.integers(fewest, min(budget, shape[0]))))
    found = fan_in.fan_ins(budgets, neurons, shapes, total)
    assert all(
        (1 if count else 0) <= inputs <= math.prod(shape[1:])
        for count, inputs, shape in zip(neurons, found, shapes, strict=True)
    )
    reached = sum(count * inputs for count, inputs in zip(neurons, found, strict=True))
    assert abs(reached - total) <= max(1, max(shape[0] for shape in shapes) // 2)


def test_remainders_are_put_where_they_fit():
    shapes = [(64, 100), (48, 100), (10, 100)]
    budgets, neurons = [64 * 10 + 30, 48 * 10 + 30, 10 * 20 + 4], [64, 48, 10]
    assert fan_in.fan_ins(budgets, neurons, shapes, sum(budgets)) == [11, 10, 20]
    assert fan_in.fan_ins(budgets, neurons, shapes, sum(budgets) - 6) == [10, 11, 21]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(1, 60), st.integers(5, 9), st.floats(0, 1))
@quick
def test_neurons_with_enough_salient_weights_survive_and_no_fewer_than_hold_the_budget(salient, budget, inputs, share):
    budget = min(budget, len(salient) * inputs)
    survivors = fan_in.survivors(salient, budget, inputs, share)
    assert survivors == sorted(set(survivors))
    assert math.ceil(budget / inputs) <= len(survivors) <= min(budget, len(salient))
    enough = {neuron for neuron, count in enumerate(salient) if count >= share * budget / len(salient)}
    if math.ceil(budget / inputs) <= len(enough) <= budget:
        assert set(survivors) == enough
    assert not set(survivors) or min(salient[n] for n in survivors) >= max(
        (count for neuron, count in enumerate(salient) if neuron not in survivors), default=0
    )


def test_without_ablation_every_neuron_survives():
    assert fan_in.survivors([0, 0, 3], 3, 4, 0.0) == [0, 1, 2]
    assert fan_in.survivors([0, 0, 3], 3, 4, 0.3) == [2]


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 9), st.data())
@quick
def test_neurons_are_filled_with_what_is_kept_and_then_by_gradient(seed, out, inputs, data):
    magnitude, gradient = ties(seed, out, inputs), ties(seed + 1, out, inputs)
    kept = ties(seed + 2, out, inputs) > 1
    neurons = sorted(data.draw(st.sets(st.integers(0, out - 1))))
    count = data.draw(st.integers(1, inputs))
    mask = fan_in.filled(kept, magnitude, gradient, neurons, count)
    for neuron in range(out):
        score = {
            place: (bool(kept[neuron, place]), float((magnitude if kept[neuron, place] else gradient)[neuron, place]))
            for place in range(inputs)
        }
        ranked = sorted(range(inputs), key=lambda place: (not score[place][0], -score[place][1], place))
        expected = set(ranked[:count]) if neuron in neurons else set()
        assert {place for place in range(inputs) if mask[neuron, place]} == expected


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 9), st.data())
@quick
def test_drawn_masks_have_the_fan_in_and_the_number_of_neurons(seed, out, inputs, data):
    neurons, count = data.draw(st.integers(1, out)), data.draw(st.integers(1, inputs))
    scores = torch.rand(out, inputs, generator=torch.Generator().manual_seed(seed))
    assert sorted(fan_in.drawn(scores, neurons, count).sum(1).tolist(), reverse=True) == [count] * neurons + [0] * (
        out - neurons
    )
