"""Where groups lie to each other, and a network that answers questions about it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.attention import MultiHeadAttention
from zoo.nn.mlp import MLP
from zoo_vision import images
from zoo_vision.ddst.config import COLOUR_NAMES, COLOURS, RELATIONS, RelationsConfig
from zoo_vision.ddst.tower import Tower
from zoo_vision.images import require_images


def centroids(groups: Tensor, grid: tuple[int, int]) -> Tensor:
    """Mean places of groups: (batch, N, G) to (batch, G, 2), y and x in [-1, 1]."""
    y, x = ((torch.arange(side, dtype=groups.dtype, device=groups.device) + 0.5) * 2 / side - 1 for side in grid)
    places = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).flatten(0, 1)
    return groups.mT @ places / (groups.sum(1)[..., None] + 1e-6)


class RelationReadout(nn.Module):
    """One token of what the question asks about the places of groups.

    Args:
        dim: width of the token.
        num_groups: groups, at least 2 for there to be a pair.
        question_dim: width of the question.
    """

    def __init__(self, dim: int, num_groups: int, question_dim: int) -> None:
        super().__init__()
        first, second = torch.triu_indices(num_groups, num_groups, 1, device="cpu")
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("second", second, persistent=False)
        self.mlp = nn.Sequential(nn.Linear(2, dim), nn.GELU(), nn.Linear(dim, dim))
        self.weigh = nn.Linear(question_dim, len(first))

    def forward(self, groups: Tensor, question: Tensor, grid: tuple[int, int]) -> Tensor:
        """Read out.

        Args:
            groups: (batch, N, num_groups).
            question: (batch, question_dim).
            grid: (H, W).

        Returns:
            (batch, dim).
        """
        middle = centroids(groups, grid)
        pairs = self.mlp(middle[:, self.first] - middle[:, self.second])  # type: ignore[index]
        return (self.weigh(question).softmax(-1)[..., None] * pairs).sum(1)


class AttentionBlock(nn.Module):
    """What the tower's block replaces: softmax attention and a feed-forward network, pre-norm."""

    def __init__(self, config: RelationsConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.dim)
        self.attention = MultiHeadAttention(config.dim, config.num_heads, bias=True)
        self.mlp_norm = nn.LayerNorm(config.dim)
        self.mlp = MLP(config.dim, config.hidden_dim or 4 * config.dim)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, N, dim) to the same shape."""
        x = x + self.attention(self.norm(x))
        return x + self.mlp(self.mlp_norm(x))


class RelationNetwork(nn.Module):
    """Images and questions to logits (batch, 2) of no and yes.

    With both kinds of block tokens have learned places, the question is a token's worth of features, and the answer is
    read from the mean token and the question; attention sees the question added to every token, the tower's read-out of
    relations is added to the mean token.
    """

    def __init__(self, config: RelationsConfig) -> None:
        super().__init__()
        self.config = config
        dim, side = config.dim, config.image_size // config.patch_size
        self.patches = nn.Conv2d(3, dim, config.patch_size, config.patch_size)
        self.places = nn.Parameter(torch.empty(side * side, dim))
        self.words = nn.ModuleList(nn.Embedding(count, dim) for count in (COLOURS, len(RELATIONS), COLOURS))
        if config.block == "tower":
            self.tower = Tower(config.tower)
            self.readout = RelationReadout(dim, config.num_groups, dim)
        else:
            self.blocks = nn.Sequential(*(AttentionBlock(config) for _ in range(config.num_layers)))
        self.answer = nn.Sequential(
            nn.LayerNorm(2 * dim), nn.Linear(2 * dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, 2)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Places as small as embeddings are."""
        nn.init.normal_(self.places, std=0.02)

    def forward(self, images: Tensor, question: Tensor) -> Tensor:
        """Answer.

        Args:
            images: (batch, 3, image_size, image_size) in [0, 1].
            question: (batch, 3) integers: a colour, a relation, a colour.
        """
        side = self.config.image_size
        require_images(images, side=side)
        if question.shape != (images.shape[0], 3) or question.is_floating_point():
            raise InputError(f"question {list(question.shape)}; expected integers ({images.shape[0]}, 3)")
        asked = torch.stack([word(question[:, index]) for index, word in enumerate(self.words)]).sum(0)
        maps = self.patches(images)
        x = maps.flatten(2).mT + self.places
        if self.config.block == "tower":
            grid = (maps.shape[2], maps.shape[3])
            found = self.tower(x, asked, grid)
            seen = found.tokens.mean(1) + self.readout(found.groups, asked, grid)
        else:
            seen = self.blocks(x + asked[:, None]).mean(1)
        return self.answer(torch.cat((seen, asked), -1))


def example(config: RelationsConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images and questions."""
    generator = torch.Generator().manual_seed(seed)
    sides = (batch_size, 3, config.image_size, config.image_size)
    return {
        "images": torch.rand(sides, generator=generator),
        "question": torch.randint(0, COLOURS, (batch_size, 3), generator=generator),
    }


def preprocess(config: RelationsConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array, stretched to the config's square, in [0, 1]; the question is asked beside it."""
    return lambda source: {"images": images.stretched_tensor(source, config.image_size, config.image_size)}


def predict(model: RelationNetwork, config: RelationsConfig, source: Any) -> dict[str, Any]:
    """How every two of the four colours lie to each other: the likelier of two opposite relations, on each axis.

    Nothing says whether a colour is there: of those that are not, answers mean nothing.
    """
    asked = [(one, axis, other) for one, other in combinations(range(COLOURS), 2) for axis in (0, 2)]
    picture = preprocess(config)(source)["images"]
    parameter = next(model.parameters())
    with torch.no_grad():
        many = picture.to(parameter.device, parameter.dtype).expand(len(asked), -1, -1, -1)
        logits = model(many, torch.tensor(asked, device=parameter.device))
    found = []
    for (one, axis, other), yes in zip(asked, logits.float().softmax(-1)[:, 1].tolist(), strict=True):
        relation = RELATIONS[axis] if yes >= 0.5 else RELATIONS[axis + 1]
        found.append(
            {
                "relation": f"{COLOUR_NAMES[one]} {relation} {COLOUR_NAMES[other]}",
                "probability": round(max(yes, 1 - yes), 4),
            }
        )
    return {"relations": found}
