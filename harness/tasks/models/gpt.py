"""Decoder-only transformers for language: GPT (Radford et al. 2019) and LLaMA (Touvron et al. 2023, arXiv 2302.13971).

A token is an integer below the vocabulary, which is the data's 256 bytes here, and the prediction at a place depends on
the tokens up to it alone. The matrices of attention and perceptrons can be masked. Embeddings are looked up, which is
no product: no mask reaches them. Heads stay dense, as in SPDF (Thangarasu et al. 2023, arXiv 2303.10464): one that
shares its weights with the embedding cannot be masked either, and the model's file in ``benchmarks/model`` names one
with weights of its own under ``dense_layers``.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.errors import UsageError
from harness.tasks.models.registry import register, scaled

_SPREAD = 0.02
"""Standard deviation of all matrices at the start, in both families."""
_BASE = 10_000.0
"""Base of the rotations' periods, in tokens over 2 pi (Su et al. 2021, arXiv 2104.09864)."""


@dataclass(frozen=True)
class Form:
    """Sizes of a transformer, and what its family is made of.

    Attributes:
        depth: Blocks.
        heads: Heads of attention.
        width: Of a token between the blocks; a multiple of twice the heads.
        hidden: Neurons of a perceptron.
        rotary: Whether queries and keys are turned by their positions; otherwise positions are learned and added.
        llama: Whether the rest is LLaMA's: RMSNorm, a gated perceptron (SwiGLU), no biases, and a head with weights of
            its own. Otherwise it is GPT's: LayerNorm, GELU, biases, and a head that shares its weights with the
            embedding.
    """

    depth: int
    heads: int
    width: int
    hidden: int
    rotary: bool = False
    llama: bool = False

    def at(self, scale: float) -> "Form":
        """Return the form with heads and perceptrons of another width; there are always as many heads."""
        pairs = scaled(self.width // (2 * self.heads), scale)  # rotary positions turn pairs of numbers
        return replace(self, width=2 * self.heads * pairs, hidden=scaled(self.hidden, scale))

    def norm(self) -> nn.Module:
        """Return a normalisation of its tokens."""
        return nn.RMSNorm(self.width, eps=1e-6) if self.llama else nn.LayerNorm(self.width)

    def linear(self, inputs: int, outputs: int) -> nn.Linear:
        """Return a layer, with a bias if the family has them."""
        return nn.Linear(inputs, outputs, bias=not self.llama)


class _Attention(nn.Module):
    """Causal self-attention; queries, keys and values have a matrix each."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.heads, width = form.heads, form.width
        self.query, self.key, self.value = (form.linear(width, width) for _ in range(3))
        self.output = form.linear(width, width)

    def forward(self, tokens: Tensor, turns: tuple[Tensor, Tensor] | None) -> Tensor:
        batch, count, width = tokens.shape
        query, key, value = (
            layer(tokens).view(batch, count, self.heads, width // self.heads).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        if turns is not None:
            query, key = _turned(query, turns), _turned(key, turns)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.output(mixed.transpose(1, 2).reshape(batch, count, width))


class _Perceptron(nn.Module):
    """One hidden layer, gated or not."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.gate = form.linear(form.width, form.hidden) if form.llama else None
        self.hidden = form.linear(form.width, form.hidden)
        self.output = form.linear(form.hidden, form.width)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.hidden(tokens)
        active = F.gelu(hidden, approximate="tanh") if self.gate is None else F.silu(self.gate(tokens)) * hidden
        return self.output(active)


class _Block(nn.Module):
    """Attention and a perceptron, each after a normalisation and beside a shortcut."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.norm1, self.attention = form.norm(), _Attention(form)
        self.norm2, self.perceptron = form.norm(), _Perceptron(form)

    def forward(self, tokens: Tensor, turns: tuple[Tensor, Tensor] | None) -> Tensor:
        tokens = tokens + self.attention(self.norm1(tokens), turns)
        return tokens + self.perceptron(self.norm2(tokens))


class Decoder(nn.Module):
    """A transformer that predicts the next token at every place of a window.

    Args:
        form: Its sizes.
        vocabulary: How many tokens there are.
        context: Tokens of the longest window.
    """

    cosines: Tensor
    sines: Tensor

    def __init__(self, form: Form, vocabulary: int, context: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, form.width)
        self.positions = None if form.rotary else nn.Parameter(torch.zeros(context, form.width))
        self.blocks = nn.ModuleList(_Block(form) for _ in range(form.depth))
        self.norm = form.norm()
        self.head = nn.Linear(form.width, vocabulary, bias=False) if form.llama else None
        if form.rotary:
            cosines, sines = _turns(context, form.width // form.heads)
            # They follow from the sizes, so that a kept network need not hold them.
            self.register_buffer("cosines", cosines, persistent=False)
            self.register_buffer("sines", sines, persistent=False)
        self._initialise(form)

    def _initialise(self, form: Form) -> None:
        """Draw the matrices as the families do; GPT's are smaller where they end in a shortcut, by its section 2.3."""
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                shortcut = name.endswith("output.weight") and not form.llama
                nn.init.normal_(weight, std=_SPREAD / math.sqrt(2 * form.depth) if shortcut else _SPREAD)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens, int64 [batch, places], to logits of the next ones [batch, places, vocabulary]."""
        hidden, places = self.embedding(tokens), tokens.shape[1]
        turns = None
        if self.positions is None:
            turns = self.cosines[:places], self.sines[:places]
        else:
            hidden = hidden + self.positions[:places]
        for block in self.blocks:
            hidden = block(hidden, turns)
        hidden = self.norm(hidden)
        return F.linear(hidden, self.embedding.weight) if self.head is None else self.head(hidden)


def _turns(places: int, width: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of the angles by which a head's numbers are turned, float32 [places, width]."""
    rates = _BASE ** (-torch.arange(0, width, 2) / width)
    angles = torch.outer(torch.arange(places).float(), rates).repeat(1, 2)
    return angles.cos(), angles.sin()


def _turned(heads: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair of numbers, of which the second half of a head holds the second ones, by its place's angle."""
    first, second = heads.chunk(2, dim=-1)
    cosines, sines = turns
    # The angles are float32 whatever the precision of the products; what is multiplied next has to be of one type.
    return (heads * cosines + torch.cat((-second, first), dim=-1) * sines).type_as(heads)


def _decoder(name: str, form: Form, classes: int, shape: Any, width: float) -> Decoder:
    if len(shape) != 1:
        raise UsageError(f"model {name!r} reads windows of tokens, dataset.shape=[TOKENS], not inputs of {list(shape)}")
    return Decoder(form.at(width), classes, shape[0])


@register
def gpt_nano(classes: int, shape: Any, width: float = 1.0) -> nn.Module:
    """`gpt_tiny` at half its width, 4 blocks of width 64 with 4 heads: 196,608 maskable weights.

    Our choice of sizes, for boards of hundreds of runs on a CPU. ``width`` multiplies the widths of heads and
    perceptrons.
    """
    return _decoder("gpt_nano", Form(4, 4, 64, 256, rotary=True), classes, shape, width)


@register
def gpt_tiny(classes: int, shape: Any, width: float = 1.0) -> nn.Module:
    """A GPT of 4 blocks of width 128 with 4 heads, and rotary positions: 786,432 maskable weights.

    Our choice of sizes, for a CPU. Positions are not learned, which takes longer than the rest of a network so small.
    ``width`` multiplies the widths of heads and perceptrons.
    """
    return _decoder("gpt_tiny", Form(4, 4, 128, 512, rotary=True), classes, shape, width)


@register
def gpt_small(classes: int, shape: Any, width: float = 1.0) -> nn.Module:
    """GPT-2's smallest, 12 blocks of width 768 with 12 heads: 84,934,656 maskable weights.

    With the published vocabulary of 50,257 tokens it has 124 million weights, 38.6 million of them embeddings; here the
    vocabulary is the data's 256 bytes. ``width`` multiplies the widths of heads and perceptrons.
    """
    return _decoder("gpt_small", Form(12, 12, 768, 3072), classes, shape, width)


@register
def llama_60m(classes: int, shape: Any, width: float = 1.0) -> nn.Module:
    """LLaMA at the size of the papers' 60M, 8 blocks of width 512 with 8 heads: 25,296,896 maskable weights.

    The size is that of GaLore's comparison (Zhao et al. 2024, arXiv 2403.03507), which has 32,000 tokens, 33 of its 58
    million weights in embedding and head; here the vocabulary is the data's 256 bytes. ``width`` multiplies the widths
    of heads and perceptrons.
    """
    return _decoder("llama_60m", Form(8, 8, 512, 1376, rotary=True, llama=True), classes, shape, width)
