"""The U-shaped network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.drop_path import linear_rates
from zoo_vision.att_swin_unet.config import STAGES, AttSwinUNetConfig, CrossContextualConfig
from zoo_vision.att_swin_unet.cross_contextual import CrossContextualAttention
from zoo_vision.images import require_images
from zoo_vision.swin import PatchEmbedding, PatchMerging, SwinBlock, initialise


class PatchExpanding(nn.Module):
    """A linear map, and its channels (row, column, channel) laid out as factor x factor places.

    (batch, H, W, dim) to (batch, factor H, factor W, out).
    """

    def __init__(self, dim: int, out: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.expand = nn.Linear(dim, factor * factor * out, bias=False)
        self.norm = nn.LayerNorm(out)

    def forward(self, x: Tensor) -> Tensor:
        """Expand."""
        cut = self.expand(x).unflatten(-1, (self.factor, self.factor, -1))
        return self.norm(cut.permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2))


class Stage(nn.Module):
    """The Swin blocks of one resolution, every second one shifted."""

    def __init__(self, config: AttSwinUNetConfig, stage: int) -> None:
        super().__init__()
        window, shift = config.window(stage)
        rates = linear_rates(config.drop_path, sum(config.depths))[sum(config.depths[:stage]) :]
        self.blocks = nn.ModuleList(
            SwinBlock(
                config.embed_dim * 2**stage,
                config.num_heads[stage],
                window,
                shift if block % 2 else 0,
                mlp_ratio=config.mlp_ratio,
                qkv_bias=config.qkv_bias,
                drop_path=rates[block],
            )
            for block in range(config.depths[stage])
        )


class EncoderStage(Stage):
    """Blocks, then patch merging in all stages but the last."""

    def __init__(self, config: AttSwinUNetConfig, stage: int) -> None:
        super().__init__(config, stage)
        self.downsample = PatchMerging(config.embed_dim * 2**stage) if stage < STAGES - 1 else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The next stage's input, and the attention weights of the last block."""
        weights = x
        for block in self.blocks.children():
            x, weights = block.attend(x)  # type: ignore[operator]
        return x if self.downsample is None else self.downsample(x), weights


class Encoder(nn.Module):
    """Images to the last stage's normalised map, with what the decoder needs of the others."""

    def __init__(self, config: AttSwinUNetConfig) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(config.patch_size, config.in_channels, config.embed_dim)
        self.layers = nn.ModuleList(EncoderStage(config, stage) for stage in range(STAGES))
        self.norm = nn.LayerNorm(config.embed_dim * 8)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """The map, the inputs of the stages, and the attention weights of their last blocks."""
        x = self.patch_embed(images)
        inputs, weights = [], []
        for layer in self.layers:
            inputs.append(x)
            x, last = layer(x)
            weights.append(last)
        return self.norm(x), inputs, weights


