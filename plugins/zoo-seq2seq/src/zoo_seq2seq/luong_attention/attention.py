"""Global and local attention of a decoder's states over a memory, and the attentional state made of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.masks import masked_softmax, padding_mask
from zoo_seq2seq.luong_attention.config import LuongAttentionConfig
from zoo_seq2seq.padding import lengths_of


@dataclass(frozen=True, eq=False)
class LuongOutput:
    """What a layer gives back; without the axis of targets where the query had none.

    Args:
        attentional: (batch, targets, dim) h~.
        weights: (batch, targets, source); those of local-p sum to less than 1.
        position: (batch, targets) centre of a local window, in words from 0; None of global attention.
    """

    attentional: Tensor
    weights: Tensor
    position: Tensor | None = None


class LuongAttention(nn.Module):
    """Decoder states and a memory to attentional states."""

    def __init__(self, config: LuongAttentionConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.half_width = config.half_width
        self.sigma = config.half_width / 2 if config.sigma is None else config.sigma
        score_width = {"dot": 0, "general": dim, "concat": dim, "location": config.max_source}[config.score]
        score_input = 2 * dim if config.score == "concat" else dim
        self.W_a = nn.Linear(score_input, score_width, bias=False) if score_width else None
        self.v_a = nn.Parameter(torch.empty(dim)) if config.score == "concat" else None
        predictive = config.window == "local-p"
        self.W_p = nn.Linear(dim, dim, bias=False) if predictive else None
        self.v_p = nn.Parameter(torch.empty(dim)) if predictive else None
        self.W_c = nn.Linear(2 * dim, dim, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Everything uniform in [-0.1, 0.1], as the whole network of the paper."""
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def forward(
        self, query: Tensor, memory: Tensor, source_mask: Tensor | None = None, steps: Tensor | None = None
    ) -> LuongOutput:
        """Attend.

        Args:
            query: decoder states (batch, targets, dim), or (batch, dim) of one step.
            memory: (batch, source, dim).
            source_mask: boolean (batch, source), True for words; they come first.
            steps: (batch, targets) or (batch,): which step each query is, for local-m; 0, 1, ... by default.

        Raises:
            InputError: other shapes.
            MaskError: a mask of another shape or type.
        """
        dim = self.config.dim
        if query.ndim not in (2, 3) or memory.ndim != 3 or {query.shape[-1], memory.shape[-1]} != {dim}:
            raise InputError(
                f"query of shape {tuple(query.shape)} and memory of shape {tuple(memory.shape)}; expected (batch, "
                f"targets, {dim}) or (batch, {dim}), and (batch, source, {dim})"
            )
        if query.ndim == 2:
            found = self._attend(query[:, None], memory, source_mask, None if steps is None else steps[:, None])
            position = None if found.position is None else found.position[:, 0]
            return LuongOutput(found.attentional[:, 0], found.weights[:, 0], position)
        return self._attend(query, memory, source_mask, steps)

    def _attend(self, query: Tensor, memory: Tensor, mask: Tensor | None, steps: Tensor | None) -> LuongOutput:
        mask = padding_mask(mask, batch=memory.shape[0], keys=memory.shape[1], mechanism="attention of a decoder")
        position = self._position(query, lengths_of(memory, mask), steps)
        if position is None or 2 * self.half_width + 1 >= memory.shape[1]:
            weights, context = self._everywhere(query, memory, mask, position)
        else:
            weights, context = self._within_windows(query, memory, mask, position)
        return LuongOutput(self.W_c(torch.cat((context, query), -1)).tanh(), weights, position)

    def _position(self, query: Tensor, lengths: Tensor, steps: Tensor | None) -> Tensor | None:
        """Centres of the windows (batch, targets), or None of global attention; at least float32: bfloat16 would
        round places."""
        if self.config.window == "global":
            return None
        if self.W_p is None or self.v_p is None:
            places = torch.arange(query.shape[1], device=query.device) if steps is None else steps
            last = (lengths - 1).clamp(min=0)[:, None]
            return torch.minimum(places.expand(query.shape[:2]), last).to(_wide(query))
        share = (self.W_p(query).tanh() * self.v_p).sum(-1).to(_wide(query)).sigmoid()
        return lengths[:, None] * share

    def _everywhere(
        self, query: Tensor, memory: Tensor, mask: Tensor | None, position: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Weights (batch, targets, source) and context by scores of all places."""
        seen = None if mask is None else mask[:, None]
        places = torch.arange(memory.shape[1], device=memory.device)
        if position is not None:
            near = (places - position.detach().floor()[..., None]).abs() <= self.half_width
            seen = near if seen is None else seen & near
        elif self.config.score == "location" and memory.shape[1] > self.config.max_source:
            inside = (places < self.config.max_source)[None, None]
            seen = inside if seen is None else seen & inside
        weights = self._weights(self._scores(query, memory[:, None]), seen, places, position)
        return weights, weights @ memory

    def _within_windows(
        self, query: Tensor, memory: Tensor, mask: Tensor | None, position: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same from the 2 D + 1 places of each window alone."""
        source = memory.shape[1]
        offsets = torch.arange(-self.half_width, self.half_width + 1, device=memory.device)
        places = position.detach().floor().long()[..., None] + offsets
        seen = (places >= 0) & (places < source)
        places = places.clamp(0, source - 1)
        rows = torch.arange(memory.shape[0], device=memory.device)[:, None, None]
        if mask is not None:
            seen = seen & mask[rows, places]
        window = memory[rows, places]
        weights = self._weights(self._scores(query, window), seen, places, position)
        context = torch.einsum("btw,btwd->btd", weights, window)
        # Places beyond the ends were moved onto real ones, with no weight.
        whole = weights.new_zeros(*weights.shape[:2], source)
        return whole.scatter_add(-1, places, weights), context

    def _scores(self, query: Tensor, memory: Tensor) -> Tensor:
        """(batch, targets, places) of queries (batch, targets, dim) and a memory (batch, targets or 1, places, dim)."""
        if self.W_a is None:
            return _products(query, memory)
        if self.v_a is not None:
            of_query, of_memory = self.W_a.weight.split(self.config.dim, 1)
            compared = ((query @ of_query.T)[:, :, None] + memory @ of_memory.T).tanh()
            return (compared * self.v_a).sum(-1)
        compared = self.W_a(query)
        if self.config.score == "general":
            return _products(compared, memory)
        missing = memory.shape[2] - compared.shape[-1]
        return nn.functional.pad(compared, (0, missing)) if missing > 0 else compared[..., : memory.shape[2]]

    def _weights(self, scores: Tensor, seen: Tensor | None, places: Tensor, position: Tensor | None) -> Tensor:
        if self.config.window != "local-p" or position is None:
            return masked_softmax(scores, seen)
        near = (-(places - position[..., None]).square() / (2 * self.sigma**2)).exp()
        if self.config.gaussian == "scores":
            return masked_softmax(scores * near.to(scores.dtype), seen)
        return (masked_softmax(scores.to(near.dtype), seen) * near).to(scores.dtype)


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def _products(query: Tensor, memory: Tensor) -> Tensor:
    if memory.shape[1] == 1:
        return query @ memory[:, 0].transpose(-1, -2)
    return torch.einsum("btd,btwd->btw", query, memory)


def example(config: LuongAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Four states and a memory of nine words."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "query": torch.randn(batch_size, 4, config.dim, generator=generator),
        "memory": torch.randn(batch_size, 9, config.dim, generator=generator),
    }
