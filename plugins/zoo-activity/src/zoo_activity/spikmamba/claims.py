"""What the paper promises and a machine can check."""

from __future__ import annotations

import itertools
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import zoo
from zoo import Measurement
from zoo.evidence.measuring import PeakMemory, quickest
from zoo.nn.heads import merge_heads, split_heads
from zoo_activity.spikmamba.attention import SpikingAttention, turn
from zoo_activity.spikmamba.config import LIF_AXES, SpikMambaConfig
from zoo_activity.spikmamba.network import SpikMamba, example
from zoo_activity.spikmamba.training import held_out_accuracy, linear_accuracy

_TOKENS = (256, 1024, 4096)


def _attention(tokens: int) -> SpikingAttention:
    torch.manual_seed(0)
    side = round(tokens**0.5)
    return SpikingAttention(SpikMambaConfig(image_size=side, patch_size=1)).eval()


@torch.no_grad()
def check_linear_cost() -> Measurement:
    """Operations, memory and time of the attention over 4 frames of 256, 1024 and 4096 tokens, 256 wide."""
    counted, held, timed = [], [], []
    for tokens in _TOKENS:
        layer, x = _attention(tokens), torch.randn(4, tokens, 256, generator=torch.Generator().manual_seed(0))
        with FlopCounterMode(display=False) as counter:
            layer(x, 4)
        with PeakMemory() as memory:
            layer(x, 4)
        counted.append(counter.get_total_flops())
        held.append(memory.peak)
        timed.append(quickest(partial(layer, x, 4), 7))
    rows = [[b / a for a, b in itertools.pairwise(each)] for each in (counted, held, timed)]
    words = [
        f"{what} {row[0]:.2f} and {row[1]:.2f}"
        for what, row in zip(("operations", "memory", "time"), rows, strict=True)
    ]
    # Sums of keys and values are of one size for any N, which keeps the memory's ratios below 4; a map's would be 16.
    linear = all(abs(ratio - 4) < 0.04 for ratio in rows[0]) and all(3 < ratio < 4.04 for ratio in rows[1])
    return Measurement(
        f"4 times the tokens: {'; '.join(words)} times",
        linear and all(2.5 < ratio < 6.5 for ratio in rows[2]),
        "least CPU time of 7 runs on one thread",
    )


def _keep(found: list[Tensor], module: nn.Module, args: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    found.append(output[0].detach())


def check_binary() -> Measurement:
    """Spikes of patches and of queries and keys of a small network, in both meanings of time; and ELU + 1 of them."""
    values, shares = set(), []
    for axis in LIF_AXES:
        torch.manual_seed(0)
        config = SpikMambaConfig(image_size=32, dim=32, num_heads=4, lif_axis=axis)
        # In training, where the normalisation makes currents that fire.
        model = SpikMamba(config).train()
        found: list[Tensor] = []
        for module in (model.patch_embed.neurons, *(block.attn.neurons for block in model.blocks)):
            module.register_forward_hook(partial(_keep, found))
        model(**example(config))
        values |= {value for spikes in found for value in spikes.unique().tolist()}
        shares += [float(spikes.mean()) for spikes in found]
    raised = sorted((functional.elu(torch.tensor(sorted(values))) + 1).tolist())
    return Measurement(
        f"values {sorted(values)}, after ELU + 1 {raised}; {min(shares):.3f} to {max(shares):.3f} of them fire",
        values == {0.0, 1.0} and raised == [1.0, 2.0] and min(shares) > 0.001,
    )


@torch.no_grad()
def check_quadratic_form() -> Measurement:
    """The layer beside weights W = turned q turned k^T / (N (q . mean k + 1e-6)) that are written out, per head."""
    layer = _attention(64)
    # Currents that fire.
    layer.qk_bn.weight.fill_(4)
    x = torch.randn(6, 64, 256, generator=torch.Generator().manual_seed(1))
    spikes = layer.spikes(x, 6)[0]
    query, key = (split_heads(part, 8) for part in (functional.elu(spikes) + 1).chunk(2, -1))
    rotated = [split_heads(turn(merge_heads(part), layer.rotation), 8) for part in (query, key)]
    norm = torch.einsum("bhnd,bhd->bhn", query, key.mean(2)) + 1e-6
    weights = torch.einsum("bhnd,bhmd->bhnm", *rotated) / (64 * norm[..., None])
    local = layer.lepe(x.mT.unflatten(-1, (8, 8))).flatten(2).mT
    written = merge_heads(weights @ split_heads(x, 8)) + local
    worst = float((layer(x, 6)[0] - written).abs().max() / written.abs().max())
    return Measurement(f"relative difference {worst:.1g}; {float(spikes.mean()):.2f} of q and k fire", worst < 1e-5)


def check_real_videos() -> Measurement:
    """The bundled network on held-out clips of events, beside a linear model on how many events there are."""
    model = zoo.load("spikmamba/video")
    found, linear = held_out_accuracy(model), linear_accuracy(model.config)
    return Measurement(
        f"{found:.1%} of held-out clips, a linear model on event counts {linear:.1%}, chance 33.3%",
        found > linear,
        "events made of three real videos by thresholds; the last third of each is held out",
    )
