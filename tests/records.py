"""Synthetic records with the shape and the arithmetic of real ones, for tests of what reads records.

Each keeps the schema and the ledger's rule exactly: FLOPs are summed here iteration by iteration, which is
slow and obviously right: a check of `harness.audit.submission`. Only accuracies are drawn, from the seed.
"""

import copy
import hashlib
import json
import math
import random

from harness.budget.schedule import Schedule
from harness.records import empty, identity, schema
from harness.records.metrics import BITS_PER_BYTE
from harness.seeds import derive
from methods import Moment, build

METHODS = [
    *("dense", "static", "set", "set_itop", "rigl", "rigl_itop"),
    *("gmp", "gmp_uniform", "granet", "granet_s0", "lth_rewind", "lr_rewind"),
]
# How far above static each method ends, and how far the harder sparsity pulls it down.
SKILL = dict(zip(METHODS, (5, 0, 1.2, 1.8, 2.0, 2.6, 3.2, 2.4, 3.6, 3.8, 3.0, 3.3), strict=True))
LAYERS = [
    {"name": "conv1", "shape": [16, 1, 3, 3], "weights": 144, "uses": 64},
    {"name": "conv2", "shape": [32, 16, 3, 3], "weights": 4608, "uses": 16},
    {"name": "fc", "shape": [10, 128], "weights": 1280, "uses": 1},
]
GPU = {"name": "NVIDIA H100 80GB HBM3", "driver": "580.65.06", "count": 1}
_GROWS_BY_GRADIENT = {"rigl", "rigl_itop", "granet", "granet_s0"}


def config(method, sparsity, seed, *, dataset="digits", model="convnet", recipe="digits", budget=("epochs", 10, 1)):
    kind, amount, stretch = budget
    return {
        "dataset": {
            "name": dataset,
            "root": None,
            "shape": [1, 8, 8],
            "classes": 10,
            "train_examples": 1200,
            "val_examples": 200,
            "test_examples": 1000,
            "mean": [0.3],
            "std": [0.4],
        },
        "method": {"name": method, "distribution": "uniform" if method == "gmp_uniform" else "erk"},
        "model": {"name": model},
        "recipe": {
            "name": recipe,
            "epochs": 10,
            "batch_size": 64,
            "optimizer": "sgd",
            "lr": 0.1,
            "momentum": 0.9,
            "nesterov": True,
            "weight_decay": 0.0005,
            "decay_normalisation": False,
            "lr_shape": "step",
            "milestones": [0.5, 0.75],
            "gamma": 0.1,
            "warmup_epochs": 0,
            "label_smoothing": 0.0,
            "augment": "none",
        },
        "budget": {"kind": kind, "amount": amount, "stretch": stretch},
        "sparsity": sparsity,
        "seed": seed,
        "device": "cpu",
        "evaluations": 10,
        "runner": {"name": "local"},
        "layers": copy.deepcopy(LAYERS),
        "fixed_flops": 0,
    }


def resealed(record):
    """Give a record the key that its content asks for, as a forger would who knows the rules."""
    record["key"] = identity.recorded_key(record)
    return record


def of_schema_1(record):
    """Return a record as the first schema had it, with the key that belongs to it."""
    old = {name: value for name, value in record.items() if name not in schema.ADDED} | {"schema": 1}
    return resealed(old)


def _share(value, examples):
    return round(min(1.0, value) * examples) / examples


def _walk(method, steps):
    """Yield each step but the last: its moment, whether a round ends with it, and the position after it."""
    schedule = Schedule(method.rewinding(0.5))
    begun, reached = 0, 0.0
    for step in range(1, steps):
        number, position = schedule.locate(step / (steps / schedule.length))
        ends = number > begun
        yield Moment(step, 1.0 if ends else position, reached, steps, number), ends, position
        begun, reached = number, position


def _masks(name, sparsity, steps):
    """Return the topology of a run as its method's hooks give it; where they follow weights, at uniform densities."""
    method, target = build({"name": name}), 1 - sparsity
    total, shapes = [layer["weights"] for layer in LAYERS], [layer["shape"] for layer in LAYERS]

    def uniform(density):
        kept = [round(density * weights) for weights in total]
        kept[1] += round(density * sum(total)) - sum(kept)  # the largest layer takes the rounding
        return kept

    start = method.initial_density(target)
    active = method.layer_counts(shapes, start) if start < 1 else total
    entries = [{"step": 0, "active": active, "dense_gradient": False}]
    for moment, ends, _ in _walk(method, steps):
        due = method.interval and moment.step % method.interval == 0
        due = due or ends or any(moment.previous < mark <= moment.position for mark in method.marks())
        event = method.event(moment) if due else None
        if event is None:
            continue
        density = method.density(moment, target)
        if density is not None and method.prunes_globally:
            active = uniform(density)
        elif density is not None:
            try:
                active = method.layer_counts(shapes, density, active)
            except ValueError:  # a board may have a sparsity that no such run has
                active = uniform(density)
        entries.append({"step": moment.step, "active": active, "dense_gradient": event.dense_gradient})
    return entries


