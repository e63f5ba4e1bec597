"""MoH-DiT: a diffusion transformer (DiT, adaLN-Zero) whose attention is MoH.

A latent (4, 32, 32) becomes 256 tokens, each 2 x 2 patch one, plus a fixed table of sines and cosines. The
timestep and the class are embedded and added to c, and every block is modulated by it:

    (shift1, scale1, gate1, shift2, scale2, gate2) = Linear(SiLU(c))
    x = x + gate1 * MoH(LN(x) (1 + scale1) + shift1)
    x = x + gate2 * MLP(LN(x) (1 + scale2) + shift2)

Twice the input channels come out: the predicted noise and the variance (between its two bounds).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.mlp import MLP
from zoo.nn.patch_embed import PatchEmbed
from zoo_sequence.moh.attention import MoHAttention
from zoo_sequence.moh.config import MoHDiTConfig
from zoo_sequence.moh.routing import Routing

_FREQUENCIES = 256
_LABEL_DROPOUT = 0.1
_GUIDED_CHANNELS = 3


class TimestepEmbedder(nn.Module):
    """Timesteps (batch,) to (batch, dim): cosines and sines of geometric frequencies, then an MLP."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mlp = MLP(_FREQUENCIES, dim, dim, activation="silu")

    def forward(self, t: Tensor) -> Tensor:
        """Embed; the features are computed in at least float32."""
        dtype = self.mlp.fc1.weight.dtype
        half = _FREQUENCIES // 2
        work = torch.promote_types(dtype, torch.float32)
        frequencies = torch.exp(-math.log(10_000) / half * torch.arange(half, dtype=work, device=t.device))
        angles = t.to(work)[:, None] * frequencies
        return self.mlp(torch.cat((angles.cos(), angles.sin()), -1).to(dtype))


class LabelEmbedder(nn.Embedding):
    """Classes (batch,) int64 to (batch, dim); in training a tenth of them becomes the null class."""

    def __init__(self, num_classes: int, dim: int) -> None:
        super().__init__(num_classes + 1, dim)

    def forward(self, labels: Tensor) -> Tensor:
        """Embed.

        Raises:
            InputError: a label is outside 0..num_classes.
        """
        null = self.num_embeddings - 1
        # A program that is traced knows no numbers; there the table itself refuses what it has not.
        if (
            not torch.compiler.is_compiling()
            and labels.numel()
            and not 0 <= int(labels.min()) <= int(labels.max()) <= null
        ):
            raise InputError(f"class labels must lie in 0..{null}, where {null} stands for no class")
        if self.training:
            dropped = torch.rand(labels.shape, device=labels.device) < _LABEL_DROPOUT
            labels = torch.where(dropped, null, labels)
        return super().forward(labels)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x (batch, tokens, dim) times 1 + scale plus shift, both (batch, dim)."""
    return x * (1 + scale[:, None]) + shift[:, None]


class DiTBlock(nn.Module):
    """Attention and MLP, each shifted, scaled and gated by the condition."""

    def __init__(self, config: MoHDiTConfig, index: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.dim, eps=1e-6, elementwise_affine=False)
        self.attn = MoHAttention(config.layer(index))
        self.mlp = MLP(config.dim, int(config.mlp_ratio * config.dim), activation="gelu_tanh")
        self.adaln = nn.Linear(config.dim, 6 * config.dim)

    def forward(self, x: Tensor, condition: Tensor, routings: list[Routing] | None = None) -> Tensor:
        """x (batch, tokens, dim), condition SiLU(c) (batch, dim)."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaln(condition).chunk(6, dim=-1)
        x = x + gate1[:, None] * self.attn(modulate(self.norm(x), shift1, scale1), routings=routings)
        return x + gate2[:, None] * self.mlp(modulate(self.norm(x), shift2, scale2))


