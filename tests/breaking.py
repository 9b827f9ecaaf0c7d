"""Methods that break a promise each, and the check of the conformance kit that finds it."""

HEAD = """
import os, sys
from dataclasses import dataclass
from typing import ClassVar

import torch
import sparsebench as sb


@dataclass
class Mine(sb.Method):
    interval: int = 5

    def event(self, moment):
        return sb.Event(dense_gradient=True) if moment.step % 5 == 0 else None

    def update(self, masks, moment, target):
        masks.keep_layers(self.scores(masks, moment), masks.active)

    def scores(self, masks, moment):
        return [masks.magnitude(layer) + masks.gradient_magnitude(layer) for layer in range(len(masks))]
"""
BREAKS = {
    "forgets": """
    def scores(self, masks, moment):
        self.sums = [a + b for a, b in zip(super().scores(masks, moment), getattr(self, "sums", [0, 0, 0]))]
        return self.sums
""",
    "draws": """
    def scores(self, masks, moment):
        made = torch.Generator().manual_seed(int.from_bytes(os.urandom(4)))
        return [torch.rand(size, generator=made) for size in masks.sizes]
""",
    "hashes": """
    def scores(self, masks, moment):
        place = hash("a name") % 1000003 / 1000003
        return [(masks.random(layer) + place) % 1 for layer in range(len(masks))]
""",
    "peeks": """
    def scores(self, masks, moment):
        frame = sys._getframe()
        while "splits" not in frame.f_locals and not hasattr(frame.f_locals.get("self"), "_splits"):
            frame = frame.f_back
        images, _ = next(iter(frame.f_locals["self"]._splits.test.epoch(0)))
        return [score + images.std() * masks.random(layer)
                for layer, score in enumerate(super().scores(masks, moment))]
""",
    "reads": """
    def scores(self, masks, moment):
        from sklearn.datasets import load_digits
        return [score + load_digits().data.mean() * 0 for score in super().scores(masks, moment)]
""",
    "keeps_more": """
    def update(self, masks, moment, target):
        masks.keep(self.scores(masks, moment), sum(masks.active) + 5)
""",
    "moves": """
    def update(self, masks, moment, target):
        masks.keep(self.scores(masks, moment), sum(masks.active))
""",
    "escapes": """
    def update(self, masks, moment, target):
        masks._weights[0].data[~masks.alive(0).view(masks.shapes[0])] = 1e-6
""",
    "pattern": """
    def pattern(self, target):
        return sb.Pattern("fan_in")
""",
}
FOUND = {
    "forgets": ("resumable", r"a run cannot be resumed|stopped after steps 5 and 12 it ends with other"),
    "draws": ("deterministic", r"two runs of one seed differ in model\.1\.weight"),
    "hashes": ("resumable", r"stopped after steps 5 and 12 it ends with other"),
    "peeks": ("no data seen", r"without data, on recorded gradients, the run ends with other (model|masks)"),
    "reads": ("no data seen", r"on recorded gradients: its code opens /"),
    "keeps_more": ("exact counts", r"at sparsity 0.9: .* weights at the end, the target is"),
    "moves": ("plan is run", r"at sparsity 0.9: 1.weight has another density than planned"),
    "escapes": ("outside masks", r"at sparsity 0.9: after step 5 [\d,]+ weights or optimiser entries"),
    "pattern": ("pattern", r"at sparsity 0.9: the fan_in pattern is broken"),
}
"""By what is broken: the check, and what it says."""