def _evaluated(name, steps, evaluations):
    """Return the steps after which a run is evaluated, the positions that count, and which of them end a training."""
    method, found, done = build({"name": name}), [], 0
    again = method.rewinding(0.5)
    evaluations = math.ceil(evaluations / (again.rounds + 1)) if again else evaluations
    for moment, ends, position in _walk(method, steps):
        if ends or position * evaluations >= done + 1:
            found.append((moment.step, 1.0 if ends else position, ends))
            done = int(position * evaluations)
    return [*found, (steps, 1.0, bool(again))]


def _flops(active):
    return sum(2 * layer["uses"] * kept for layer, kept in zip(LAYERS, active, strict=True))


def _train_flops(topology, batches):
    total = 0
    dense = _flops([layer["weights"] for layer in LAYERS])
    for number, samples in enumerate(batches, start=1):
        sparse = _flops([entry for entry in topology if entry["step"] < number][-1]["active"])
        event = any(entry["step"] == number and entry["dense_gradient"] for entry in topology)
        total += samples * (2 * sparse + dense if event else 3 * sparse)
    return total


def _explored(method, topology, maskable):
    most = max(sum(entry["active"]) for entry in topology) / maskable
    return min(1.0, most * 2.2) if len(topology) > 1 else most


def make(method="granet", sparsity=0.9, seed=0, *, status="done", runner="local", gpu=None, accuracy=None, **task):
    """Return one record; ``task`` goes to `config`, ``accuracy`` is the test accuracy if not drawn."""
    resolved = config(method, sparsity, seed, **task)
    resolved["runner"]["name"] = runner
    size = resolved["dataset"]["train_examples"] - resolved["dataset"]["val_examples"]
    batch, (kind, amount, stretch) = resolved["recipe"]["batch_size"], resolved["budget"].values()
    epoch = [batch] * (size // batch) + ([size % batch] if size % batch else [])
    steps = amount if kind == "steps" else amount * len(epoch)
    batches = [epoch[step % len(epoch)] for step in range(round(steps * stretch))]
    topology = _masks(method, sparsity, len(batches))
    maskable = sum(layer["weights"] for layer in LAYERS)
    ending = topology[-1]["active"]
    dense = _flops([layer["weights"] for layer in LAYERS])

    draw = random.Random(derive(seed, resolved["dataset"]["name"], "shared"))
    own = random.Random(derive(seed, method, str(sparsity), json.dumps(resolved["dataset"]["name"])))
    hard = -math.log10(1 - sparsity) if sparsity else 0.0
    drawn = 0.97 - 0.02 * hard**2 + 0.004 * SKILL[method] * hard + draw.gauss(0, 0.003) + own.gauss(0, 0.0015)
    test = round(min(0.999, drawn), 3) if accuracy is None else accuracy
    image = "sha256:" + hashlib.sha256(b"image").hexdigest() if runner == "docker" else None
    method_sha = hashlib.sha256(method.encode()).hexdigest()
    data_sha = hashlib.sha256(resolved["dataset"]["name"].encode()).hexdigest()

    made = empty(
        resolved,
        key=hashlib.sha256(json.dumps(resolved).encode()).hexdigest()[:16],
        runner=runner,
        code={"results": "1", "method": None, "model": None, "shared": None},
        image={"content": hashlib.sha256(b"image").hexdigest(), "base": "local"} if runner == "docker" else None,
    )
    made["status"] = status
    seconds = round(20 * (1 + 0.1 * own.random()) * (0.2 if gpu else 1), 3)
    made["provenance"] |= {
        "git_commit": "4f1c2d3e4f1c2d3e4f1c2d3e4f1c2d3e4f1c2d3e",
        "git_dirty": False,
        "image_id": image,
        "base_digest": "sha256:" + "a" * 64 if runner == "docker" else None,
        "lock_sha256": "b" * 64,
        "method_sha256": method_sha,
        "data_sha256": data_sha,
        "hostname_hash": "0123456789abcdef",
        "gpu": gpu,
        "cpu": "AMD EPYC 9B45, 2 cores",
        "python": "3.11.2",
        "torch": "2.11.0",
        "cuda": "13.0" if gpu else None,
        "cudnn": "9.19.0" if gpu else None,
        "started": f"2026-11-20T10:{seed % 60:02d}:00Z",
        "finished": f"2026-11-20T10:{seed % 60:02d}:{20 + int(seconds):02d}Z",
        "resumed": False,
    }
    if status not in ("done", "invalid"):
        made["reason"] = {"diverged": "the loss became NaN at step 31", "timeout": "no end after 600 s"}.get(
            status, status
        )
        return made
    made["reason"] = "12 weights outside the masks are not zero" if status == "invalid" else None
    made["metrics"] = {
        "test_accuracy": test,
        "test_top5": min(1.0, test + 0.02),
        "val_accuracy": _share(test + 0.004, 200),
        "test_loss": round(2.2 * (1 - test) + 0.03, 6),
        "sparsity": 1 - sum(ending) / maskable,
        "active": sum(ending),
        "nonzero": sum(ending) - (3 if method in _GROWS_BY_GRADIENT else 0),
        "maskable": maskable,
        "layer_density": {layer["name"]: kept / layer["weights"] for layer, kept in zip(LAYERS, ending, strict=True)},
        "exploration_rate": _explored(method, topology, maskable),
    }
    train_flops = _train_flops(topology, batches)
    dense_run = 3 * dense * sum(epoch[step % len(epoch)] for step in range(round(steps)))
    made["cost"] = {
        "steps": len(batches),
        "samples": sum(batches),
        "train_flops": train_flops,
        "train_flops_ratio": train_flops / dense_run,
        "inference_flops": _flops(ending),
        "inference_flops_ratio": _flops(ending) / dense,
        "dense_forward_flops": dense,
        "seconds": {"total": seconds, "train": seconds - 2, "eval": 1.0, "topology": 0.2, "setup": 0.8},
        "peak_memory_bytes": (1800 if gpu else 420) * 2**20,
        "energy_joules": round(seconds * 310, 1) if gpu else None,
    }
    made["topology"] = topology
    evaluated = _evaluated(method, len(batches), resolved["evaluations"])
    made["curve"] = [
        {
            "step": step,
            "progress": step / len(batches),
            "train_loss": round(2.3 * math.exp(-4 * step / len(batches)) + 0.02, 5),
            "val_accuracy": _share(made["metrics"]["val_accuracy"] * (1 - (1 - step / len(batches)) ** 6), 200),
            # A round is evaluated before it is pruned.
            "density": sum([entry for entry in topology if entry["step"] <= step - ends][-1]["active"]) / maskable,
            "lr": 0.1 * 0.1 ** sum(position >= milestone for milestone in (0.5, 0.75)),
        }
        for step, position, ends in evaluated
    ]
    ends = [point for point, (_, _, ends) in zip(made["curve"], evaluated, strict=True) if ends]
    made["rounds"] = [
        {"round": number, **{name: point[name] for name in ("step", "density", "val_accuracy")}}
        for number, point in enumerate(ends)
    ]
    return made


def scored(record, score, metric=BITS_PER_BYTE, task="language"):
    """Return a record of another task with this result on the test set; its curve falls, or rises, to it."""
    made = copy.deepcopy(record)
    made["config"]["dataset"] |= {"task": task, "metric": metric.described()}
    for name in ("test_accuracy", "test_top5", "val_accuracy", "test_right"):
        made["metrics"].pop(name, None)
    done = made["status"] in ("done", "invalid")
    made["metrics"] |= {"test_score": score if done else None, "val_score": score if done else None}
    for place, point in enumerate(made["curve"]):
        del point["val_accuracy"]
        point["val_score"] = score + (-0.01 if metric.higher else 0.01) * (len(made["curve"]) - 1 - place)
    at = {point["step"]: point["val_score"] for point in made["curve"]}
    for each in made["rounds"]:
        del each["val_accuracy"]
        each["val_score"] = at[each["step"]]
    return resealed(made)


def board(seeds=(0, 1, 2), sparsities=(0.9, 0.95, 0.98), **task):
    """Return a full board: every method at every sparsity and seed, dense once per seed."""
    return [
        make(method, sparsity, seed, **task)
        for method in METHODS
        for sparsity in ((0.0,) if method == "dense" else sparsities)
        for seed in seeds
    ]


def write_ten_thousand(folder):
    """Write ten thousand records into a new folder."""
    folder.mkdir()
    template = board(seeds=(0,), sparsities=(0.8, 0.9, 0.95, 0.98), runner="docker")
    for number in range(10_000):
        base = template[number % len(template)]
        config = {**base["config"], "recipe": {**base["config"]["recipe"], "lr": number // 450}}
        accuracy = base["metrics"]["test_accuracy"] + random.Random(number).gauss(0, 0.003)
        metrics = {**base["metrics"], "test_accuracy": round(min(0.999, accuracy), 3)}
        seed = number // len(template) % 10
        made = {**base, "seed": seed, "key": f"{number:016x}", "config": config, "metrics": metrics}
        (folder / f"{number:05}.json").write_text(json.dumps(made))
