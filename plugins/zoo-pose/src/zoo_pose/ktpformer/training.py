"""Training on captured motions, with the paper's loss."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from zoo_pose import lifter_training, metrics
from zoo_pose.ktpformer.config import KTPFormerConfig
from zoo_pose.ktpformer.network import KTPFormer

# Of Human3.6M's joints: hands and feet weigh most.
WEIGHTS = (1, 1, 2.5, 2.5, 1, 2.5, 2.5, 1, 1, 1, 1.5, 1.5, 4, 4, 1.5, 4, 4)
STEPS, RATE = 900, 8e-3


def loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """Weighted position error + 0.5 weighted squared motion of the prediction + 2 velocity error; (batch, F, 17, 3).

    mean_j w_j |p_j - t_j| + 0.5 mean(w_j (p_f - p_{f-1})^2) + 2 mean |(p_f - p_{f-1}) - (t_f - t_{f-1})|
    """
    weights = predicted.new_tensor(WEIGHTS)
    position = (weights * metrics.joint_errors(predicted, truth)).mean()
    motion = (weights[:, None] * predicted.diff(dim=1).square()).mean()
    return position + 0.5 * motion + 2.0 * metrics.velocity_error(predicted, truth).mean()


def train(
    config: KTPFormerConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """The recipe of all lifters; a minute on one core for the preset ``motions``."""
    model = lifter_training.fit(
        lifter_training.without_biases(KTPFormer(config)),
        config.num_frames,
        "all",
        steps=STEPS,
        batch_size=64,
        seed=seed,
        log=log,
        loss=loss,
        rate=RATE,
    )
    return model, lifter_training.rounded_metrics(model, config.num_frames, "all")
