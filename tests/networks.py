"""Networks as other people write them, each with its own way of using weights, and runs that train them."""

import random

import torch
from runs import small
from torch import nn
from torch.nn import functional as F

from harness.tasks import models

CLASSES, SHAPE = 5, (3, 8, 8)


class Borrowed(nn.Module):
    """Weights used outside their modules' own calls."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 16), nn.Linear(16, CLASSES)

    def forward(self, images):
        maps = self.conv._conv_forward(images, self.conv.weight, self.conv.bias).relu()
        hidden = F.linear(maps.mean((2, 3)), self.linear.weight).relu()
        return torch.einsum("bi,oi->bo", hidden, self.head.weight) + self.head.bias


class Bare(nn.Module):
    """Kernels that no module holds."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(8, 3, 3, 3) * 0.2)
        self.matrix = nn.Parameter(torch.randn(8, 12) * 0.2)
        self.head = nn.Linear(12, CLASSES)

    def forward(self, images):
        return self.head((F.conv2d(images, self.kernel, stride=2).relu().mean((2, 3)) @ self.matrix).relu())


class Attentive(nn.Module):
    """``nn.MultiheadAttention`` on rows of pixels, to itself and to half of them."""

    def __init__(self, need_weights):
        super().__init__()
        self.need_weights = need_weights
        self.embed = nn.Linear(24, 16)
        self.itself = nn.MultiheadAttention(16, 4, batch_first=True)
        self.other = nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, images):
        rows = self.embed(images.transpose(1, 2).flatten(2))
        rows = self.itself(rows, rows, rows, need_weights=self.need_weights)[0]
        rows = self.other(rows, rows[:, ::2], rows[:, ::2], need_weights=self.need_weights)[0]
        return self.head(rows.mean(1))


class Grouped(nn.Module):
    """Attention and products as language models call them: with a scale, a mask, and keys for two heads each."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = nn.Linear(24, 32), nn.Linear(24, 16), nn.Linear(24, 16)
        self.bias = nn.Parameter(torch.zeros(64))
        self.mix, self.head = nn.Parameter(torch.randn(32, 32) * 0.2), nn.Linear(32, CLASSES)

    def forward(self, images):
        rows = images.transpose(1, 2).flatten(2)
        query, key, value = (
            layer(rows).view(*rows.shape[:2], -1, 8).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        mask = self.bias.view(8, 8).masked_fill(torch.ones(8, 8, dtype=torch.bool, device=rows.device).triu(1), -1e9)
        tokens = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=0.1, enable_gqa=True)
        tokens = F.scaled_dot_product_attention(tokens, key, value, is_causal=True, scale=0.2, enable_gqa=True)
        key, value = key.repeat_interleave(2, 1).flatten(0, 1), value.repeat_interleave(2, 1)
        scores = torch.baddbmm(mask.expand(len(key), -1, -1), key, tokens.flatten(0, 1).mT, beta=0.5, alpha=0.1)
        mixed = (scores.view(len(rows), 4, 8, 8).softmax(-1) @ value).transpose(1, 2).flatten(2)
        mean = mixed.mean(1)
        return self.head(torch.addmm(mean, mean, self.mix, beta=0.5, alpha=2.0))


class Latent(nn.Module):
    """Learned queries, projected for each image, that attend to rows of pixels."""

    def __init__(self):
        super().__init__()
        self.latents, self.query = nn.Parameter(torch.randn(4, 12)), nn.Linear(12, 24)
        self.head = nn.Linear(24, CLASSES)

    def forward(self, images):
        rows = images.transpose(1, 2).flatten(2)
        queries = self.query(self.latents.expand(len(images), -1, -1))
        return self.head(F.scaled_dot_product_attention(queries, rows, rows).mean(1))


class Encoder(nn.Module):
    """A Transformer encoder over rows of pixels."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(24, 16), nn.Linear(16, CLASSES)
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)

    def forward(self, images):
        return self.head(self.encoder(self.embed(images.transpose(1, 2).flatten(2))).mean(1))


class Recurrent(nn.Module):
    """A cell or a whole layer of torch's recurrent ones over rows of pixels."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.head = layer(24, 16), nn.Linear(16, CLASSES)

    def forward(self, images):
        rows = images.transpose(1, 2).flatten(2)
        if isinstance(self.layer, nn.RNNBase):
            return self.head(self.layer(rows.transpose(0, 1))[0][-1])
        state = None
        for row in rows.unbind(1):
            state = self.layer(row, state)
        return self.head(state[0] if isinstance(state, tuple) else state)


class HandMadeCell(nn.Module):
    """A gated cell by hand, with all gates in one weight."""

    def __init__(self):
        super().__init__()
        self.entry, self.loop = nn.Parameter(torch.randn(64, 24) * 0.1), nn.Parameter(torch.randn(64, 16) * 0.1)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, images):
        rows = images.transpose(1, 2).flatten(2)
        hidden = memory = images.new_zeros(len(images), 16)
        for row in rows.unbind(1):
            gates = row @ self.entry.t() + F.linear(hidden, self.loop)
            enter, forget, leave, fresh = gates.chunk(4, dim=1)
            memory = forget.sigmoid() * memory + enter.sigmoid() * fresh.tanh()
            hidden = leave.sigmoid() * memory.tanh()
        return self.head(hidden)


class Dimensions(nn.Module):
    """Convolutions of one, two and three dimensions, grouped and transposed."""

    def __init__(self):
        super().__init__()
        self.solid = nn.Conv3d(1, 4, (3, 3, 3), padding=1)
        self.up = nn.ConvTranspose2d(12, 6, 3, stride=2, groups=3)
        self.line = nn.Conv1d(6, 8, 5, dilation=2, groups=2)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, images):
        maps = self.up(self.solid(images[:, None]).flatten(1, 2).relu()).relu()
        return self.head(self.line(maps.flatten(2)).mean(2))


class Auxiliary(nn.Module):
    """A head that runs in training alone."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(192, 32), nn.Linear(32, CLASSES)
        self.extra = nn.Sequential(nn.Linear(192, 256), nn.ReLU(), nn.Linear(256, CLASSES))

    def forward(self, images):
        flat = images.flatten(1)
        scores = self.head(self.body(flat).relu())
        return scores + 0.3 * self.extra(flat) if self.training else scores


