"""The schema of VIRT."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

OUTPUT_MODES = ("absolute", "relative")


@dataclass
class VIRTConfig:
    """Config of VIRT."""

    dim: int = zoo.field(512, "width of the transformer's tokens", minimum=1)
    hidden_dim: int = zoo.field(3200, "width of its feed-forward networks", minimum=1)
    num_heads: int = zoo.field(8, "its attention heads", minimum=1)
    encoder_layers: int = zoo.field(0, "layers that refine the memory", minimum=0)
    decoder_layers: int = zoo.field(3, "layers that read it", minimum=1)
    chunk_size: int = zoo.field(10, "future actions", minimum=1)
    action_dim: int = zoo.field(9, "values of an action", minimum=1)
    gripper_dim: int = zoo.field(13, "values of an observation of the end effector", minimum=1)
    joint_dim: int = zoo.field(9, "values of an observation of the joints", minimum=1)
    num_cameras: int = zoo.field(3, "cameras", minimum=1)
    image_width: int = zoo.field(154, "of camera images, a multiple of the patch", unit="pixels", minimum=1)
    image_height: int = zoo.field(112, "of camera images, a multiple of the patch", unit="pixels", minimum=1)
    roi_width: int = zoo.field(154, "of crops, a multiple of the patch", unit="pixels", minimum=1)
    roi_height: int = zoo.field(112, "of crops, a multiple of the patch", unit="pixels", minimum=1)
    past_actions: int = zoo.field(5, "past actions in the memory; 0 leaves them out", minimum=0)
    past_observations: int = zoo.field(5, "past observations in the memory", minimum=1)
    use_gripper: bool = zoo.field(True, "whether observations of the end effector are in the memory")
    use_joints: bool = zoo.field(True, "whether observations of the joints are in the memory")
    goal_image: bool = zoo.field(False, "whether an image of the outcome joins the memory (robotic imagery)")
    num_stages: int = zoo.field(1, "stages of the task", minimum=1)
    predict_stage: bool = zoo.field(False, "whether a further query predicts the stage")
    output_mode: str = zoo.field(
        "absolute", "actions as such, or relative to the last pose of the end effector", choices=OUTPUT_MODES
    )
    uncertainty: bool = zoo.field(True, "whether the logarithm of each action's scale is predicted")
    uncertainty_min: float = zoo.field(-10.0, "the least logarithm of a scale")
    uncertainty_max: float = zoo.field(10.0, "the largest one")
    crop_scale: float = zoo.field(4.0, "side of a crop / side of the object's box", minimum=0.0)
    image_mean: list[float] = zoo.field([0.485, 0.456, 0.406], "mean of R, G and B that images were normalised by")
    image_std: list[float] = zoo.field([0.229, 0.224, 0.225], "their standard deviation")
    grid_mask: bool = zoo.field(False, "in training: whether a random grid of squares is blackened")
    dropout: float = zoo.field(0.1, "of the transformer", minimum=0.0, maximum=1.0)
    trunk_dim: int = zoo.field(384, "width of the image trunk", minimum=1)
    trunk_layers: int = zoo.field(12, "its blocks", minimum=1)
    trunk_heads: int = zoo.field(6, "its attention heads", minimum=1)
    trunk_mlp_ratio: float = zoo.field(4.0, "its MLPs' width / trunk_dim", minimum=0.0)
    trunk_grid: int = zoo.field(37, "patches per side of its table of positions", minimum=1)
    trunk_offset: float = zoo.field(
        0.1, "added to patches per side where the table is interpolated", minimum=0.0, maximum=0.9
    )
    patch_size: int = zoo.field(14, "side of a patch", unit="pixels", minimum=1)
    layer_scale: bool = zoo.field(True, "whether the trunk's branches have learnt scales")

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if self.trunk_dim % self.trunk_heads:
            raise ConfigError(
                f"trunk_dim={self.trunk_dim} is not divisible by trunk_heads={self.trunk_heads}", field="trunk_heads"
            )
        for name in ("image_width", "image_height", "roi_width", "roi_height"):
            if getattr(self, name) % self.patch_size:
                raise ConfigError(
                    f"{name}={getattr(self, name)} is no multiple of patch_size={self.patch_size}", field=name
                )
        if self.uncertainty_min >= self.uncertainty_max:
            raise ConfigError("uncertainty_min must be below uncertainty_max", field="uncertainty_min")
        for name in ("image_mean", "image_std"):
            if len(getattr(self, name)) != 3:
                raise ConfigError(f"{name} has {len(getattr(self, name))} values; expected 3 (R, G, B)", field=name)
        if self.output_mode == "relative" and (self.gripper_dim < POSE or self.action_dim < POSE):
            raise ConfigError(f"output_mode=relative needs at least {POSE} values in both vectors", field="output_mode")

    @property
    def image_tokens(self) -> int:
        """Patches of one camera image."""
        return (self.image_width // self.patch_size) * (self.image_height // self.patch_size)

    @property
    def roi_tokens(self) -> int:
        """Patches of one crop."""
        return (self.roi_width // self.patch_size) * (self.roi_height // self.patch_size)


# Position and quaternion of the end effector, the first values of its observation and of an action.
POSE = 7
