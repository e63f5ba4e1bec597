"""The two channels, and the switch between them; entities are (batch, number, width)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.attention import scores
from zoo.nn.masks import masked_softmax
from zoo.nn.mlp import MLP
from zoo_activity.persistent_transient_duality.config import SPACE, DualityConfig

TYPES = ("human", "object")
PAIRS = tuple((receiver, sender) for receiver in TYPES for sender in TYPES)


def recur(cell: nn.Module, x: Tensor, state: Tensor) -> Tensor:
    """A recurrent cell on (batch, number, width)."""
    return cell(x.flatten(0, 1), state.flatten(0, 1)).unflatten(0, state.shape[:2])


class Message(nn.Module):
    """Queries of the receivers, keys and values of the senders, for one pair of types."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)

    def forward(self, receivers: Tensor, senders: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, R, S) and values (B, S, D)."""
        scale = receivers.shape[-1] ** -0.5
        return scores(self.query(receivers) * scale, self.key(senders)), self.value(senders)


class PersistentChannel(nn.Module):
    """A recurrent graph over all humans and objects, in world coordinates, at every step."""

    def __init__(self, config: DualityConfig) -> None:
        super().__init__()
        dim = config.dim
        self.embed = nn.ModuleDict(
            {
                "human": nn.Linear(config.num_joints * SPACE, dim),
                "object": nn.Linear(config.object_dim + config.num_classes, dim),
            }
        )
        self.msg = nn.ModuleDict({f"{receiver}_{sender}": Message(dim) for receiver, sender in PAIRS})
        self.gru = nn.ModuleDict({name: nn.GRUCell(2 * dim, dim) for name in TYPES})

    def messages(self, states: dict[str, Tensor], masks: dict[str, Tensor], receiver: str) -> Tensor:
        """(B, receivers, dim): attention over every other valid entity of both types; zeros where there is none."""
        mine = states[receiver]
        logits, values, visible = [], [], []
        for sender in TYPES:
            logit, value = self.msg[f"{receiver}_{sender}"](mine, states[sender])
            logits.append(logit)
            values.append(value)
            seen = masks[sender][:, None].expand(-1, mine.shape[1], -1)
            if sender == receiver:
                seen = seen & ~torch.eye(mine.shape[1], dtype=torch.bool, device=seen.device)
            visible.append(seen)
        weights = masked_softmax(torch.cat(logits, -1), torch.cat(visible, -1))
        heard = torch.cat(values, 1)
        return weights.to(heard.dtype) @ heard

    def forward(
        self, inputs: dict[str, Tensor], states: dict[str, Tensor], masks: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """The states after one step; entities of a type are (B, number, ...)."""
        return {
            name: recur(
                self.gru[name],
                torch.cat((self.embed[name](inputs[name]), self.messages(states, masks, name)), -1),
                states[name],
            )
            for name in TYPES
        }


class Attention(nn.Module):
    """A human's attention over objects, with a learnt cost of distance."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.slope = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """softplus(0) = 0.69 per metre."""
        nn.init.zeros_(self.slope)

    def forward(self, human: Tensor, objects: Tensor, distance: Tensor, mask: Tensor) -> Tensor:
        """(B, H, D) of (B, H, D), (B, H, O, D), distances (B, H, O) in metres and the valid objects (B, O)."""
        query = self.query(human)[:, :, None] * human.shape[-1] ** -0.5
        logits = scores(query, self.key(objects))[:, :, 0]
        logits = logits - nn.functional.softplus(self.slope) * distance
        value = self.value(objects)
        return (masked_softmax(logits, mask[:, None]).to(value.dtype)[:, :, None] @ value)[:, :, 0]


class TransientChannel(nn.Module):
    """What one human does with objects, in coordinates of its own; born of the persistent state, and forgotten."""

    def __init__(self, config: DualityConfig) -> None:
        super().__init__()
        dim = config.transient_dim
        self.egocentric = config.egocentric
        self.embed = nn.ModuleDict(
            {
                "human": nn.Linear(config.num_joints * SPACE, dim),
                # Position, velocity, the rest of the state, the class.
                "object": nn.Linear(config.object_dim + SPACE + config.num_classes, dim),
            }
        )
        self.attn = Attention(dim)
        self.parent = nn.Linear(config.dim, dim)
        self.gru = nn.GRUCell(3 * dim, dim)
        self.init = nn.Linear(config.dim, dim)

    def look(
        self, humans: Tensor, objects: Tensor, human_step: Tensor, object_step: Tensor, classes: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The human's own token and its context of objects, each (B, H, transient_dim).

        Args:
            humans: (B, H, J, 3), metres.
            objects: (B, O, object_dim).
            human_step, object_step: (B, H, 3), (B, O, 3), what root and object moved since the last step.
            classes: (B, O, num_classes).
            mask: (B, O), True for objects that are there.
        """
        root = humans[:, :, :1]
        place = objects[:, None, :, :SPACE]
        apart = place - root
        step = object_step[:, None].expand(-1, humans.shape[1], -1, -1)
        rest = torch.cat((objects[..., SPACE:], classes), -1)[:, None].expand(-1, humans.shape[1], -1, -1)
        if self.egocentric:
            humans, place, step = humans - root, apart, step - human_step[:, :, None]
        else:
            place = place.expand_as(apart)
        human = self.embed["human"](humans.flatten(2))
        tokens = self.embed["object"](torch.cat((place, step, rest), -1))
        # A distance of zero has no gradient of its own.
        distance = apart.square().sum(-1).clamp(min=1e-12).sqrt()
        return human, self.attn(human, tokens, distance, mask)

    def forward(self, human: Tensor, context: Tensor, parent: Tensor, state: Tensor, was_on: Tensor) -> Tensor:
        """One step: (B, H, transient_dim); a process that was off begins from tanh(W parent).

        Args:
            human, context: of ``look``.
            parent: (B, H, dim), the human's persistent state.
            state: (B, H, transient_dim).
            was_on: (B, H), 1 where the process ran at the last step.
        """
        state = torch.where(was_on[..., None] > 0, state, self.init(parent).tanh())
        return recur(self.gru, torch.cat((human, context, self.parent(parent)), -1), state)


class _StraightThrough(torch.autograd.Function):
    """1 where p > 0.5, otherwise 0; the gradient passes as it is."""

    generate_vmap_rule = True

    @staticmethod
    def forward(probability: Tensor) -> Tensor:
        """Of any shape."""
        return (probability > 0.5).to(probability.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Of the first order alone: the threshold has no derivative to be differentiated again."""
        if torch.is_grad_enabled():
            raise InputError(
                "the switch's gradient is straight-through and has no second derivative: leave out create_graph=True; "
                "torch.func asks for that always, torch.autograd.grad does not"
            )
        return gradients[0]


class Switch(nn.Module):
    """On (1) or off (0), with the gradient of the probability (straight through)."""

    def __init__(self, config: DualityConfig) -> None:
        super().__init__()
        width = config.dim + 2 * config.transient_dim
        self.temperature = config.temperature
        self.mlp = MLP(width, config.transient_dim, 1, activation="relu")

    def forward(self, parent: Tensor, context: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """z (B, H) in {0, 1} and p (B, H); in training p has logistic noise (the Gumbel-sigmoid)."""
        logit = self.mlp(torch.cat((parent, context, state), -1))[..., 0]
        if self.training and self.temperature > 0:
            uniform = torch.rand_like(logit).clamp(1e-6, 1 - 1e-6)
            logit = (logit + uniform.logit()) / self.temperature
        probability = logit.sigmoid()
        return _StraightThrough.apply(probability), probability
