"""What must hold of every run, whatever its method and model. A check returns what it found, or raises."""

from collections.abc import Callable

from harness.audit import counts, promised, second_count
from harness.conformance.errors import ConformanceError
from harness.conformance.study import Study
from harness.conformance.trained import Watched, differences, outcome
from harness.records import metrics
from harness.training.prepare import prepare

Check = Callable[[Study], str]


def trains(study: Study) -> str:
    """Runs can be planned and trained at the sparsities that are tried."""
    trained = ", ".join(study.watched)
    refused = "; ".join(f"{sparsity} is refused ({why})" for sparsity, why in study.refused.items())
    return f"at sparsity {trained}" + (f"; {refused}" if refused else "")


def exact_counts(study: Study) -> str:
    """The final masks hold the number of weights that the sparsity leaves."""
    said = []
    for sparsity, run in study.watched.items():
        record, masks = run.record, run.trainer.masks
        wrong = promised.refusals(record, record["config"]["layers"], masks.counted())
        if wrong:
            raise ConformanceError(f"at sparsity {sparsity}: {wrong[0].removeprefix('active: ')}")
        said.append(f"{sum(masks.counted()):,} at {sparsity}")
    of = study.watched[study.sparsity].trainer.masks.maskable
    result = "" if study.main.run.method.exact else ", a result of the method and not a target"
    return f"of {of:,} weights {', '.join(said)}{result}"


def nothing_outside(study: Study) -> str:
    """Weights and optimiser state are 0 outside the masks, and the masks hold what was booked, in every step."""
    for sparsity, run in study.watched.items():
        if run.escaped:
            raise ConformanceError(f"at sparsity {sparsity}: {run.escaped}")
    for sparsity, found in study.judged.items():
        if any(found["outside"]):
            raise ConformanceError(f"at sparsity {sparsity}: {sum(found['outside']):,} weights of the network it left")
    steps = sum(run.trainer.course.ledger.steps for run in study.watched.values())
    return f"weights and optimiser state, after each of {steps:,} steps; masks hold what was booked"


def pattern(study: Study) -> str:
    """The final masks have the pattern that the method declares."""
    said = []
    for sparsity, found in study.judged.items():
        declared = study.watched[sparsity].record["config"].get("pattern")
        if declared is None:
            continue
        if any(found["violations"]):
            times = sum(found["violations"])
            raise ConformanceError(f"at sparsity {sparsity}: the {declared['kind']} pattern is broken {times:,} times")
        said.append(f"{declared['kind']} at {sparsity}")
    return f"{', '.join(said)}, unbroken" if said else "none is declared"


def flops(study: Study) -> str:
    """The ledger is what a recount from the record gives, and the model costs what fvcore counts."""
    for sparsity, run in study.watched.items():
        if wrong := counts.refusals(run.record):
            raise ConformanceError(f"at sparsity {sparsity}: {wrong[0]}")
    main = study.main.run
    task = prepare(main)
    second = second_count.forward_flops(task.model, main.dataset.shape)
    if second not in (None, task.costs.dense):
        raise ConformanceError(f"one sample costs {task.costs.dense:,} FLOPs, but fvcore counts {second:,}")
    charged = study.watched[study.sparsity].record["cost"]["train_flops"]
    by_fvcore = (
        "no second count, since fvcore lacks an operator of it"
        if second is None
        else f"one sample {second:,}, as fvcore counts"
    )
    return f"{charged:,} charged at {study.sparsity}, as recounted from the record; {by_fvcore}"


def plan_is_run(study: Study) -> str:
    """A run costs what its plan says."""
    said = []
    for sparsity, run in study.watched.items():
        price, cost = run.planned.price, run.record["cost"]
        if price.estimated:
            drift = 100 * (cost["train_flops"] / price.train_flops - 1) if price.train_flops else 0.0
            said.append(f"{drift:+.1f} % at {sparsity}")
        elif wrong := _unplanned(run):
            raise ConformanceError(f"at sparsity {sparsity}: {wrong}")
    if said:
        return f"an estimate, since training decides on the layers; the run's FLOPs are off by {', '.join(said)}"
    return "FLOPs of training and inference, to the last, and the density of each layer"


def _unplanned(run: Watched) -> str | None:
    price, cost, metrics = run.planned.price, run.record["cost"], run.record["metrics"]
    for name, planned in (("train_flops", price.train_flops), ("inference_flops", price.inference_flops)):
        if cost[name] != planned:
            hint = "; if layer counts follow the weights, state prunes_globally = True"
            return f"{name} is {cost[name]:,}, planned was {planned:,}{hint}"
    densities = {layer["name"]: layer["density"] for layer in price.layers}
    differing = [name for name, density in densities.items() if abs(metrics["layer_density"][name] - density) > 1e-9]
    return f"{differing[0]} has another density than planned" if differing else None


def deterministic(study: Study) -> str:
    """Two runs of one seed are the same to the bit."""
    first = outcome(study.first[1])
    if found := differences(first, outcome(study.again())):
        raise ConformanceError(f"two runs of one seed differ in {found}")
    if study.nondeterministic:
        raise ConformanceError(f"no deterministic algorithm: {', '.join(study.nondeterministic)}")
    return f"two runs end the same to the bit in {len(first):,} tensors and values"


def resumable(study: Study) -> str:
    """A run that is stopped and resumed, also in another process, ends as if it had not been."""
    try:
        stops, found = study.resumed()
    except ConformanceError as error:
        raise ConformanceError(f"a run cannot be resumed: {error}") from None
    if differing := differences(outcome(study.first[1]), outcome(found)):
        raise ConformanceError(f"stopped after steps {stops[0]} and {stops[1]} it ends with other {differing}")
    return f"stopped after steps {stops[0]} and {stops[1]}, the rest in another process: the same to the bit"


def network(study: Study) -> str:
    """The network that a run leaves has, without the code of the method, what the record says."""
    said = []
    metric = metrics.of_dataset(vars(study.main.run.dataset))
    scored = metrics.field(metric, "test")
    for sparsity, found in study.judged.items():
        record = study.watched[sparsity].record
        masks = (("active", sum(found["active"])), ("nonzero", sum(found["nonzero"])))
        for name, value in (*masks, *((name, found.get(name)) for name in (scored, "test_right"))):
            if record["metrics"].get(name) != value:
                raise ConformanceError(f"at sparsity {sparsity}: {name} of the file is not the record's")
        said.append(f"{found[scored]:.3f} at {sparsity}")
    what = metric.name.replace("_", " ")
    return f"read from its file it has the record's counts and test {what}: {', '.join(said)}"
