"""Budgets: what a clock counts, where a schedule stands, and that every method keeps to what it was given."""

import time

import pytest
from runs import BATCH, EPOCHS, METHODS, PER_EPOCH, TRAIN, at_step, small, train, trainer

from harness.budget.clock import Clock
from harness.budget.epoch import budget_samples
from harness.budget.kinds import KINDS, Usage
from harness.budget.schedule import Schedule
from harness.config import resolve
from harness.errors import UsageError
from harness.training.prepare import prepare
from methods import Rewinding

PRUNES = ["gmp", "gmp_uniform", "granet", "granet_s0", "lth_rewind", "lr_rewind"]


def spend(kind, amount, flops=70, seconds=0.25):
    """Return the progress after each step that a budget pays for."""
    clock, seen = Clock(KINDS[kind], amount, amount), []
    step = Usage(1, BATCH, flops)
    while not clock.done:
        expected = clock.after(step)
        clock.charge(step)
        clock.charge(Usage(seconds=seconds))
        seen.append(clock.progress)
        if not KINDS[kind].timed:
            assert seen[-1] == expected
    return seen


@pytest.mark.parametrize(
    ("kind", "amount", "steps"),
    [("epochs", 8, 8), ("steps", 8, 8), ("flops", 560, 8), ("flops", 561, 9), ("seconds", 2, 8), ("seconds", 2.1, 9)],
)
def test_a_clock_stops_on_the_step_that_spends_its_budget(kind, amount, steps):
    seen = spend(kind, amount)
    assert len(seen) == steps
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert seen[-2] < 1


def test_a_clock_knows_its_steps_where_the_budget_fixes_them():
    steps = {name: Clock(kind, 8, 8).total_steps for name, kind in KINDS.items()}
    assert steps == {"epochs": 8, "steps": 8, "flops": None, "seconds": None}


def test_flops_are_added_exactly_however_many_there_are():
    clock = Clock(KINDS["flops"], 1e19, 1e19)
    clock.charge(Usage(1, 1, 2**62))
    clock.charge(Usage(1, 1, 1))
    assert clock.spent == 2**62 + 1


def test_a_schedule_without_rewinding_is_the_progress():
    assert [Schedule().locate(progress) for progress in (0, 0.3, 1)] == [(0, 0), (0, 0.3), (0, 1)]


def test_rewinding_rounds_share_the_budget_and_go_back_to_their_position():
    schedule = Schedule(Rewinding(rounds=2, position=0.25, weights=True))  # 1 + 0.75 + 0.75 = 2.5 schedule lengths
    at = {x: schedule.locate(x) for x in (0, 0.5, 0.999, 1, 1.25, 1.75, 2, 2.5)}
    expected = {0: (0, 0), 0.5: (0, 0.5), 0.999: (0, 0.999), 1: (1, 0.25), 1.25: (1, 0.5)}
    expected |= {1.75: (2, 0.25), 2: (2, 0.5), 2.5: (2, 1)}
    for x, (round_, position) in expected.items():
        assert at[x] == (round_, pytest.approx(position, abs=1e-6))
    assert (schedule.length, schedule.shortest) == (2.5, 0.75)


def ends_as_promised(made, method, sparsity):
    """Require the target's weights, or the pattern; and that something trains what the last event grew."""
    assert made.final_violations() == []
    if not method.exact:
        return
    if method.pattern(1 - sparsity) is None:
        assert abs(sum(made.masks.counted()) - (1 - sparsity) * made.masks.maskable) <= 1
    assert made.history.topology[-1]["step"] < made.course.ledger.steps


@pytest.mark.parametrize("name", METHODS)
def test_under_epochs_every_method_sees_the_same_images_and_ends_as_sparse_as_asked(name):
    run = small(name, f"epochs:{EPOCHS}")
    made = train(run)
    steps = round(EPOCHS * PER_EPOCH * run.budget_share)
    assert made.course.ledger.steps == steps
    assert made.course.ledger.samples - made.course.probe.samples == budget_samples(steps, TRAIN, BATCH)
    ends_as_promised(made, run.method, run.sparsity)


