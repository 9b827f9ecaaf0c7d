"""Selection is exact: the same as by sorting, on the CPU and in the code that devices run."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.parts import select, select_device, select_host

quick = settings(deadline=None, max_examples=80)


@st.composite
def problems(draw):
    """Some tensors of scores, their candidates, and how many to take of each."""
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    seed = draw(st.integers(0, 2**32 - 1))
    values = draw(st.sampled_from(["few", "normal", "rising", "tiny"]))
    sizes = draw(st.lists(st.integers(1, 300), min_size=1, max_size=4))
    share = draw(st.floats(0, 1))
    random = np.random.default_rng(seed)
    scores, among, counts = [], [], []
    for size in sizes:
        made = random.standard_normal(size)
        if values == "few":
            made = np.round(made)  # ties and zeros are the rule
        elif values == "rising":
            made = np.sort(made)
        elif values == "tiny":
            made = made * 1e-42  # below the normal numbers of float32
        scores.append(torch.tensor(made, dtype=dtype))
        candidates = random.random(size) < share
        among.append(torch.tensor(candidates))
        counts.append(int(random.integers(0, candidates.sum() + 1)))
    return scores, counts, among


def by_sorting(scores, k, among):
    ranked = sorted((i for i in range(len(scores)) if among[i]), key=lambda i: (-abs(scores[i]), i))
    mask = torch.zeros(len(scores), dtype=torch.bool)
    mask[ranked[:k]] = True
    return mask


@pytest.fixture(params=[(1 << 11, 1 << 17), (0, 7), (0, 64)], ids=["as it is", "odd blocks", "small blocks"])
def blocks(request, monkeypatch):
    """Sample and go block by block on small tensors too."""
    few, block = request.param
    monkeypatch.setattr(select_host, "_FEW", few)
    monkeypatch.setattr(select_host, "_BLOCK", block)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("mark_each", [select.top_k_each, select_device.mark_each], ids=["host", "device"])
def test_each_tensor_gets_exactly_its_best(mark_each):
    @given(problems())
    @quick
    def check(problem):
        scores, counts, among = problem
        found = mark_each(scores, counts, among)
        for mask, values, k, candidates in zip(found, scores, counts, among, strict=True):
            assert torch.equal(mask, by_sorting(values.tolist(), k, candidates.tolist()))

    check()


@pytest.mark.usefixtures("blocks")
def test_tensors_taken_together_are_as_one():
    @given(problems())
    @quick
    def check(problem):
        scores, counts, among = problem
        together = by_sorting(torch.cat(scores).tolist(), sum(counts), torch.cat(among).tolist())
        assert torch.equal(torch.cat(select.top_k_jointly(scores, sum(counts), among)), together)

    check()


def test_threads_give_the_same_as_one_thread(monkeypatch):
    draw = torch.Generator().manual_seed(0)
    scores = [torch.randn(size, generator=draw) for size in (5000, 1, 70_000, 300)]
    masks = [torch.rand(len(part), generator=draw) < 0.5 for part in scores]
    active = [int(mask.sum()) for mask in masks]
    growth = [torch.randn(len(part), generator=draw) for part in scores]
    problem = (masks, active, scores, growth, [count // 3 for count in active])
    alone = select.exchange_each(*problem), select.top_k_jointly(scores, 9000, masks)
    monkeypatch.setattr(select, "_WORTH_A_THREAD", 0)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        shared = select.exchange_each(*problem), select.top_k_jointly(scores, 9000, masks)
    finally:
        torch.set_num_threads(threads)
    for one, other in zip(alone, shared, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("bracket", [(0, 0), (1, 2), (2**31 - 1, 2**31 - 1), (0x40000000, 0x40000001)])
def test_a_sample_that_misleads_only_costs_time(monkeypatch, bracket):
    monkeypatch.setattr(select_host, "_bracket", lambda parts, k: bracket)
    scores = torch.randn(5000, generator=torch.Generator().manual_seed(0))
    among = scores > -1
    for k in (1, 100, 2500, int(among.sum())):
        assert torch.equal(select.top_k_each([scores], [k], [among])[0], by_sorting(scores.tolist(), k, among.tolist()))


@pytest.mark.parametrize("size", [10, 100_000])
def test_more_than_there_are_candidates_is_an_error_not_an_endless_search(size):
    among = torch.zeros(size)
    among[:5] = 1
    with pytest.raises(ValueError, match="6 scores were requested of fewer candidates"):
        select.top_k_each([torch.ones(size)], [6], [among])


@pytest.mark.parametrize("device_code", [False, True], ids=["host", "device"])
def test_infinite_scores_come_before_all_numbers_and_nan_before_them(device_code):
    scores = torch.tensor([1.0, -math.inf, math.nan, 3.0, math.inf])
    mark_each = select_device.mark_each if device_code else select.top_k_each
    for k, best in ((1, [2]), (2, [1, 2]), (3, [1, 2, 4]), (4, [1, 2, 3, 4])):
        (found,) = mark_each([scores], [k], [torch.ones(5, dtype=torch.bool)])
        assert found.nonzero().flatten().tolist() == best


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_scores_are_compared_exactly(dtype):
    scores = torch.randn(3000, generator=torch.Generator().manual_seed(0)).to(dtype)
    among = torch.ones(3000, dtype=torch.bool)
    wanted = by_sorting(scores.tolist(), 700, among.tolist())
    assert torch.equal(select.top_k_each([scores], [700], [among])[0], wanted)
    assert torch.equal(select_device.mark_each([scores], [700], [among])[0], wanted)


@pytest.mark.parametrize("function", [select.top_k_each, select_device.mark_each])
def test_nothing_to_select_from_is_no_error(function):
    assert function([], [], []) == []
