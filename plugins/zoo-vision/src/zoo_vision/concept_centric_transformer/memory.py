"""The workspaces: slots that compete for tokens.

All take tokens (batch, tokens, dim) and give slots (batch, slots, dim).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_EPS = 1e-8


class SlotAttention(nn.Module):
    """Slots from noise: softmax over slots, means over tokens, one GRU step an iteration (memory ``sa``)."""

    def __init__(self, dim: int, num_slots: int, steps: int) -> None:
        super().__init__()
        self.num_slots, self.steps = num_slots, steps
        self.slot_mu = nn.Parameter(torch.empty(1, 1, dim))
        self.slot_log_sigma = nn.Parameter(torch.empty(1, 1, dim))
        self.norm_inputs = nn.LayerNorm(dim)
        self.norm_slots = nn.LayerNorm(dim)
        self.project_q, self.project_k, self.project_v = (nn.Linear(dim, dim, bias=False) for _ in range(3))
        self.gru = nn.GRUCell(dim, dim)
        nn.init.xavier_uniform_(self.slot_mu)
        nn.init.xavier_uniform_(self.slot_log_sigma)

    def forward(self, tokens: Tensor, noise: Tensor | None = None) -> Tensor:
        """Fill the slots.

        Args:
            tokens: (batch, tokens, dim).
            noise: standard normal numbers (batch, slots, dim); drawn where None, in eval mode too.
        """
        batch, _, dim = tokens.shape
        if noise is None:
            noise = torch.randn(batch, self.num_slots, dim, dtype=tokens.dtype, device=tokens.device)
        slots = self.slot_mu + self.slot_log_sigma.exp() * noise
        inputs = self.norm_inputs(tokens)
        key, value = self.project_k(inputs) * dim**-0.5, self.project_v(inputs)
        for _ in range(self.steps):
            query = self.project_q(self.norm_slots(slots))
            share = (key @ query.transpose(1, 2)).softmax(-1) + _EPS
            share = share / share.sum(1, keepdim=True)
            slots = _stepped(self.gru, share.transpose(1, 2) @ value, slots)
        return slots


class QuerySlotAttention(nn.Module):
    """Slots from learned starts (memories ``isa`` and ``qsa``).

    Args:
        dim, num_slots: width and number of slots.
        steps: ``implicit``: steps before the last, which alone has a gradient; otherwise all of them.
        implicit: whether this is ``isa``.
    """

    def __init__(self, dim: int, steps: int, implicit: bool) -> None:
        super().__init__()
        self.steps, self.implicit = steps, implicit
        self.norm_feature = nn.LayerNorm(dim)
        # The reference keeps this norm in isa, too, and never uses it there.
        self.norm_slots = nn.LayerNorm(dim)
        self.project_q, self.project_k, self.project_v = (nn.Linear(dim, dim, bias=False) for _ in range(3))
        self.gru = nn.GRUCell(dim, dim)
        for linear in (self.project_q, self.project_k, self.project_v):
            nn.init.xavier_uniform_(linear.weight)
        nn.init.xavier_uniform_(self.gru.weight_ih)
        nn.init.orthogonal_(self.gru.weight_hh)
        nn.init.zeros_(self.gru.bias_ih)
        nn.init.zeros_(self.gru.bias_hh)

    def forward(self, tokens: Tensor, start: Tensor) -> Tensor:
        """Fill the slots.

        Args:
            tokens: (batch, tokens, dim).
            start: (slots, dim).
        """
        inputs = self.norm_feature(tokens)
        key, value = self.project_k(inputs), self.project_v(inputs)
        first = start.expand(tokens.shape[0], -1, -1)
        slots = first
        if self.implicit:
            for _ in range(self.steps):
                slots = self._step(slots, key, value)
            return self._step(slots.detach(), key, value)
        for step in range(self.steps):
            if step == self.steps - 1:
                slots = slots.detach() + first - first.detach()
            slots = self._step(slots, key, value)
        return slots

    def _step(self, slots: Tensor, key: Tensor, value: Tensor) -> Tensor:
        query = self.project_q(slots if self.implicit else self.norm_slots(slots))
        share = (query @ key.transpose(1, 2) * key.shape[-1] ** -0.5).softmax(1)
        share = share / (share.sum(-1, keepdim=True) + _EPS)
        return _stepped(self.gru, share @ value, slots)


def _stepped(gru: nn.GRUCell, update: Tensor, slots: Tensor) -> Tensor:
    stepped: Tensor = gru(update.flatten(0, 1), slots.flatten(0, 1))
    return stepped.view_as(slots)
