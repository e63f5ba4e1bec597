"""The policy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_activity.virt.config import POSE, VIRTConfig
from zoo_activity.virt.gaze import NAMES, colour_boxes, enlarged, roi_align
from zoo_activity.virt.transformer import Transformer
from zoo_activity.virt.trunk import DINOv2


@dataclass
class VIRTOutput:
    """What the policy answers; L decoder layers, the last one is the answer, the others serve the loss.

    Args:
        actions: (B, chunk, action_dim), of the last layer.
        layer_actions: (B, L, chunk, action_dim).
        log_scale: (B, L, chunk, 1), clamped, or None.
        stage_logits: (B, L, num_stages), or None.
        boxes: (B, cams, 4), the objects' boxes as shares of width and height.
        crops: (B, cams, 3, h, w).
    """

    actions: Tensor
    layer_actions: Tensor
    log_scale: Tensor | None
    stage_logits: Tensor | None
    boxes: Tensor
    crops: Tensor


def grid_mask(image: Tensor) -> Tensor:
    """A grid of squares blackened (in normalised values: zero), with period and offset drawn per call."""
    height, width = image.shape[-2:]
    if torch.rand(()) > 0.7:
        return image
    period = int(torch.randint(2, max(min(height, width), 3), ()))
    shift = torch.randint(period, (2,)).tolist()
    rows, columns = (
        (torch.arange(size, device=image.device) + by) % period < period // 2
        for size, by in zip((height, width), shift, strict=True)
    )
    return image.masked_fill(rows[:, None] & columns, 0)


class VIRT(nn.Module):
    """Images, history and the colour of the object to a chunk of actions."""

    def __init__(self, config: VIRTConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.backbone = DINOv2(config)
        self.input_proj = nn.Linear(config.trunk_dim, dim)
        self.image_pos_embed = nn.Embedding(config.image_tokens, dim)
        self.roi_pos = nn.Embedding(config.num_cameras * config.roi_tokens, dim)
        self.obj_box_mlp = nn.Linear(4, dim)
        if config.past_actions:
            self.past_action_mlp = nn.Linear(config.action_dim, dim)
            self.past_action_pos_emb = nn.Embedding(config.past_actions, dim)
        if config.use_gripper or config.use_joints:
            self.obs_pos_emb = nn.Embedding(config.past_observations, dim)
        if config.use_gripper:
            self.end_obs_mlp = nn.Linear(config.gripper_dim, dim)
            self.end_obs_pos_emb = nn.Embedding(1, dim)
        if config.use_joints:
            self.joint_obs_mlp = nn.Linear(config.joint_dim, dim)
            self.joint_obs_pos_emb = nn.Embedding(1, dim)
        if config.goal_image:
            self.goal_pos_emb = nn.Embedding(1, dim)
        self.transformer = Transformer(config)
        self.query_embed = nn.Embedding(config.chunk_size + config.predict_stage, dim)
        self.action_head = nn.Linear(dim, config.action_dim)
        if config.uncertainty:
            self.uncern_head = nn.Linear(dim, 1)
        if config.predict_stage:
            self.status_head = nn.Linear(dim, config.num_stages)

    def look(self, image: Tensor, colour: Tensor | None = None, boxes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The gaze: boxes (B, cams, 4) as shares of the image, and crops (B, cams, 3, h, w).

        Args:
            image: (B, cams, 3, H, W), normalised.
            colour: (B,) places in ``gaze.NAMES``, for the detector by colour.
            boxes: (B, cams, 4) in pixels, of any other detector instead.
        """
        config = self.config
        if boxes is None:
            if colour is None:
                raise InputError(f"give colour (B,), places in {NAMES}, or boxes (B, cams, 4) in pixels")
            boxes = colour_boxes(image, colour, config.image_mean, config.image_std)
        crop = enlarged(boxes, config.crop_scale, config.image_width, config.image_height)
        size = boxes.new_tensor([config.image_width, config.image_height] * 2)
        return boxes / size, roi_align(image, crop, config.roi_width, config.roi_height)

    def forward(
        self,
        image: Tensor,
        colour: Tensor | None = None,
        past_action: Tensor | None = None,
        gripper: Tensor | None = None,
        joints: Tensor | None = None,
        past_action_is_pad: Tensor | None = None,
        observation_is_pad: Tensor | None = None,
        *,
        boxes: Tensor | None = None,
        goal: Tensor | None = None,
    ) -> VIRTOutput:
        """Act.

        Args:
            image: (B, cams, 3, image_height, image_width), normalised.
            colour: (B,) int64, places in ``gaze.NAMES``; see ``gaze.colour_index``.
            past_action: (B, past_actions, action_dim), standardised, the latest last.
            gripper: (B, past_observations, gripper_dim), standardised observations of the end effector.
            joints: (B, past_observations, joint_dim), standardised.
            past_action_is_pad, observation_is_pad: (B, past_actions), (B, past_observations), True for padding.
            boxes: (B, cams, 4) in pixels, instead of the detector by colour.
            goal: (B, 3, image_height, image_width), the outcome, with ``goal_image``.
        """
        config = self.config
        expected = (config.num_cameras, 3, config.image_height, config.image_width)
        if image.shape[1:] != expected:
            raise InputError(f"image {list(image.shape)}; expected (batch, {', '.join(map(str, expected))})")
        shares, crops = self.look(image, colour, boxes)
        memory, position, hidden = self.remember(
            image, shares, crops, past_action, gripper, joints, past_action_is_pad, observation_is_pad, goal
        )
        query = self.query_embed.weight.expand(image.shape[0], -1, -1)
        layers = self.transformer(query, memory, position, hidden)
        stages = self.status_head(layers[:, :, 0]) if config.predict_stage else None
        layers = layers[:, :, int(config.predict_stage) :]
        actions = self.action_head(layers)
        if config.output_mode == "relative":
            if gripper is None:
                raise InputError("output_mode=relative adds to the last observation: give gripper")
            pose = nn.functional.pad(gripper[:, -1, :POSE], (0, config.action_dim - POSE))
            actions = actions + pose[:, None, None]
        scale = None
        if config.uncertainty:
            scale = self.uncern_head(layers).clamp(config.uncertainty_min, config.uncertainty_max)
        return VIRTOutput(actions[:, -1], actions, scale, stages, shares, crops)

    def remember(
        self,
        image: Tensor,
        shares: Tensor,
        crops: Tensor,
        past_action: Tensor | None = None,
        gripper: Tensor | None = None,
        joints: Tensor | None = None,
        past_action_is_pad: Tensor | None = None,
        observation_is_pad: Tensor | None = None,
        goal: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens and positions (B, M, D), and (B, M), True for padding; arguments as ``look`` and ``forward`` say."""
        config, batch = self.config, image.shape[0]
        seen = image
        if self.training and config.grid_mask:
            seen = grid_mask(image)
        cameras = self.see(seen).unflatten(0, (batch, config.num_cameras))
        table = self.image_pos_embed.weight
        # The cameras share one table of positions; their crops have one each.
        tokens = [cameras.flatten(1, 2)]
        positions = [table.repeat(config.num_cameras, 1)]
        rois = self.see(crops).unflatten(0, (batch, config.num_cameras)) + self.obj_box_mlp(shares)[:, :, None]
        tokens.append(rois.flatten(1, 2))
        positions.append(self.roi_pos.weight)
        hidden = [torch.zeros(batch, tokens[0].shape[1] + tokens[1].shape[1], dtype=torch.bool, device=image.device)]

        def remember_history(
            name: str, values: Tensor | None, pad: Tensor | None, project: nn.Module, at: Tensor
        ) -> None:
            if values is None or values.shape[1] != len(at):
                found = "nothing" if values is None else list(values.shape)
                raise InputError(f"{name}: {found}; expected (batch, {len(at)}, values)")
            tokens.append(project(values))
            positions.append(at)
            hidden.append(torch.zeros_like(values[..., 0], dtype=torch.bool) if pad is None else pad)

        if config.past_actions:
            at = self.past_action_pos_emb.weight
            remember_history("past_action", past_action, past_action_is_pad, self.past_action_mlp, at)
        if config.use_gripper:
            at = self.obs_pos_emb.weight + self.end_obs_pos_emb.weight
            remember_history("gripper", gripper, observation_is_pad, self.end_obs_mlp, at)
        if config.use_joints:
            at = self.obs_pos_emb.weight + self.joint_obs_pos_emb.weight
            remember_history("joints", joints, observation_is_pad, self.joint_obs_mlp, at)
        if config.goal_image:
            if goal is None:
                raise InputError("goal_image=True: give goal (batch, 3, height, width), the image of the outcome")
            tokens.append(self.see(goal[:, None]))
            positions.append(table + self.goal_pos_emb.weight)
            hidden.append(torch.zeros_like(tokens[-1][..., 0], dtype=torch.bool))
        position = torch.cat(positions).expand(batch, -1, -1)
        return torch.cat(tokens, 1), position, torch.cat(hidden, 1)

    def see(self, image: Tensor) -> Tensor:
        """(B, cams, 3, H, W) to projected patches (B * cams, patches, D)."""
        return self.input_proj(self.backbone(image.flatten(0, 1)))


def example(config: VIRTConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Noise with a red square per camera, whole histories."""
    random = torch.Generator().manual_seed(seed)
    size = (config.image_height, config.image_width)
    image = torch.rand(batch_size, config.num_cameras, 3, *size, generator=random) * 0.1 + 0.45
    image[..., size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = torch.tensor([0.9, 0.0, 0.0])[:, None, None]
    mean, std = (torch.tensor(value)[:, None, None] for value in (config.image_mean, config.image_std))
    found = {
        "image": (image - mean) / std,
        "colour": torch.zeros(batch_size, dtype=torch.long),
        "past_action": torch.randn(batch_size, config.past_actions, config.action_dim, generator=random),
        "gripper": torch.randn(batch_size, config.past_observations, config.gripper_dim, generator=random),
        "joints": torch.randn(batch_size, config.past_observations, config.joint_dim, generator=random),
    }
    if config.goal_image:
        found["goal"] = torch.randn(batch_size, 3, *size, generator=random)
    return found


def paper_input(config: VIRTConfig) -> dict[str, Tensor]:
    """One step of the released tasks."""
    return example(config, batch_size=1)
