"""The dynamic region mixer: scan the tokens that matter, rescale the others."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_vision.dynamicvis.config import MixerConfig
from zoo_vision.dynamicvis.mamba import ScanBlock


class DynamicRegionMixer(nn.Module):
    """Tokens (batch, N, dim) to the same shape."""

    def __init__(self, config: MixerConfig) -> None:
        super().__init__()
        self.config = config
        if config.reduction_ratio:
            self.spatial_gate = nn.Linear(config.dim, 1, bias=False)
        self.spatial_mamba_mixer = ScanBlock(config)

    def scores(self, x: Tensor) -> Tensor:
        """Logits (batch, N), in at least float32 whatever autocast says: they decide what is scanned."""
        wide = torch.promote_types(x.dtype, torch.float32)
        with torch.autocast(x.device.type, enabled=False):
            if type(self.spatial_gate) is not nn.Linear:
                # What has been put in its place, an adapter, computes more than its weight says.
                return self.spatial_gate(x)[..., 0].to(wide)
            return (x.to(wide) @ self.spatial_gate.weight.to(wide).mT)[..., 0]

    def select(self, logits: Tensor) -> Tensor:
        """Which tokens are scanned (batch, k), in the order of the scan; nothing is differentiated through this."""
        config = self.config
        ranks = logits.detach()
        if self.training and config.gumbel_scale:
            uniform = torch.rand_like(ranks).clamp(torch.finfo(ranks.dtype).tiny)
            ranks = ranks - config.gumbel_scale * torch.log(-torch.log(uniform))
        count = max(1, ranks.shape[1] // config.reduction_ratio)
        chosen = ranks.topk(count, 1).indices
        return chosen.sort(1).values if config.order == "position" else chosen

    def forward(self, x: Tensor, height: int | None = None) -> Tensor:
        """Mix.

        Args:
            x: (batch, N, dim), a map row by row.
            height: of that map; it decides the number of global tokens where the config does not.
        """
        config = self.config
        if x.ndim != 3 or x.shape[2] != config.dim or x.shape[1] < 1:
            raise InputError(f"x {list(x.shape)}; expected (batch, tokens, {config.dim})")
        pooled = self._global(x, height)
        if not config.reduction_ratio:
            return self._scan(x, pooled)
        logits = self.scores(x)
        weights = logits.softmax(1).to(x.dtype)[..., None]
        places = self.select(logits)[..., None]
        share = weights.gather(1, places)
        if config.norm_topk:
            share = share / share.sum(1, keepdim=True)
        places = places.expand(-1, -1, config.dim)
        scanned = self._scan(x.gather(1, places), pooled) * share
        if not config.softmax_on_x:
            return x.scatter_add(1, places, scanned.to(x.dtype))
        return x + (x * weights).scatter(1, places, scanned.to(x.dtype))

    def _global(self, x: Tensor, height: int | None) -> Tensor | None:
        config = self.config
        if config.global_position == "none":
            return None
        count = config.num_global
        if count < 0:
            if height is None:
                raise InputError("the number of global tokens follows the map's height: give height, or set num_global")
            count = height
        return functional.adaptive_avg_pool1d(x.mT, count).mT

    def _scan(self, tokens: Tensor, pooled: Tensor | None) -> Tensor:
        """The scan block over tokens (batch, k, dim) with global tokens among them, of which only k are given back."""
        if pooled is None:
            return self.spatial_mamba_mixer(tokens)
        count, extra = tokens.shape[1], pooled.shape[1]
        match self.config.global_position:
            case "head":
                return self.spatial_mamba_mixer(torch.cat((pooled, tokens), 1))[:, extra:]
            case "headtail":
                return self.spatial_mamba_mixer(torch.cat((pooled, tokens, pooled), 1))[:, extra : extra + count]
        if extra > count + 1:
            raise InputError(f"{extra} global tokens in the middle of {count}: give at most one more than are scanned")
        half = count // 2
        found = self.spatial_mamba_mixer(torch.cat((tokens[:, :half], pooled, tokens[:, half:]), 1))
        # The authors cut there, which is not where the global tokens stand unless half of both agree.
        start = (count + extra) // 2
        return torch.cat((found[:, :start], found[:, start + extra :]), 1)


def example(config: MixerConfig, batch_size: int = 2, seed: int = 0) -> dict[str, object]:
    """Random tokens of a map of 6 x 6."""
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, object] = {"x": torch.randn(batch_size, 36, config.dim, generator=generator)}
    if config.num_global < 0 and config.global_position != "none":
        found["height"] = 6
    return found
