"""What the paper promises and a machine can check."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import zoo
from zoo import Measurement
from zoo_activity.persistent_transient_duality.config import DualityConfig, SwitchingConfig
from zoo_activity.persistent_transient_duality.network import PersistentTransientDuality, example
from zoo_activity.persistent_transient_duality.switching import Switching, forecaster
from zoo_activity.persistent_transient_duality.training import STEPS, fit


def _tiny(**overrides: Any) -> PersistentTransientDuality:
    torch.manual_seed(0)
    model: PersistentTransientDuality = zoo.load("persistent-transient-duality/tiny", **overrides).eval()
    return model


def _masks(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Everybody is there."""
    return {
        "human": torch.ones(inputs["humans"].shape[0], inputs["humans"].shape[2], dtype=torch.bool),
        "object": torch.ones(inputs["objects"].shape[0], inputs["objects"].shape[2], dtype=torch.bool),
    }


def check_discrete() -> Measurement:
    """Values of the switch over 64 scenes, in training (noise) and in use; the gradient that reaches its network."""
    model = _tiny()
    inputs = example(model.config, 64)
    values: set[float] = set()
    for training in (True, False):
        values |= set(model.train(training)(**inputs).switch.detach().unique().tolist())
    model(**inputs).humans.sum().backward()
    gradient = model.switch.mlp.fc1.weight.grad
    size = float(gradient.norm()) if gradient is not None else 0.0
    return Measurement(
        f"values {sorted(values)}; the forecast's gradient in the switch's weights has norm {size:.2g}",
        values == {0.0, 1.0} and 0 < size < float("inf"),
    )


def check_switched_off() -> Measurement:
    """The same weights with the switch held off, with it held on, and in a network without a transient channel."""
    model, without = _tiny(switch="never"), _tiny(transient=False)
    always = _tiny(switch="always")
    without.load_state_dict({name: model.state_dict()[name] for name in without.state_dict()})
    always.load_state_dict(model.state_dict())
    inputs = example(model.config)
    with torch.no_grad():
        off, plain, on = (network(**inputs).humans for network in (model, without, always))
    apart, moved = float((off - plain).abs().max()), float((on - plain).abs().max())
    return Measurement(f"off: largest difference {apart:g}; on: {moved:.2g}", apart == 0 < moved)


def check_forgets() -> Measurement:
    """Two histories, one persistent state given to both: transient states after switching on, and after staying on."""
    model = _tiny()
    inputs, other = example(model.config), example(model.config, seed=1)
    apart = []
    with torch.no_grad():
        for was_on in (False, True):
            states = []
            for history in (inputs, other):
                state = model.begin(history["humans"][:, 0], history["objects"][:, 0])
                for time in range(3):
                    # The last of these steps decides whether the process runs when the two are made to agree.
                    force = torch.full_like(state["on"], float(was_on or time < 2))
                    *_, state = model.step(
                        history["humans"][:, time],
                        history["objects"][:, time],
                        inputs["classes"],
                        _masks(inputs),
                        state,
                        force,
                    )
                states.append(state)
            for name in ("human", "object", "root", "place"):
                states[1][name] = states[0][name]
            born = [
                model.step(
                    *(inputs["humans"][:, 3], inputs["objects"][:, 3], inputs["classes"], _masks(inputs), state),
                    torch.ones_like(state["on"]),
                )[-1]["transient"]
                for state in states
            ]
            apart.append(float((born[0] - born[1]).abs().max()))
    return Measurement(
        f"difference {apart[0]:g} where it was switched on, {apart[1]:.2g} where it had been running",
        apart[0] == 0 < apart[1],
    )


def check_egocentric() -> Measurement:
    """Move the whole scene by up to 10 m; the parents' states stay those of the first scene."""
    found = []
    for egocentric in (True, False):
        model = _tiny(egocentric=egocentric)
        inputs = example(model.config)
        parent, state = torch.randn(2, 2, model.config.dim), torch.randn(2, 2, model.config.transient_dim)
        outputs = []
        with torch.no_grad():
            for offset in (torch.zeros(3), torch.tensor([10.0, -4.0, 1.0])):
                humans = inputs["humans"] + offset
                objects = torch.cat((inputs["objects"][..., :3] + offset, inputs["objects"][..., 3:]), -1)
                steps = (humans[:, 1, :, 0] - humans[:, 0, :, 0], (objects[:, 1] - objects[:, 0])[..., :3])
                looked = model.transient.look(
                    humans[:, 1], objects[:, 1], *steps, inputs["classes"], _masks(inputs)["object"]
                )
                outputs.append(model.transient(*looked, parent, state, torch.ones(2, 2)))
        found.append(float((outputs[0] - outputs[1]).abs().max()))
    return Measurement(
        f"output moves by {found[0]:.1e}; in world coordinates by {found[1]:.2g}", found[0] < 1e-5 < found[1]
    )


def check_switching() -> Measurement:
    """Train the network and its ablation on walkers who stop to circle objects; 200 further episodes."""
    task = SwitchingConfig(observed=8, horizon=6)
    scores = []
    for transient in (True, False):
        config = DualityConfig(dim=24, transient_dim=24, num_joints=1, object_dim=3, num_objects=2, transient=transient)
        scores.append(Switching(task).run(forecaster(fit(config, task, steps=STEPS, labelled=True))))
    both, alone = scores
    return Measurement(
        f"{both['error']:.3f} m, persistent channel alone {alone['error']:.3f} m, last velocity "
        f"{both['error_same_velocity']:.3f} m, standing still {both['error_standing_still']:.3f} m; F1 of the switch "
        f"{both['switch_f1']:.2f}",
        both["error"] < 0.95 * min(alone["error"], both["error_same_velocity"]),
        f"{STEPS} steps of training, width 24, the switch told who circles when; less than 5% counts as no difference",
    )
