"""A classifier of small pictures around the layer: every row of pixels is a token."""

import torch
from torch import Tensor, nn

from zoo_my_lab.my_lab.config import MyLabClassifierConfig, MyLabConfig
from zoo_my_lab.my_lab.layer import MyLabAttention


class MyLabClassifier(nn.Module):
    """Pictures (batch, rows, columns) in [0, 1] to logits (batch, num_classes).

    Args:
        config: sizes of pictures and network.
    """

    def __init__(self, config: MyLabClassifierConfig) -> None:
        super().__init__()
        self.embedding = nn.Linear(config.columns, config.dim)
        self.positions = nn.Parameter(torch.empty(config.rows, config.dim))
        nn.init.normal_(self.positions, std=0.5)
        self.attention = MyLabAttention(MyLabConfig(config.dim, config.num_heads))
        self.norm = nn.LayerNorm(config.dim)
        self.head = nn.Sequential(
            nn.Linear(config.rows * config.dim, config.hidden_dim),
            nn.GELU(),
            nn.Linear(config.hidden_dim, config.num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Classify."""
        x = self.embedding(images) + self.positions
        return self.head(self.norm(x + self.attention(x)).flatten(1))


def example(config: MyLabClassifierConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random pictures."""
    generator = torch.Generator().manual_seed(seed)
    return {"images": torch.rand(batch_size, config.rows, config.columns, generator=generator)}
