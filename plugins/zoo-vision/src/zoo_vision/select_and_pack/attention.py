"""Selection, packed attention, and the block around them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.drop_path import DropPath
from zoo.nn.mlp import MLP
from zoo_vision.select_and_pack.config import SelectPackConfig
from zoo_vision.select_and_pack.packing import Packing, gathered, pack, scattered

REACH = 13


@dataclass(frozen=True)
class Selected:
    """What the attention answers.

    Args:
        output: (batch, h, w, dim).
        scores: (batch, h, w) s; the probability of a token is its sigmoid.
        kept: (batch, h, w) bool.
    """

    output: Tensor
    scores: Tensor
    kept: Tensor


def carried(scores: Tensor, height: int, width: int) -> Tensor:
    """Scores (batch, h, w) of another level on a map of height x width: maxima of cells, or nearest neighbours."""
    if scores.shape[1:] == (height, width):
        return scores
    if height <= scores.shape[1] and width <= scores.shape[2]:
        return functional.adaptive_max_pool2d(scores[:, None], (height, width))[:, 0]
    return functional.interpolate(scores[:, None], size=(height, width), mode="nearest")[:, 0]


class SelectPackAttention(nn.Module):
    """Maps (batch, h, w, dim) to the same shape: only kept tokens attend, packed with those of other images."""

    def __init__(self, config: SelectPackConfig) -> None:
        super().__init__()
        self.config = config
        self.gate = nn.Linear(config.dim, 1)
        self.qkv = nn.Linear(config.dim, 3 * config.dim, bias=config.qkv_bias)
        self.proj = nn.Linear(config.dim, config.dim)
        if config.position == "relative":
            self.relative_position_bias_table = nn.Parameter(torch.empty((2 * REACH + 1) ** 2, config.num_heads))
            nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        for layer in (self.gate, self.qkv, self.proj):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def _choose(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, h, w) to what is kept, and the probabilities of a drawn choice in training."""
        config = self.config
        if not self.training:
            probability = scores.sigmoid()
            return probability > config.threshold, probability
        # The difference of two Gumbel variables is logistic.
        uniform = torch.rand_like(scores).clamp(1e-6, 1 - 1e-6)
        probability = ((scores + uniform.logit()) / config.temperature).sigmoid()
        return probability > config.threshold, probability

    def select(self, x: Tensor, scores_above: Tensor | None = None, valid: Tensor | None = None) -> Selected:
        """Attend among chosen tokens.

        Args:
            x: (batch, h, w, dim).
            scores_above: (batch, h', w') scores of the level before; a token's score is the larger of both.
            valid: (h, w) bool, places that may be kept at all; all by default.
        """
        if x.ndim != 4 or x.shape[3] != self.config.dim:
            raise InputError(f"x {list(x.shape)}; expected maps (batch, height, width, {self.config.dim})")
        height, width = x.shape[1:3]
        scores = self.gate(x)[..., 0]
        if scores_above is not None:
            if scores_above.ndim != 3 or scores_above.shape[0] != x.shape[0]:
                raise InputError(f"scores {list(scores_above.shape)}; expected (batch, height, width), {len(x)} images")
            scores = torch.maximum(scores, carried(scores_above, height, width).to(scores.dtype))
        kept, probability = self._choose(scores)
        if valid is not None:
            kept = kept & valid
        tokens = x * scores.sigmoid()[..., None]
        if self.training:
            straight = kept.to(x.dtype) + probability - probability.detach()
            tokens = tokens * straight[..., None]
        shift = self.config.window_size // 2 if self.config.shifted else 0
        rolled, chosen = (part.roll((-shift, -shift), (1, 2)) if shift else part for part in (tokens, kept))
        packing = pack(chosen.flatten(1), self.config.window_size**2, self.config.packing == "image")
        attended = self._attend(gathered(rolled.flatten(1, 2), packing), packing, height, width, shift)
        y = scattered(attended, packing).unflatten(1, (height, width))
        y = y.roll((shift, shift), (1, 2)) if shift else y
        return Selected(self.proj(y), scores, kept)

    def _attend(self, containers: Tensor, packing: Packing, height: int, width: int, shift: int) -> Tensor:
        """Attention inside containers, (containers, L, dim) to the same shape."""
        heads = self.config.num_heads
        query, key, value = self.qkv(containers).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        visible = packing.visible[:, None]
        bias: Tensor = visible
        if self.config.position == "relative":
            places = self._bias(packing, height, width, shift)
            bias = places.to(query.dtype).masked_fill(~visible, -torch.inf)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return attended.transpose(1, 2).flatten(2)

    def _bias(self, packing: Packing, height: int, width: int, shift: int) -> Tensor:
        """(containers, heads, L, L) by the difference of the places on the map before it was rolled."""
        place = packing.source % (height * width)
        row, column = (place // width + shift) % height, (place % width + shift) % width
        down = (row[:, :, None] - row[:, None]).clamp(-REACH, REACH) + REACH
        right = (column[:, :, None] - column[:, None]).clamp(-REACH, REACH) + REACH
        return self.relative_position_bias_table[down * (2 * REACH + 1) + right].permute(0, 3, 1, 2)

    def forward(self, x: Tensor, scores_above: Tensor | None = None) -> dict[str, Tensor]:
        """The same as ``select``, as ``output``, ``scores`` and ``kept``."""
        found = self.select(x, scores_above)
        return {"output": found.output, "scores": found.scores, "kept": found.kept}


class SelectPackBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)) on all tokens."""

    def __init__(self, config: SelectPackConfig, mlp_ratio: float, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.dim)
        self.attn = SelectPackAttention(config)
        self.norm2 = nn.LayerNorm(config.dim)
        self.mlp = MLP(config.dim, int(config.dim * mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def select(self, x: Tensor, scores_above: Tensor | None = None, valid: Tensor | None = None) -> Selected:
        """Shapes and arguments as of the attention."""
        found = self.attn.select(self.norm1(x), scores_above, valid)
        x = x + self.drop_path(found.output)
        return Selected(x + self.drop_path(self.mlp(self.norm2(x))), found.scores, found.kept)


def example(config: SelectPackConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random maps of 2 x 3, and scores of a coarser level."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "x": torch.randn(batch_size, 2, 3, config.dim, generator=generator),
        "scores_above": torch.randn(batch_size, 1, 2, generator=generator),
    }


def paper_input(config: SelectPackConfig) -> dict[str, Tensor]:
    """The map of stage 3 of one 224 x 224 image, 14 x 14."""
    return {"x": torch.empty(1, 14, 14, config.dim)}