@pytest.mark.parametrize("name", METHODS)
def test_under_flops_every_method_spends_its_budget_to_within_a_step_and_ends_as_sparse_as_asked(name):
    run = small(name, "flops:0.25")
    made, task = train(run), prepare(run)
    dense_step = 3 * task.costs.dense * BATCH
    amount = 0.25 * 3 * task.costs.dense * TRAIN * EPOCHS
    assert task.budget.amount == amount
    assert 0 <= made.course.ledger.flops - amount < dense_step
    ends_as_promised(made, run.method, run.sparsity)


@pytest.mark.parametrize("name", ["rigl", "granet", "lth_rewind"])
def test_under_seconds_a_run_ends_on_time_as_sparse_as_asked(name):
    made = trainer(small(name, "seconds:1", evaluations=1))
    started = time.monotonic()
    made.train(lambda event: None, lambda: None, lambda: False)
    assert time.monotonic() - started < 2
    assert 1 <= made.watch.seconds["train"] + made.watch.seconds["topology"] < 2
    assert made.course.clock.spent == pytest.approx(
        made.watch.seconds["train"] + made.watch.seconds["topology"], abs=0.1
    )
    assert made.final_violations() == []


def test_evaluation_is_not_counted_as_seconds_of_training():
    made = train(small("static", "seconds:0.5", evaluations=50))
    assert made.watch.seconds["eval"] > 0
    assert made.course.clock.spent == pytest.approx(
        made.watch.seconds["train"] + made.watch.seconds["topology"], abs=0.1
    )


def test_an_event_during_which_the_seconds_ran_out_neither_falls_nor_costs():
    made = trainer(small("rigl", "seconds:5", interval=1))
    course, active = made.course, made.masks.active
    iteration = course.next(active)
    assert iteration.event is not None
    assert iteration.surcharge > 0
    course.elapse(5.0)
    assert not course.take(iteration)
    assert course.ledger.flops == course.ledger.price(active, BATCH)


@pytest.mark.parametrize("budget", ["steps:9", "steps:40", "flops:0.5"])
@pytest.mark.parametrize("name", ["gmp", "gmp_uniform", "granet"])
def test_a_pruning_window_shorter_than_an_interval_still_ends_at_the_target(name, budget):
    made = train(small(name, budget, interval=1000))
    assert made.final_violations() == []
    assert len(made.history.topology) >= 2


@pytest.mark.parametrize("name", ["gmp", "gmp_uniform", "granet", "granet_s0"])
def test_density_falls_along_the_ramp_and_stays_at_its_end(name):
    made = train(small(name, "flops:0.5", evaluations=40))
    densities = [point["density"] for point in made.history.curve]
    assert densities == sorted(densities, reverse=True)
    end = made.masks.density
    ended = min(point["progress"] for point in made.history.curve if point["density"] == end)
    assert ended == pytest.approx(small(name).method.prune_end, abs=0.1)


@pytest.mark.parametrize(
    ("name", "budget", "fields"),
    [
        ("static", "steps:0.2", {}),
        ("granet", "steps:1", {}),
        ("gmp", "steps:20", {"prune_end": 0.99}),
        ("gmp", "flops:0.01", {}),
        ("lth_rewind", "steps:4", {"rounds": 4}),
        ("lr_rewind", "epochs:1", {"rounds": 5}),
        ("lth_rewind", "flops:0.02", {"rounds": 4}),
    ],
)
def test_a_budget_too_small_to_train_after_the_last_pruning_is_refused(name, budget, fields):
    kind, amount = budget.split(":")
    with pytest.raises(UsageError, match=f"budget {kind}:{amount} is too small: .* less than one training step"):
        prepare(small(name, budget, **fields))


