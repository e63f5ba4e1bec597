"""Transformer blocks around the isotropic layer, and the bare layer as the smallest network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from zoo.nn.mlp import MLP
from zoo_sequence.adaptive_filter_attention.config import FilterNetworkConfig
from zoo_sequence.adaptive_filter_attention.layer import AdaptiveFilterAttention, Estimate, visibility


def _norm(config: FilterNetworkConfig) -> nn.Module:
    return nn.RMSNorm(config.dim) if config.norm == "rms" else nn.LayerNorm(config.dim)


class FilterBlock(nn.Module):
    """x += filter(norm1(x)); x += MLP(norm2(x)). Where the filter norms its projections, norm1 is idle."""

    def __init__(self, config: FilterNetworkConfig) -> None:
        super().__init__()
        self.pre_norm = config.input_norm == "none"
        self.norm1 = _norm(config)
        self.attn = AdaptiveFilterAttention(config)
        self.norm2 = _norm(config)
        self.ffn = MLP(config.dim, config.hidden_dim, activation="relu")

    def forward(
        self, x: Tensor, visible: Tensor | None, times: Tensor | None, estimates: list[Estimate] | None = None
    ) -> Tensor:
        """(batch, length, dim) to the same shape, with a finished mask."""
        normed = self.norm1(x) if self.pre_norm else x
        found = self.attn.estimate(normed, normed, normed, visible, times)
        if estimates is not None:
            estimates.append(found)
        x = x + found.output
        return x + self.ffn(self.norm2(x))


class FilterNetwork(nn.Module):
    """Measurements (batch, length, dim) to estimates of the same shape."""

    def __init__(self, config: FilterNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.input_proj = nn.Linear(config.dim, config.dim)
        self.blocks = nn.ModuleList(FilterBlock(config) for _ in range(config.num_layers))
        self.final_norm = _norm(config)
        self.output_proj = nn.Linear(config.dim, config.dim)

    def forward(
        self,
        x: Tensor,
        attn_mask: Tensor | None = None,
        *,
        times: Tensor | None = None,
        estimates: list[Estimate] | None = None,
    ) -> Tensor:
        """As ``AdaptiveFilterAttention.forward``; ``estimates`` gets one item per block."""
        visible = visibility(attn_mask, x, self.config.num_heads)
        return self.run_blocks(x, [visible] * len(self.blocks), times, estimates)

    def run_blocks(
        self,
        x: Tensor,
        visible: Sequence[Tensor | None],
        times: Tensor | None = None,
        estimates: list[Estimate] | None = None,
    ) -> Tensor:
        """As ``forward``, with one finished mask per block."""
        x = self.input_proj(x)
        for block, seen in zip(self.blocks, visible, strict=True):
            x = block(x, seen, times, estimates)
        return self.output_proj(self.final_norm(x))


def build_network(config: FilterNetworkConfig) -> AdaptiveFilterAttention | FilterNetwork:
    """The network, or for ``num_layers=0`` the layer alone."""
    return FilterNetwork(config) if config.num_layers else AdaptiveFilterAttention(config)
