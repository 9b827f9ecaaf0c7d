"""Learning rates: shapes, a warm-up that counts the coming step, and drops that fall on the step that integers say."""

from fractions import Fraction

import pytest
from runs import PER_EPOCH, small, train

from harness.budget.schedule import Schedule, reached
from harness.training.learning_rate import learning_rate
from methods import Rewinding


def rates_of(run):
    """Train a run; return the learning rate of each of its steps by round."""
    rates = {}

    def note(made):
        course = made.course
        if not course.clock.done:
            rates.setdefault(course.round, []).append(made._rates.of(course.next(made.masks.active)))
        return False

    made = train(run, note)
    return rates, made


def test_the_learning_rate_follows_its_shape():
    def rates(shape, **more):
        return [learning_rate(position, 0.1, shape, **more) for position in (0, 0.05, 0.1, 0.5, 0.55, 0.75, 1)]

    assert rates("constant") == [0.1] * 7
    assert rates("step", milestones=[0.5, 0.75]) == pytest.approx([0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    cosine = rates("cosine", warmup=0.1)
    assert cosine[:3] == pytest.approx([0, 0.05, 0.1])
    assert cosine[4] == pytest.approx(0.05)
    assert cosine[-1] == pytest.approx(0)


def test_a_learning_rate_goes_to_its_end_and_stays_there():
    def rates(shape, *positions, **more):
        return [learning_rate(position, 0.025, shape, **more) for position in positions]

    # CHTs' perceptrons: over the first 90 % of the epochs to a hundredth.
    chts = rates("linear", 0, 0.3, 0.45, 0.9, 0.95, 1, end=2.5e-4, until=0.9)
    assert chts == pytest.approx([0.025, 0.01675, 0.012625, 2.5e-4, 2.5e-4, 2.5e-4])
    assert rates("linear", 0, 0.5, 1) == pytest.approx([0.025, 0.0125, 0])
    # DeiT's cosine ends above 0.
    assert rates("cosine", 0, 0.5, 1, end=0.005) == pytest.approx([0.025, 0.015, 0.005])
    assert rates("cosine", 0.4, 0.7, end=0.005, until=0.4) == pytest.approx([0.005, 0.005])
    assert rates("cosine", 0.4, end=0) == rates("cosine", 0.4)
    # A factor for each of 20 epochs.
    factor = 0.9
    found = rates("exponential", *(epoch / 20 for epoch in range(21)), end=0.025 * factor**20)
    assert found == pytest.approx([0.025 * factor**epoch for epoch in range(21)])
    warm = rates("linear", 0.1, 0.55, 1, warmup=0.1, end=0.005)
    assert warm == pytest.approx([0.025, 0.015, 0.005])


def test_a_run_takes_its_steps_at_the_rates_of_a_linear_shape():
    recipe = {"lr": 0.4, "lr_shape": "linear", "lr_end": 0.04, "lr_until": 0.9, "warmup_epochs": 0}
    rates, _ = rates_of(small("dense", "steps:40", recipe=recipe))
    wanted = [0.4 - 0.36 * min(step / 36, 1) for step in range(40)]
    assert rates[0] == pytest.approx(wanted)


@pytest.mark.parametrize("shape", ["constant", "cosine", "step", "linear"])
@pytest.mark.parametrize(("method", "budget"), [("dense", "steps:40"), ("dense", "epochs:8"), ("dense", "flops:1")])
def test_warm_up_counts_the_coming_step_and_its_last_step_has_the_peak_exactly(method, budget, shape):
    recipe = {"warmup_epochs": 2, "lr": 0.3, "lr_shape": shape, "milestones": [0.5]}
    rates, _ = rates_of(small(method, budget, recipe=recipe))
    warmup = 2 * PER_EPOCH
    if budget == "flops:1":  # the last batch of an epoch is half a batch
        positions = [(16 * (k % PER_EPOCH) + 72 * (k // PER_EPOCH)) / (2 * 72) for k in range(1, warmup + 1)]
    else:
        positions = [k / warmup for k in range(1, warmup + 1)]
    assert rates[0][:warmup] == pytest.approx([0.3 * position for position in positions], rel=1e-9)
    assert rates[0][warmup - 1] == 0.3
    assert rates[0][warmup] == 0.3  # where the shape begins
    assert max(rates[0]) == 0.3


def test_warm_up_is_repeated_at_the_start_of_each_round_of_learning_rate_rewinding():
    recipe = {"warmup_epochs": 2, "lr": 0.3}
    rates, _ = rates_of(small("lr_rewind", "steps:40", budget_rounds="each", recipe=recipe))
    assert sorted(rates) == [0, 1, 2]
    for course in rates.values():
        assert course[:11] == pytest.approx([0.3 * k / 10 for k in range(1, 11)] + [0.3], rel=1e-9)
        assert course[9] == 0.3


def test_under_seconds_the_first_step_has_a_rate_too():
    rates, _ = rates_of(small("dense", "seconds:0.3", recipe={"warmup_epochs": 2, "lr": 0.3}))
    assert rates[0][0] == pytest.approx(0.3 / (2 * PER_EPOCH), rel=1e-9)


def test_a_milestone_drops_the_rate_of_every_round_on_the_step_that_integers_say():
    """The trial's run, a tenth as long: 100 steps, then rounds of 90 from position 0.1; the drop is half way."""
    recipe = {"warmup_epochs": 0, "lr": 1.0, "lr_shape": "step", "milestones": [0.5]}
    run = small("lr_rewind", "steps:100", budget_rounds="each", recipe=recipe, rewind_to=0.1)
    rates, _ = rates_of(run)
    assert [course.index(0.1) for course in rates.values()] == [50, 40, 40]


@pytest.mark.parametrize("each", [True, False], ids=["each", "shared"])
@pytest.mark.parametrize("rewind_to", ["0", "0.1", "0.3", "0.05", "0.7", "6/91"])
def test_floats_decide_of_rounds_and_marks_as_fractions_do(rewind_to, each):
    back = Fraction(rewind_to)
    marks = [Fraction(text) for text in ("0.1", "0.25", "0.3", "0.5", "0.7", "0.75", "0.9", "91/182")]
    for rounds in (1, 3, 10):
        schedule = Schedule(Rewinding(rounds=rounds, position=float(back), weights=True))
        length = 1 + rounds * (1 - back)
        for steps in (10, 100, 182, 1000):
            exact = Fraction(steps) if each else steps / length
            once = float(steps) if each else steps / schedule.length
            for step in range(int(exact * length)):
                into = step / exact
                round_ = 0 if into < 1 else 1 + (into - 1) // (1 - back)
                position = into if into < 1 else back + (into - 1) % (1 - back)
                found, at = schedule.locate(step / once)
                assert found == round_, (rounds, steps, step)
                assert at == pytest.approx(float(position), abs=1e-12)
                for mark in marks:
                    assert reached(at, float(mark)) is (position >= mark), (rounds, steps, step, mark)
