"""A layer of the decoder, and the small networks that turn queries into coordinates."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from zoo.nn.mlp import MLP
from zoo_pose.poseur.attention import DeformableAttention
from zoo_pose.poseur.config import PoseurConfig
from zoo_pose.queries import QueryAttention


class DecoderLayer(nn.Module):
    """Attention within each group of queries, deformable attention, feed-forward; a LayerNorm after each."""

    def __init__(self, config: PoseurConfig) -> None:
        super().__init__()
        dim, dropout = config.dim, config.dropout
        self.group = config.num_joints
        self.self_attn = QueryAttention(dim, config.num_heads)
        self.cross_attn = DeformableAttention(dim, config.num_heads, config.num_levels, config.num_points, dropout)
        self.ffn = MLP(dim, config.hidden_dim, activation=config.activation, dropout=dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))
        self.drop = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, positions: Tensor, memory: Tensor, sizes: Sequence[tuple[int, int]], references: Tensor
    ) -> Tensor:
        """One step of all groups.

        Args:
            x: (batch, groups * joints, dim).
            positions: broadcastable to ``x``.
            memory: (batch, sum of height * width, dim).
            sizes: height and width of each level.
            references: (batch, groups * joints, levels, 2).

        Returns:
            (batch, groups * joints, dim).
        """
        # Groups go into the batch: they never see one another.
        values = x.unflatten(1, (-1, self.group)).flatten(0, 1)
        asked = (x + positions).unflatten(1, (-1, self.group)).flatten(0, 1)
        mixed = self.self_attn(asked, values).unflatten(0, (x.shape[0], x.shape[1] // self.group)).flatten(1, 2)
        x = self.norms[0](x + self.drop(mixed))
        x = self.norms[1](self.cross_attn(x, positions, memory, sizes, references))
        return self.norms[2](x + self.ffn(x))


def branch(dim: int, hidden_layers: int, *, activated: bool) -> nn.Sequential:
    """Linear maps of ``dim``, with or without ReLU between them, and one to 2."""
    layers: list[nn.Module] = []
    for _ in range(hidden_layers):
        layers += [nn.Linear(dim, dim), *([nn.ReLU()] if activated else [])]
    return nn.Sequential(*layers, nn.Linear(dim, 2))


def logit(x: Tensor) -> Tensor:
    """ln(x / (1 - x)) of x in [0, 1], both parts at least 1e-5."""
    return (x.clamp(min=1e-5) / (1 - x).clamp(min=1e-5)).log()