class DecoderStage(Stage):
    """Blocks that may use the encoder's attention, then patch expanding in all stages but the last."""

    def __init__(self, config: AttSwinUNetConfig, stage: int) -> None:
        super().__init__(config, stage)
        dim = config.embed_dim * 2**stage
        self.upsample = PatchExpanding(dim, dim // 2, 2) if stage else None
        shifts = [block.shift for block in self.blocks.children()]
        # Windows of blocks that are shifted otherwise hold other places: weights do not carry over to them.
        self.alike = [shift == shifts[-1] for shift in shifts]

    def forward(self, x: Tensor, change: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """(batch, H, W, dim) to (batch, 2H, 2W, dim / 2), in the last stage to the same shape."""
        for block, alike in zip(self.blocks.children(), self.alike, strict=True):
            x = block.attend(x, change if alike else None)[0]  # type: ignore[operator]
        return x if self.upsample is None else self.upsample(x)


class Decoder(nn.Module):
    """The way back to the image's resolution; step i joins what entered the encoder's stage 3 - i."""

    def __init__(self, config: AttSwinUNetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.embed_dim
        self.layers_up = nn.ModuleList([PatchExpanding(8 * width, 4 * width, 2)])
        self.layers_up.extend(DecoderStage(config, STAGES - 1 - step) for step in range(1, STAGES))
        widths = [8 * width, *(width * 2 ** (STAGES - 1 - step) for step in range(1, STAGES))]
        # The first is a place holder: step 0 joins nothing.
        self.concat_back_dim = nn.ModuleList([nn.Identity(), *(nn.Linear(2 * dim, dim) for dim in widths[1:])])
        if config.mode == "cross_contextual_attention":
            self.Crossvit_layer = nn.ModuleList(
                CrossContextualAttention(
                    CrossContextualConfig(dim, config.cross_heads, config.cross_head_dim, config.cross_depth)
                )
                for dim in widths[:0:-1]
            )
        # Of no use, and in every published checkpoint.
        self.norm = nn.LayerNorm(8 * width)
        self.norm_up = nn.LayerNorm(width)
        self.up = PatchExpanding(width, width, config.patch_size)
        self.output = nn.Conv2d(width, config.num_classes, 1, bias=False)

    def _join(self, step: int, x: Tensor, skip: Tensor) -> Tensor:
        """(batch, H, W, C) of the decoder and of the encoder to one map."""
        config, join = self.config, self.concat_back_dim[step]
        if config.mode == "cross_contextual_attention" and step <= config.skip_num:
            tokens = self.Crossvit_layer[STAGES - 1 - step](x.flatten(1, 2), skip.flatten(1, 2))
            x, skip = (stream.unflatten(1, skip.shape[1:3]) for stream in tokens)
        joined = join(torch.cat((x, skip), -1))
        if config.mode == "swin" and config.spatial_attention == "code":
            # The published branch with both settings joins a second time.
            joined = join(torch.cat((joined, skip), -1))
        return joined

    def _change(self, transferred: Tensor) -> Callable[[Tensor], Tensor] | None:
        """What a block does to its weights, given those of the encoder."""
        config = self.config
        if config.spatial_attention != "paper":
            return None

        def change(weights: Tensor) -> Tensor:
            joined = weights + transferred if config.combine == "add" else weights * transferred
            return joined / joined.sum(-1, keepdim=True) if config.renormalise else joined

        return change

    def forward(self, x: Tensor, inputs: list[Tensor], weights: list[Tensor]) -> Tensor:
        """The encoder's answers to logits (batch, classes, H, W)."""
        x = self.layers_up[0](x)
        for step in range(1, STAGES):
            stage = STAGES - 1 - step
            x = self.layers_up[step](self._join(step, x, inputs[stage]), self._change(weights[stage]))
        return self.output(self.up(self.norm_up(x)).permute(0, 3, 1, 2))


class AttSwinUNet(nn.Module):
    """Images (batch, channels, H, W) to logits (batch, classes, H, W)."""

    def __init__(self, config: AttSwinUNetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        # Of no use, and in every published checkpoint, with the patch's side where the channels belong.
        self.patch_embed = PatchEmbedding(4, config.patch_size, config.embed_dim)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Segment.

        Args:
            images: (batch, channels, H, W) in [0, 1], any sides; one channel is repeated. Sides that are no multiple
                of 8 patches are padded by their last row and column inside, and the padding is cut off again.

        Returns:
            Logits (batch, classes, H, W): for one class of a sigmoid, else of a softmax over classes.
        """
        channels, block = self.config.in_channels, 8 * self.config.patch_size
        if images.ndim == 4 and images.shape[1] not in (1, channels):
            raise InputError(f"images {list(images.shape)}; expected (batch, {channels} or 1, height, width)")
        require_images(images, images.shape[1] if images.ndim == 4 else channels)
        height, width = images.shape[2:]
        padded = functional.pad(images, (0, -width % block, 0, -height % block), mode="replicate")
        logits = self.decoder(*self.encoder(padded.expand(-1, channels, -1, -1)))
        return logits[..., :height, :width]


def example(config: AttSwinUNetConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images, odd sides."""
    generator = torch.Generator().manual_seed(seed)
    return {"images": torch.rand(batch_size, config.in_channels, 33, 42, generator=generator)}


def paper_input(config: AttSwinUNetConfig) -> dict[str, Tensor]:
    """One image of the config's size, 224 x 224 by default."""
    return {"images": torch.empty(1, config.in_channels, config.image_size, config.image_size)}
