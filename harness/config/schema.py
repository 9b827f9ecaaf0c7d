"""The settings of a run, typed: what the Hydra tree under ``benchmarks/`` composes into."""

from dataclasses import dataclass, field
from typing import Any

MISSING: Any = "???"
"""OmegaConf's mark for a value that the tree has to provide; importing OmegaConf for it would take longer."""


@dataclass
class DatasetConfig:
    """A data set: where it is, its shape and its splits (counts are those of the published set).

    Attributes:
        name: In `harness.tasks.data.DATASETS`.
        root: Folder that holds it; null for the usual places.
        download: Whether it may be downloaded.
        shape: Channels, height and width of an image, or the sides of another input.
        classes: Number of classes, or the width of the output of another task.
        train_examples: Samples in the published training set, validation samples included.
        val_examples: Samples split off the training set for validation.
        test_examples: Samples in the test set.
        validation: Which training samples are split off: ``stratified`` by class and drawn by the run's seed, any that
            are so drawn (``random``), or the ``last``; ``default`` is what is usual for the task.
        subset: Training samples to take of those there are, validation included; 0 for all. By the rule of the
            tutorials on SET: the first after ``numpy.random.seed(0)`` and a shuffle.
        test_subset: Test samples to take; 0 for all. The same rule goes on with them.
        mean: Of each channel, in [0, 1]; empty where inputs are not images.
        std: Of each channel, in [0, 1]; empty where inputs are not images.
        task: What networks are trained on it for, a name in `harness.tasks.base`.
        metric: What they are compared by (`harness.records.metrics.Metric`), filled in from the task; empty for a
            classification.
    """

    name: str = MISSING
    root: str | None = None
    download: bool = False
    shape: list[int] = MISSING
    classes: int = MISSING
    train_examples: int = MISSING
    val_examples: int = MISSING
    test_examples: int = MISSING
    mean: list[float] = MISSING
    std: list[float] = MISSING
    validation: str = "default"
    subset: int = 0
    test_subset: int = 0
    task: str = "classification"
    metric: dict[str, Any] = field(default_factory=dict)


@dataclass
class ModelConfig:
    """A model.

    Attributes:
        name: In `harness.tasks.models.MODELS`.
        width: Factor of its numbers of channels or neurons; models that do not say how they scale have 1 alone.
        widths: Neurons of each hidden layer of ``mlp``; empty for those of LeNet-300-100.
        dropout: Share of the neurons of each hidden layer that a training step leaves out, in [0, 1).
        normalisation: Between each hidden linear layer and its activation.
        init: Distribution of the initial weights: ``default`` for the model's own, ``torch``'s, or one of
            ``kaiming_normal``, ``kaiming_uniform``, ``xavier_normal``, ``xavier_uniform`` and ``normal:STD`` with
            biases of 0.
        init_fan: Inputs by which initial weights are scaled: those of the ``layer``, or those that the ``mask`` leaves
            each neuron, so that w becomes w sqrt(inputs / inputs left).
    """

    name: str = MISSING
    width: float = 1.0
    widths: list[int] = field(default_factory=list)
    dropout: float = 0.0
    normalisation: str = "none"
    init: str = "default"
    init_fan: str = "layer"

    def options(self) -> dict[str, Any]:
        """Return what the model's builder is given besides data and seed: each setting that is not at its default."""
        usual = ModelConfig()
        names = ("width", "widths", "dropout", "normalisation", "init")
        return {name: value for name in names if (value := getattr(self, name)) != getattr(usual, name)}


@dataclass
class RecipeConfig:
    """Optimiser, learning-rate shape and augmentation; positions are shares of the training schedule.

    Attributes:
        name: Of its file in ``benchmarks/recipe``.
        epochs: Epochs of the dense run that budgets refer to; the budget of a run that names none.
        batch_size: Images of a training batch.
        optimizer: Optimiser.
        lr: Largest learning rate, reached after the warm-up.
        momentum: Momentum of SGD, in [0, 1).
        betas: Of Adam and AdamW: decay of the mean of gradients, and of their squares, in [0, 1).
        eps: Of Adam and AdamW: added to the root of the mean square.
        nesterov: Whether it is Nesterov's.
        weight_decay: Weight decay.
        decay_normalisation: Whether normalisation and biases decay too.
        clip: Largest norm of all gradients of a step, those of masked weights left out; null for no limit.
        lr_shape: Shape of the learning rate after its warm-up.
        milestones: Positions in [0, 1] at which the shape ``step`` drops, or lengths such as ``80 epochs``.
        gamma: Factor at each drop.
        lr_end: Learning rate that the shapes ``cosine``, ``linear`` and ``exponential`` go to.
        lr_until: Position in (0, 1], or a length, at which they are there; the rate stays so afterwards.
        warmup_epochs: Epochs of the linear warm-up.
        loss: What a classification is trained by; its score stays accuracy. All but ``cross_entropy`` give no
            probabilities, so that calibration is not measured.
        label_smoothing: Share of each label that is spread over all classes, in [0, 1).
        augment: ``none``, ``crop`` or ``crop_flip`` for data in memory, ``none`` or ``imagenet`` for image folders.
        threads: CPU threads, part of the recipe since sums depend on their number; null for all cores.
        methods: What a paper sets otherwise for one method on this task; the command line overrides it.
        dataset: What a paper sets of its data, such as scaling and split; the command line overrides it.
        model: What a paper sets of its model, such as initial weights; the command line overrides it.
    """

    name: str = MISSING
    epochs: float = MISSING
    batch_size: int = MISSING
    optimizer: str = "sgd"
    lr: float = MISSING
    momentum: float = 0.9
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    eps: float = 1e-8
    nesterov: bool = False
    weight_decay: float = 0.0
    decay_normalisation: bool = True
    clip: float | None = None
    lr_shape: str = "cosine"
    milestones: list[Any] = field(default_factory=list)
    gamma: float = 0.1
    lr_end: float = 0.0
    lr_until: Any = 1.0
    warmup_epochs: float = 0.0
    loss: str = "cross_entropy"
    label_smoothing: float = 0.0
    augment: str = "none"
    threads: int | None = None
    methods: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)


