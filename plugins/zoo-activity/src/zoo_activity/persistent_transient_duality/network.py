"""The forecaster."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.mlp import MLP
from zoo_activity.persistent_transient_duality.channels import PersistentChannel, Switch, TransientChannel
from zoo_activity.persistent_transient_duality.config import SPACE, DualityConfig


@dataclass
class Forecast:
    """What is to come; T observed steps, P forecast ones.

    Args:
        humans: (B, P, H, J, 3), metres.
        objects: (B, P, O, object_dim).
        next_humans, next_objects: (B, T, ...), each the forecast of the step after an observed one.
        switch: (B, T + P - 1, H), 1 where a transient process ran.
        probability: the same shape, of the switch.
        state: what a later call goes on from; tensors with the batch first, after the T observed steps.
    """

    humans: Tensor
    objects: Tensor
    next_humans: Tensor
    next_objects: Tensor
    switch: Tensor
    probability: Tensor
    state: dict[str, Tensor]


class PersistentTransientDuality(nn.Module):
    """Humans and objects, observed, to the same ones in the steps that follow."""

    def __init__(self, config: DualityConfig) -> None:
        super().__init__()
        self.config = config
        human, dim = config.num_joints * SPACE, config.dim
        self.persistent = PersistentChannel(config)
        self.decode = nn.ModuleDict(
            {
                "p": MLP(dim, dim, human, activation="relu"),
                "o": MLP(dim, dim, config.object_dim, activation="relu"),
            }
        )
        if config.transient:
            self.transient = TransientChannel(config)
            self.switch = Switch(config)
            self.back = nn.Linear(config.transient_dim, dim, bias=False)
            self.decode["t"] = MLP(config.transient_dim, config.transient_dim, human, activation="relu")

    def begin(self, humans: Tensor, objects: Tensor) -> dict[str, Tensor]:
        """The state before the first step, which is at rest: humans (B, H, J, 3), objects (B, O, object_dim)."""
        config = self.config
        return {
            "human": humans.new_zeros(*humans.shape[:2], config.dim),
            "object": humans.new_zeros(*objects.shape[:2], config.dim),
            "transient": humans.new_zeros(*humans.shape[:2], config.transient_dim),
            "on": humans.new_zeros(humans.shape[:2]),
            "root": humans[:, :, 0],
            "place": objects[..., :SPACE],
        }

    def step(
        self,
        humans: Tensor,
        objects: Tensor,
        classes: Tensor,
        masks: dict[str, Tensor],
        state: dict[str, Tensor],
        force: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Tensor]]:
        """One step.

        Args:
            humans: (B, H, J, 3).
            objects: (B, O, object_dim).
            classes: (B, O, num_classes).
            masks: "human" (B, H) and "object" (B, O), True for those that are there.
            state: of ``begin`` or of a step.
            force: (B, H) of 0 and 1, instead of the switch.

        Returns:
            The next humans, the next objects, z (B, H), p (B, H), the state.
        """
        config = self.config
        inputs = {"human": humans.flatten(2), "object": torch.cat((objects, classes), -1)}
        states = self.persistent(inputs, {"human": state["human"], "object": state["object"]}, masks)
        parent = states["human"]
        moved = self.decode["p"](parent)
        on = probability = torch.zeros_like(state["on"])
        transient = torch.zeros_like(state["transient"])
        if config.transient:
            human_step, object_step = humans[:, :, 0] - state["root"], objects[..., :SPACE] - state["place"]
            own, context = self.transient.look(humans, objects, human_step, object_step, classes, masks["object"])
            on, probability = self.switch(parent, context, state["transient"])
            if force is not None or config.switch != "learned":
                on = torch.full_like(on, float(config.switch == "always")) if force is None else force
            # The switch multiplies what the process says, not only its state: its gradient then weighs on against off.
            running = self.transient(own, context, parent, state["transient"], state["on"])
            moved = moved + on[..., None] * self.decode["t"](running)
            parent = parent + on[..., None] * self.back(running)
            transient = on[..., None] * running
        after = {
            "human": parent,
            "object": states["object"],
            "transient": transient,
            "on": on.detach(),
            "root": humans[:, :, 0],
            "place": objects[..., :SPACE],
        }
        return (
            humans + moved.unflatten(-1, humans.shape[2:]),
            objects + self.decode["o"](after["object"]),
            *(
                on,
                probability,
                after,
            ),
        )

    def forward(
        self,
        humans: Tensor,
        objects: Tensor,
        classes: Tensor | None = None,
        human_mask: Tensor | None = None,
        object_mask: Tensor | None = None,
        *,
        state: dict[str, Tensor] | None = None,
        horizon: int | None = None,
    ) -> Forecast:
        """Observe, then forecast.

        Args:
            humans: (B, T, H, J, 3), metres, in world coordinates; joint 0 is the root.
            objects: (B, T, O, object_dim); position first.
            classes: (B, O, num_classes), one-hot; none known by default.
            human_mask, object_mask: (B, H), (B, O) boolean, True for those that are there; all by default.
            state: ``Forecast.state`` of an earlier call, which this one goes on from; by default from rest.
            horizon: steps to forecast; the config's by default.
        """
        config, horizon = self.config, horizon or self.config.horizon
        self._check(humans, objects)
        batch, length, count = humans.shape[:3]
        if classes is None:
            classes = humans.new_zeros(batch, objects.shape[2], config.num_classes)
        device = humans.device
        masks = {
            "human": torch.ones(batch, count, dtype=torch.bool, device=device) if human_mask is None else human_mask,
            "object": torch.ones(batch, objects.shape[2], dtype=torch.bool, device=device)
            if object_mask is None
            else object_mask,
        }
        if state is None:
            state = self.begin(humans[:, 0], objects[:, 0])
        found = []
        for time in range(length):
            *answer, state = self.step(humans[:, time], objects[:, time], classes, masks, state)
            found.append(answer)
        observed = state
        for _ in range(horizon - 1):
            *answer, state = self.step(found[-1][0], found[-1][1], classes, masks, state)
            found.append(answer)
        people, things, switch, probability = (torch.stack(part, 1) for part in zip(*found, strict=True))
        last = length - 1
        return Forecast(
            *(people[:, last:], things[:, last:], people[:, :length], things[:, :length], switch, probability),
            state=observed,
        )

    def _check(self, humans: Tensor, objects: Tensor) -> None:
        config = self.config
        if humans.ndim != 5 or humans.shape[1] == 0 or humans.shape[3:] != (config.num_joints, SPACE):
            raise InputError(
                f"humans {list(humans.shape)}; expected (batch, steps, humans, {config.num_joints}, {SPACE}), "
                "one step at least"
            )
        if objects.ndim != 4 or objects.shape[:2] != humans.shape[:2] or objects.shape[3] != config.object_dim:
            raise InputError(
                f"objects {list(objects.shape)}; expected ({humans.shape[0]}, {humans.shape[1]}, objects, "
                f"{config.object_dim}), the batch and the steps of the humans"
            )


def example(config: DualityConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random walks."""
    random = torch.Generator().manual_seed(seed)
    length, joints = config.observed, config.num_joints
    found = {
        "humans": torch.randn(batch_size, length, config.num_humans, joints, SPACE, generator=random).cumsum(1) * 0.1,
        "objects": torch.randn(batch_size, length, config.num_objects, config.object_dim, generator=random) * 0.3,
    }
    if config.num_classes:
        names = torch.randint(config.num_classes, (batch_size, config.num_objects), generator=random)
        found["classes"] = nn.functional.one_hot(names, config.num_classes).float()
    return found