class Skipping(nn.Module):
    """Blocks that a training step skips at random, by a generator of the host."""

    def __init__(self, draw=random.random):
        super().__init__()
        self.draw = draw
        self.entry, self.head = nn.Linear(192, 32), nn.Linear(32, CLASSES)
        self.blocks = nn.ModuleList(nn.Linear(32, 32) for _ in range(3))

    def forward(self, images):
        hidden = self.entry(images.flatten(1)).relu()
        for block in self.blocks:
            if not self.training or self.draw() < 0.5:
                hidden = hidden + block(hidden).relu()
        return self.head(hidden)


class Tied(nn.Module):
    """Two modules that share a weight, one called twice, and a decoder that is its encoder transposed."""

    def __init__(self):
        super().__init__()
        self.entry, self.one, self.other = nn.Linear(192, 16), nn.Linear(16, 16), nn.Linear(16, 16)
        self.other.weight = self.one.weight
        self.head = nn.Linear(192, CLASSES)

    def forward(self, images):
        hidden = self.one(self.other(self.one(self.entry(images.flatten(1)))))
        return self.head(hidden @ self.entry.weight)


class Embedded(nn.Module):
    """A table that is looked up and that scores are computed with."""

    def __init__(self, tied):
        super().__init__()
        self.table, self.body, self.head = nn.Embedding(CLASSES, 16), nn.Linear(192, 16), nn.Linear(16, CLASSES, False)
        if tied:
            self.head.weight = self.table.weight

    def forward(self, images):
        return self.head(self.body(images.flatten(1)) + self.table(images[:, 0, 0, 0].clamp(0, 4).long()))


def root_mean_square(tokens):
    return tokens * torch.rsqrt(tokens.square().mean(-1, keepdim=True) + 1e-6)


class Ornate(nn.Module):
    """Scales, shifts and gates of several dimensions that are no matrices."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate, self.norm = nn.Conv2d(3, 24, 1), nn.Parameter(torch.ones(24, 1, 1)), nn.LayerNorm((8, 24))
        self.places, self.scales, self.table = (nn.Parameter(torch.ones(rows, 24)) for rows in (8, 2, 6))
        self.one, self.other, self.time = nn.Linear(24, 24), nn.Linear(24, 24), nn.Linear(24, 24)
        self.bias, self.decay = nn.Parameter(torch.zeros(8, 8)), nn.Parameter(torch.zeros(24, 4))
        self.states, self.head = nn.Linear(24, 4), nn.Linear(24, CLASSES)

    def forward(self, images):
        maps = self.conv(images) * self.gate.sigmoid()
        tokens = self.norm(root_mean_square(maps.mean(3).transpose(1, 2) + self.places))
        tokens = tokens + self.scales[0] * self.one(root_mean_square(tokens))
        shift, scale, *_ = (self.table + self.time(tokens.mean(1))[:, None]).chunk(6, 1)
        tokens = tokens + scale * self.other(root_mean_square(tokens) * (1 + scale) + shift)
        tokens = (tokens @ tokens.mT + self.bias).softmax(-1) @ tokens
        tokens = torch.einsum("btdn,btn->btd", (-tokens[..., None] * self.decay.exp()).exp(), self.states(tokens))
        return self.head(F.layer_norm(tokens * self.scales[1], (24,)).mean(1))


COUNTED = {
    "borrowed": Borrowed,
    "bare": Bare,
    "attention": lambda: Attentive(need_weights=False),
    "attention_with_weights": lambda: Attentive(need_weights=True),
    "grouped": Grouped,
    "encoder": Encoder,
    "lstm_cell": lambda: Recurrent(nn.LSTMCell),
    "gru_cell": lambda: Recurrent(nn.GRUCell),
    "lstm": lambda: Recurrent(nn.LSTM),
    "gru": lambda: Recurrent(nn.GRU),
    "hand_made_cell": HandMadeCell,
    "dimensions": Dimensions,
    "auxiliary": Auxiliary,
    "tied": Tied,
    "embedded": lambda: Embedded(tied=False),
}
"""Networks all of whose products are counted, and all of whose matrices are masked."""

EVERY_STEP = {"gmp": {"interval": 1, "prune_start": 0.0, "prune_end": 0.5}, "rigl": {"interval": 1}}


def run_of(monkeypatch, make, method, shape=SHAPE, budget="steps:2"):
    """Register what makes a network and return the config of a run that trains it."""
    monkeypatch.setitem(models.MODELS, "network", lambda classes, shape: make())
    images = {"train_examples": 24, "val_examples": 8, "test_examples": 8, "classes": CLASSES, "shape": list(shape)}
    images |= {"mean": [0.5] * 3, "std": [0.3] * 3}
    fields = EVERY_STEP.get(method, {})
    run = small(method, budget, dataset=images, recipe={"batch_size": 8}, evaluations=1, **fields)
    run.model.name = "network"
    return run
