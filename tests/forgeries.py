"""Every forgery that the checker must find: what it changes in an honest record, and the reason it is refused."""


def _set(*path_and_value):
    *path, last, value = path_and_value

    def forge(record):
        inner = record
        for name in path:
            inner = inner[name]
        inner[last] = value(inner[last]) if callable(value) else value

    return forge


def _less_training(record):
    record["topology"][1]["active"] = [count // 2 for count in record["topology"][1]["active"]]


def _one_layer_denser(record):
    ending = record["topology"][-1]["active"]
    ending[0], ending[1] = ending[0] + 30, ending[1] - 30


def _event_at_the_end(record):
    record["topology"].append({**record["topology"][-1], "step": record["cost"]["steps"]})


def _flatter(record):
    record["curve"][3]["density"] = 0.4


def _no_dense_gradients(record):
    for entry in record["topology"]:
        entry["dense_gradient"] = False


def _cheaper_layers(record):
    record["config"]["layers"][1]["uses"] = 8


def _another_size(record):
    record["config"]["layers"][0]["shape"] = [16, 3, 3, 3]


def _higher_in_all(record):
    for name in ("test_accuracy", "test_top5"):
        record["metrics"][name] = 1.0
    record["metrics"]["val_accuracy"] = record["curve"][-1]["val_accuracy"] = 0.6


def _all_right_at_a_loss(record):
    record["metrics"] |= {"test_accuracy": 1.0, "test_top5": 1.0, "test_loss": 40.0}


def _sparse_from_the_start(record):
    record["topology"][0]["active"] = list(record["topology"][-1]["active"])


def _an_event_less(record):
    record["topology"].pop()


def _all_gradients(record):
    for entry in record["topology"]:
        entry["gradient"] = [layer["weights"] for layer in record["config"]["layers"]]


def _a_round(record):
    end = record["curve"][3]
    record["rounds"] = [{"round": 0, **{name: end[name] for name in ("step", "density", "val_accuracy")}}]


FORGERIES = {
    "a status that does not exist": (_set("status", "great"), "status: 'great' is not one of done, invalid"),
    "a key left out": (lambda record: record["cost"].pop("energy_joules"), "cost: \"energy_joules\" is"),
    "a key of another run": (_set("key", "0123456789abcdef"), "key: 0123456789abcdef but config and provenance give"),
    "a learning rate changed after the run": (_set("config", "recipe", "lr", 0.2), "key: "),
    "rules that do not compare": (_set("config", "rules", "2.0"), "rules: made under 2.0, which does not compare"),
    "a seed changed after the run": (_set("seed", 9), "seed: 9 but the config has 0"),
    "another method's name": (_set("method", "rigl"), "method: 'rigl' but the config has 'granet'"),
    "another budget in its head": (_set("budget", "amount", 5), "budget: {'kind': 'epochs', 'amount': 5"),
    "an accuracy that no count of answers gives": (
        _set("metrics", "test_accuracy", 0.97531), "test_accuracy: 0.97531 is not a multiple of 1/1000"),
    "an accuracy above its own curve": (_higher_in_all, "test_accuracy: 1.0000 is implausible after a curve"),
    "a loss too small for its errors": (_set("metrics", "test_loss", 0.0001), "test_loss: 0.0001, but an accuracy of"),
    "a loss too large for answers that are all right": (
        _all_right_at_a_loss, "test_loss: 40.0, but an accuracy of 1 costs at most 2.303"),
    "top-5 below top-1": (_set("metrics", "test_top5", 0.5), "test_top5: less than test_accuracy"),
    "fewer FLOPs than its topology costs": (
        _set("cost", "train_flops", lambda flops: flops - 1), "train_flops: "),
    "a smaller multiple of dense": (_set("cost", "train_flops_ratio", 0.1), "train_flops_ratio: 0.1 but"),
    "a cheaper inference": (_set("cost", "inference_flops", 1), "inference_flops: 1 but"),
    "a dearer dense model": (_set("cost", "dense_forward_flops", 10**9), "dense_forward_flops: 1000000000 but"),
    "a topology edited to be cheaper": (_less_training, "train_flops: "),
    "dense gradients not charged": (_no_dense_gradients, "train_flops: "),
    "layers that cost less": (_cheaper_layers, "train_flops: "),
    "layers of another size": (_another_size, "layers: the weights of a layer must be the product of its shape"),
    "a sparsity it did not reach": (_set("sparsity", 0.95), "the target is 302"),
    "a sparsity that is not its weights'": (_set("metrics", "sparsity", 0.95), "sparsity: 0.95 but 1 - active"),
    "more non-zero than active weights": (_set("metrics", "nonzero", 4000), "nonzero: 4000, more than"),
    "other active weights than its masks": (_set("metrics", "active", 600), "active: 600 but the topology ends"),
    "fewer maskable weights": (_set("metrics", "maskable", 600), "maskable: 600 but the layers have 6032"),
    "layer densities not of its masks": (_one_layer_denser, "layer_density: "),
    "an exploration rate below what was active": (
        _set("metrics", "exploration_rate", 0.01), "exploration_rate: 0.01, less than "),
    "an event that nothing trains": (_event_at_the_end, "leaves no step to train what it grew"),
    "densities along the curve that were not": (_flatter, "curve: density 0.4 at step"),
    "a curve cut short": (lambda record: record["curve"].pop(), "curve: it ends at progress"),
    "a last validation that is not the curve's": (
        _set("metrics", "val_accuracy", 1.0), "val_accuracy: 1.0, but the curve ends with"),
    "more steps than the budget": (_set("cost", "steps", 200), "budget: 200 steps where the budget is 160"),
    "other images than its steps take": (_set("cost", "samples", 9000), "samples: 9000 but topology and config give"),
    "an unknown commit": (_set("provenance", "git_commit", None), "git_commit: None is not a commit"),
    "a changed working tree": (_set("provenance", "git_dirty", True), "git_dirty: the source was"),
    "an image of unknown content": (_set("image", "content", None), "image: {'content': None"),
    "no image": (_set("image", None), "image: None does not give content and base"),
    "code of another version": (_set("code", "results", "0"), "key: "),
    "an image it has not": (_set("provenance", "image_id", "latest"), "image_id: 'latest' is not an image"),
    "data of no fingerprint": (_set("provenance", "data_sha256", None), "data_sha256: None is not a fingerprint"),
    "hardware that is not named": (_set("provenance", "cpu", None), "cpu: missing; a result names what"),
    "CUDA without a GPU": (_set("config", "device", "cuda"), "gpu: missing; a result names what"),
    "an end before its start": (_set("provenance", "finished", "2026-11-01T00:00:00Z"), "finished: before it started"),
    "an end that is yet to come": (_set("provenance", "finished", "2199-01-01T00:00:00Z"), "finished: lies in"),
    "more time than there was": (_set("cost", "seconds", "total", 9999.0), "longer than from started to finished"),
    "parts longer than the whole": (_set("cost", "seconds", "train", 40.0), "less than its parts take"),
    "masks that are sparse from the start": (_sparse_from_the_start, "active weights at step 0, granet has 3016"),
    "an event left out": (_an_event_less, "topology: no more events, but granet has its next at 80"),
    "an event moved by a step": (
        _set("topology", 1, "step", 81), "topology: an event at step 81, but granet has its next at 80"),
    "an event without its dense gradient": (
        _set("topology", 1, "dense_gradient", False), "topology: dense_gradient False at step 80, granet has True"),
    "gradients that its method does not compute": (
        _all_gradients, "topology: gradient [144, 4608, 1280] at step 0, granet has none but that of the active"),
    "a round of a method that trains once": (_a_round, "rounds: 1, but granet has 0"),
    "a rate that its recipe does not give": (
        _set("curve", 3, "lr", 0.09), "curve: lr 0.09 at step 64, the settings give 0.1"),
    "progress that its steps are not": (
        _set("curve", 3, "progress", 0.41), "curve: progress 0.41 at step 64, the settings give 0.4"),
    "an evaluation moved by a step": (
        _set("curve", 3, "step", 65), "curve: a point at step 65, the settings ask for an evaluation at 64"),
    "an evaluation left out": (
        lambda record: record["curve"].pop(0), "curve: a point at step 32, the settings ask for an evaluation at 16"),
    "an accuracy on the way that no count of answers gives": (
        _set("curve", 3, "val_accuracy", 0.8765), "curve: val_accuracy 0.8765 at step 64 is not a multiple of 1/200"),
    "no accuracy on the way": (_set("curve", 3, "val_accuracy", None), "curve: no val_accuracy at step 64"),
    "results of a version that is not known": (
        _set("code", "results", "999"), "code.results: 999, of such a run it is 1 (known here are 1 to "),
    "an optimiser that does not exist": (
        _set("config", "recipe", "optimizer", "sg0"), "config: unknown recipe.optimizer 'sg0': allowed are adam,"),
    "a shape of the rate that does not exist": (
        _set("config", "recipe", "lr_shape", "cosin0"), "config: unknown recipe.lr_shape 'cosin0': allowed are"),
    "a momentum that is none": (
        _set("config", "recipe", "momentum", 1.8), "config: recipe.momentum 1.8 is not in [0, 1)"),
    "a device that does not exist": (_set("config", "device", "cp0"), "config.device: 'cp0' is not one of cpu, cuda"),
    "a runner that is not the run's": (
        _set("config", "runner", "name", "local"), "config.runner.name: 'local', but the runner is 'docker'"),
    "energy of no GPU": (_set("cost", "energy_joules", 1.0), "energy_joules: 1.0, which is measured of a GPU"),
    "a reason why a finished run failed": (_set("reason", "x"), "reason: 'x', but the run is done"),
    "a network of zeros": (_set("metrics", "nonzero", 0), "nonzero: 0, a network of zeros"),
    "no top-5": (_set("metrics", "test_top5", None), "test_top5: missing, which is measured where there are over 5"),
    "a speed that no machine has": (_set("cost", "seconds", "train", 1e-7), "faster than any hardware"),
}  # fmt: skip