class FinalLayer(nn.Module):
    """Tokens to the values of their patches."""

    def __init__(self, config: MoHDiTConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.dim, eps=1e-6, elementwise_affine=False)
        self.linear = nn.Linear(config.dim, config.patch_size**2 * config.out_channels)
        self.adaln = nn.Linear(config.dim, 2 * config.dim)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(batch, tokens, patch_size^2 channels)."""
        shift, scale = self.adaln(condition).chunk(2, dim=-1)
        return self.linear(modulate(self.norm(x), shift, scale))


class MoHDiT(nn.Module):
    """Noisy latents (batch, 4, 32, 32), timesteps and classes to noise and variance (batch, 8, 32, 32)."""

    def __init__(self, config: MoHDiTConfig) -> None:
        super().__init__()
        self.config = config
        side = config.input_size // config.patch_size
        self.x_embedder = PatchEmbed(config.patch_size, config.dim, config.in_channels)
        self.pos_embed = nn.Parameter(grid_positions(config.dim, side)[None], requires_grad=False)
        self.t_embedder = TimestepEmbedder(config.dim)
        self.y_embedder = LabelEmbedder(config.num_classes, config.dim)
        self.blocks = nn.ModuleList(DiTBlock(config, index) for index in range(config.num_layers))
        self.final_layer = FinalLayer(config)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier for linear layers, N(0, 0.02) for embeddings, zero for every modulation and the output."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
        nn.init.xavier_uniform_(self.x_embedder.proj.weight.detach().flatten(1))
        for embedding in (self.y_embedder, self.t_embedder.mlp.fc1, self.t_embedder.mlp.fc2):
            nn.init.normal_(embedding.weight, std=0.02)
        for name, parameter in self.named_parameters():
            silent = ".adaln." in name or name.startswith("final_layer.")
            if silent or name.endswith(".bias"):
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, t: Tensor, y: Tensor, *, routings: list[Routing] | None = None) -> Tensor:
        """Predict the noise (and the variance) in ``x``.

        Args:
            x: (batch, in_channels, input_size, input_size).
            t: (batch,) timesteps 0..999, float or integer.
            y: (batch,) int64 classes; ``num_classes`` is the null class.
            routings: a list that every layer's decision is appended to, for ``balance_loss``.

        Returns:
            (batch, out_channels, input_size, input_size).

        Raises:
            InputError: the latent is not of the configured size, or a class does not exist.
        """
        config = self.config
        if tuple(x.shape[1:]) != (config.in_channels, config.input_size, config.input_size):
            raise InputError(
                f"latent of shape {tuple(x.shape)}; expected (batch, {config.in_channels}, {config.input_size}, "
                f"{config.input_size})"
            )
        tokens = self.x_embedder(x) + self.pos_embed
        condition = nn.functional.silu(self.t_embedder(t) + self.y_embedder(y))
        for block in self.blocks:
            tokens = block(tokens, condition, routings)
        return self._unpatchify(self.final_layer(tokens, condition))

    def _unpatchify(self, tokens: Tensor) -> Tensor:
        """(B, h w, p q c) to (B, c, h p, w q)."""
        side, patch = self.config.input_size // self.config.patch_size, self.config.patch_size
        grid = tokens.unflatten(1, (side, side)).unflatten(-1, (patch, patch, -1))
        return grid.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)

    def guided(self, x: Tensor, t: Tensor, y: Tensor, scale: float) -> Tensor:
        """Classifier-free guidance: the same latents once with their classes and once with none.

        Args:
            x: (2 n, ...) whose first half is taken for both.
            t: (2 n,).
            y: (2 n,), the second half null classes.
            scale: s in u + s (c - u); only the first three channels are guided.

        Returns:
            (2 n, out_channels, ...), the guided channels equal in both halves.
        """
        half = x[: len(x) // 2]
        output = self(torch.cat((half, half)), t, y)
        conditional, unconditional = output[:, :_GUIDED_CHANNELS].chunk(2)
        noise = unconditional + scale * (conditional - unconditional)
        return torch.cat((torch.cat((noise, noise)), output[:, _GUIDED_CHANNELS:]), 1)


def grid_positions(dim: int, side: int) -> Tensor:
    """(side^2, dim): [sin, cos] of the column in the first half of the features, of the row in the second."""
    frequencies = 10_000 ** (-torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    angles = torch.arange(side, dtype=torch.float64)[:, None] * frequencies
    line = torch.cat((angles.sin(), angles.cos()), -1)
    columns = line.expand(side, -1, -1)
    rows = line[:, None].expand(-1, side, -1)
    return torch.cat((columns, rows), -1).flatten(0, 1).float()


def dit_example(config: MoHDiTConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random latents, timesteps and classes."""
    generator = torch.Generator().manual_seed(seed)
    side = config.input_size
    return {
        "x": torch.randn(batch_size, config.in_channels, side, side, generator=generator),
        "t": torch.randint(1000, (batch_size,), generator=generator).float(),
        "y": torch.randint(config.num_classes, (batch_size,), generator=generator),
    }
