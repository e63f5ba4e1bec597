"""What the paper promises and a machine can check."""

from __future__ import annotations

import math

import torch

import zoo
from zoo import Measurement
from zoo_activity.virt.config import VIRTConfig
from zoo_activity.virt.losses import action_loss
from zoo_activity.virt.network import VIRT, example


def check_memory_length() -> Measurement:
    """Count the memory's tokens in the released config, without computing them, with and without the gaze's share."""
    config = VIRTConfig()
    with torch.device("meta"):
        model = VIRT(config).eval()
    inputs = {name: value.to("meta") for name, value in example(config, 1).items()}
    shares, crops = model.look(inputs["image"], inputs.pop("colour"))
    inputs["past_action_is_pad"] = inputs["observation_is_pad"] = torch.zeros(1, 5, dtype=torch.bool, device="meta")
    memory, _, hidden = model.remember(inputs.pop("image"), shares, crops, **inputs)
    gaze = config.num_cameras * config.roi_tokens
    return Measurement(
        f"{memory.shape[1]} tokens, {gaze} of them of the crops; width {memory.shape[2]}",
        memory.shape[1] == 543 == hidden.shape[1] and gaze == 264,
    )


def check_padded_history() -> Measurement:
    """Replace padded actions and observations, then the same ones without padding."""
    torch.manual_seed(0)
    model = zoo.load("virt/tiny").eval()
    inputs = example(model.config)
    names = ("past_action", "gripper", "joints")
    changed = dict(inputs)
    for name in names:
        changed[name] = inputs[name].clone()
        changed[name][:, 0] += 5.0
    actions, observations = torch.zeros(2, 2, dtype=torch.bool), torch.zeros(2, 3, dtype=torch.bool)
    actions[:, 0] = observations[:, 0] = True
    padding = {"past_action_is_pad": actions, "observation_is_pad": observations}
    with torch.no_grad():
        hidden = float((model(**inputs, **padding).actions - model(**changed, **padding).actions).abs().max())
        seen = float((model(**inputs).actions - model(**changed).actions).abs().max())
    return Measurement(
        f"largest change {hidden:g} where the changed steps are padding, {seen:.2g} where not", hidden == 0 < seen
    )


def check_best_scale() -> Measurement:
    """Minimise the loss of a fixed error over u, for errors from 0.01 to 100."""
    errors = torch.logspace(-2, 2, 9, dtype=torch.float64)
    scale = torch.zeros(9, dtype=torch.float64, requires_grad=True)
    target, real = torch.zeros(9, 1, 1, dtype=torch.float64), torch.zeros(9, 1, dtype=torch.bool)
    optimiser = torch.optim.LBFGS([scale], lr=1.0, max_iter=200, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimiser.zero_grad()
        value = action_loss(errors[:, None, None, None], target, real, scale[:, None, None, None])
        value.backward()
        return float(value.detach())

    optimiser.step(closure)
    off = float((scale.detach() - (math.sqrt(2) * errors).log()).abs().max())
    return Measurement(f"the minimum lies at ln(sqrt2 e) to within {off:.1e}", off < 1e-4)