@pytest.mark.parametrize(
    ("name", "budget", "fields"),
    [
        ("static", "steps:1", {}),
        ("granet", "steps:2", {}),
        ("gmp", "steps:100", {"prune_end": 0.99}),
        ("lth_rewind", "steps:5", {"rounds": 4, "rewind_to": 0.0}),
        ("lr_rewind", "epochs:1", {"rounds": 4}),
    ],
)
def test_the_smallest_budget_that_is_taken_reaches_the_target(name, budget, fields):
    made = train(small(name, budget, **fields))
    assert made.final_violations() == []


@pytest.mark.parametrize("name", ["lth_rewind", "lr_rewind"])
@pytest.mark.parametrize("budget", ["steps:41", "flops:0.7"])
def test_each_round_prunes_its_share_and_the_learning_rate_goes_back(name, budget):
    rates = []

    def look(made):
        rates.append((made.course.round, made._rates.at(made.course.position)))
        return False

    made = train(small(name, budget, recipe={"warmup_epochs": 0}), look)
    maskable = made.masks.maskable
    assert [sum(entry["active"]) / maskable for entry in made.history.topology] == pytest.approx(
        [1, 0.1**0.5, 0.1], abs=1e-4
    )
    assert [entry["density"] for entry in made.history.rounds] == pytest.approx([1, 0.1**0.5, 0.1], abs=1e-4)
    assert [entry["step"] for entry in made.history.rounds[:-1]] == [
        entry["step"] for entry in made.history.topology[1:]
    ]
    assert made.history.rounds[-1]["step"] == made.course.ledger.steps
    for round_ in range(3):
        course = [rate for at, rate in rates if at == round_]
        assert course == sorted(course, reverse=True)
        assert course[0] > 0.08  # 0.1 at the start of the schedule
        assert course[-1] < 0.02
    lengths = [sum(at == round_ for at, _ in rates) for round_ in range(3)]
    if budget == "steps:41":  # the first training is longer by what comes before the rewind point
        again = 1 - small(name).method.rewind_to
        assert lengths == pytest.approx([41 * part / (1 + 2 * again) for part in (1, again, again)], abs=1)
    else:  # and under FLOPs sparser rounds are longer
        assert lengths[0] < lengths[1] < lengths[2]


def test_stretching_trains_longer_on_the_same_schedule_with_the_same_interval():
    plain = train(small("rigl", "steps:40", evaluations=40))
    longer = train(small("rigl", "steps:40x3", evaluations=40))
    assert (plain.course.ledger.steps, longer.course.ledger.steps) == (40, 120)
    rates = [{round(point["progress"], 9): point["lr"] for point in made.history.curve} for made in (plain, longer)]
    assert rates[0] == pytest.approx(rates[1])
    events = [[entry["step"] for entry in made.history.topology[1:]] for made in (plain, longer)]
    assert events == [list(range(4, 30, 4)), list(range(4, 90, 4))]  # to three quarters


def test_the_dense_reference_does_not_stretch():
    reference = {budget: prepare(small("static", budget)).budget for budget in ("steps:40", "steps:40x5")}
    assert reference["steps:40x5"].amount == 200
    assert reference["steps:40x5"].reference_flops == reference["steps:40"].reference_flops


def test_the_short_form_of_a_budget_on_the_command_line():
    run = resolve(["budget=steps:32000x5", "method=rigl"])
    assert (run.budget.kind, run.budget.amount, run.budget.stretch) == ("steps", 32000, 5)
    assert resolve(["budget=epochs"]).budget.amount == resolve([]).recipe.epochs


def test_a_run_that_is_told_to_stop_stops_between_two_iterations():
    made = train(small("static"), at_step(7))
    assert made.course.ledger.steps == 7
    assert not made.course.clock.done


def test_a_course_takes_no_event_that_would_leave_nothing_to_train_it():
    run = small("rigl", "steps:4", interval=2, until=1.0)
    made = trainer(run)
    events = []
    while not made.course.clock.done:
        iteration = made.course.next(made.masks.active)
        made.course.take(iteration)
        events.append(iteration.event is not None)
    assert events == [False, True, False, False]
