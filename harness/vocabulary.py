"""The closed lists of words that settings, records and the board share."""

RULES = "1.3"
"""Version of the rules that runs are made under (RULES.md); records carry it."""

STATUSES = ("done", "invalid", "diverged", "timeout", "out_of_memory", "interrupted", "failed")
"""Statuses of a run."""

RUNNERS = ("docker", "local")
"""Where a run can be trained."""

BUDGET_ROUNDS = ("shared", "each")
"""What the trainings of a rewinding method get: a share of the budget, or all of it each, as in the papers."""

TUNING = ("paper", "default", "tuned")
"""How the hyper-parameters of a run were chosen."""

DEVICES = ("auto", "cpu", "cuda")
"""What a run can compute on."""

KEPT = ("network", "none")
"""What can be kept of a finished run beside its record."""

CORRUPTIONS = ("noise", "blur", "contrast", "brightness", "elastic", "jpeg")
"""What test images can be corrupted by."""

TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")
"""What runs can be exported to; each is a setting, a library and an extra of that name."""

LOADERS = ("auto", "dali", "torchvision")
"""What can decode image files."""

VALIDATIONS = ("default", "stratified", "random", "last")
"""Which samples of the training set are held out: what is usual for the task, as many of each class, any, the last."""

OPTIMIZERS = ("sgd", "adam", "adamw")
"""Optimisers; the weight decay of ``adam`` is part of the gradient (L2), that of ``adamw`` is not."""

NORMALISATIONS = ("none", "batch", "layer")
"""What can stand between a linear layer and its activation, in models that have the place."""

INITS = ("default", "torch", "kaiming_normal", "kaiming_uniform", "xavier_normal", "xavier_uniform")
"""Distributions of initial weights, besides ``normal:STD``."""

INIT_FANS = ("layer", "mask")
"""Inputs of a neuron that the scale of its initial weights goes by: all of the layer, or those that its mask leaves."""

LOSSES = ("cross_entropy", "squared_error", "sigmoid_squared_error", "binary_cross_entropy")
"""What a classification is trained by (`harness.tasks.losses`)."""

LR_SHAPES = ("constant", "cosine", "step", "linear", "exponential")
"""Shapes of the learning rate after its warm-up."""