@dataclass
class BudgetConfig:
    """What a run may spend.

    Attributes:
        kind: What is counted.
        amount: How much of it; for ``flops`` a multiple of the dense run's.
        stretch: How many times longer training and schedule are than the amount says (RigL's "5x").
        rounds: What the trainings of a rewinding method get: ``shared``, the budget together, or ``each``, as in their
            papers.
    """

    kind: str = MISSING
    amount: float = MISSING
    stretch: float = 1.0
    rounds: str = "shared"


@dataclass
class RunnerConfig:
    """Where a run takes place and within which limits; null for no limit from here.

    Attributes:
        name: Where; ``auto`` takes a container if an engine answers and has the image.
        timeout: Seconds after which the run is stopped.
        memory: Memory of a container, swap included.
        cpus: CPUs of a container.
        pids: Processes and threads in a container.
        shm: Shared memory of a container.
        gpu: UUID of the GPU; null for the first that is free.
        image: Folder of an image other than the suite's.
    """

    name: str = MISSING
    timeout: float | None = None
    memory: str = "16g"
    cpus: float | None = None
    pids: int = 512
    shm: str = "2g"
    gpu: str | None = None
    image: str | None = None


@dataclass
class RunConfig:
    """One run, resolved; ``benchmarks/config.yaml`` says what each setting is.

    ``plugins`` names the files that a method, a model or a data set comes from: ``{"method": "/path/file.py:Class"}``.
    ``test`` is false for trials, which leave the test set alone. A plan fills in what a dense net for comparison needs
    (`harness.plan.comparison`): ``budget_share``, the share of the budget that the run may spend, and ``reference``,
    size and costs of the net that a narrower one is compared with.

    Attributes:
        sparsity: Share of the maskable weights that the final masks remove, in [0, 1).
        seed: Seed of everything that is random in the run.
        device: What it computes on; ``auto`` takes CUDA if there is a device.
        loader: What decodes image folders; ``auto`` takes DALI on CUDA, else torchvision.
        nproc: Processes that divide each training batch and average their gradients; on CUDA each has a GPU.
        output: Folder of records, networks and board.
        tuned: File of settings that ``tune`` has chosen, or ``true`` for the one in ``OUTPUT/tuning`` that fits.
    """

    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    method: Any = MISSING
    model: ModelConfig = field(default_factory=ModelConfig)
    recipe: RecipeConfig = field(default_factory=RecipeConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    runner: RunnerConfig = field(default_factory=RunnerConfig)
    sparsity: float = 0.9
    seed: int = 0
    device: str = "auto"
    loader: str = "auto"
    workers: int = 4
    packed: int = 1
    nproc: int = 1
    evaluations: int = 20
    test: bool = True
    corruptions: bool = False
    checkpoint_seconds: float = 60
    graph: bool | None = None
    dense_layers: list[str] = field(default_factory=list)
    output: str = "results"
    keep: str = "network"
    tuned: str = ""
    tensorboard: str = ""
    wandb: str = ""
    mlflow: str = ""
    trackio: str = ""
    plugins: dict[str, str] = field(default_factory=dict)
    budget_share: float = 1.0
    reference: dict[str, int] = field(default_factory=dict)


PLAIN = {bool, int, float, str, type(None)}
"""Types of values that nothing can change, so that copies may share them."""

APPLIED = ("methods", "dataset", "model")
"""What a recipe says of other groups: it has become their settings once a run is composed."""

PARTS = {
    "dataset": DatasetConfig,
    "model": ModelConfig,
    "recipe": RecipeConfig,
    "budget": BudgetConfig,
    "runner": RunnerConfig,
}
"""The typed groups of settings; a method, the sixth group, is a dataclass of its own."""
