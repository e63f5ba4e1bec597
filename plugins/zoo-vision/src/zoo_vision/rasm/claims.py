"""What the paper promises and a machine can check."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters, quickest
from zoo_vision import panels
from zoo_vision.rasm import training
from zoo_vision.rasm.attention import RegionalAttention, neighbourhood
from zoo_vision.rasm.config import RASMConfig, RegionalAttentionConfig
from zoo_vision.rasm.network import RASM, ChannelGate


def _attention(dim: int, num_heads: int, kernel_size: int, dilation: int) -> RegionalAttention:
    torch.manual_seed(0)
    return RegionalAttention(RegionalAttentionConfig(dim, num_heads, kernel_size, dilation)).eval()


def check_parameters() -> Measurement:
    """Count the network."""
    with torch.device("meta"):
        count = count_parameters(RASM(RASMConfig()))
    return Measurement(f"{count:,} parameters", count == 5_180_489)


def check_multiply_adds() -> Measurement:
    """Linear layers, convolutions, layer norms (5 an element), pooling of the gates and k x k products, by hooks.

    Products are those of the 121 keys that a query sees, not those of the tiles that are evaluated.
    """
    side = 256
    with torch.device("meta"):
        model = RASM(RASMConfig())
        inputs = {"images": torch.empty(1, 3, side, side), "mask": torch.empty(1, 1, side, side)}
    counts = {"products": 0, "others": 0}

    def count(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        match module:
            case RegionalAttention():
                counts["products"] += 2 * module.config.kernel_size**2 * output.numel()
            case ChannelGate():
                counts["others"] += output.numel()
            case nn.LayerNorm():
                counts["others"] += 5 * output.numel()
            case nn.ConvTranspose2d():
                counts["others"] += args[0].numel() * module.weight[0].numel()
            case nn.Conv2d() | nn.Linear():
                counts["others"] += output.numel() * module.weight[0].numel()

    for module in model.modules():
        module.register_forward_hook(count)
    model(**inputs)
    total = sum(counts.values())
    return Measurement(
        f"{total / 1e9:.3f}e9, {counts['products'] / 1e8:.1f}e8 of them products of attention",
        round(total / 1e9, 1) == 25.2,
    )


def check_linear_cost() -> Measurement:
    """Time of the attention at 64 x 64 and 128 x 128."""
    attention = _attention(32, 4, 11, 2)
    with torch.no_grad():
        small, large = (quickest(partial(attention, torch.randn(1, side, side, 32))) for side in (64, 128))
    return Measurement(f"{large / small:.1f} times the time for 4 times the pixels", 3 < large / small < 5.5)


def check_dense_equivalence() -> Measurement:
    """A 7 x 7 kernel on a 7 x 7 map against attention of all pixels to all, with the bias of every offset."""
    attention = _attention(16, 4, 7, 1)
    x = torch.randn(2, 7, 7, 16)
    with torch.no_grad():
        query, key, value = attention.qkv(x).reshape(2, 49, 3, 4, 4).permute(2, 0, 3, 1, 4)
        place = torch.arange(49)
        row, column = place // 7, place % 7
        bias = attention.rpb[:, row[None] - row[:, None] + 6, column[None] - column[:, None] + 6]
        weights = (query @ key.transpose(-1, -2) / 2 + bias).softmax(-1)
        dense = attention.proj((weights @ value).transpose(1, 2).reshape(2, 7, 7, 16))
        difference = float((attention(x) - dense).abs().max())
    return Measurement(f"largest difference {difference:.1e}", difference < 1e-5)


def check_starts_from_image() -> Measurement:
    """A network whose last projection is zero."""
    torch.manual_seed(0)
    model = RASM(RASMConfig(embed_dim=4, depths=[1] * 9, num_heads=[1, 1, 2, 2, 2, 2, 2, 1, 1])).eval()
    for parameter in model.output_proj.parameters():
        torch.nn.init.zeros_(parameter)
    image = torch.rand(1, 3, 24, 32)
    with torch.no_grad():
        difference = float((model(image, torch.ones(1, 1, 24, 32)) - image).abs().max())
    return Measurement(f"difference {difference:g}", difference == 0)


def check_locality() -> Measurement:
    """Which positions the attention at two queries depends on, an interior one and one at the border, by gradient."""
    attention = _attention(8, 2, 11, 2)
    side, found, right = 48, [], True
    for query in (24, 0):
        x = torch.randn(1, side, side, 8, requires_grad=True)
        (gradient,) = torch.autograd.grad(attention(x)[0, query, query].sum(), x)
        rows, columns = gradient[0].abs().sum(-1).nonzero(as_tuple=True)
        expected = set(neighbourhood(side, 11, 2)[query].tolist())
        reach = int((rows - query).abs().max())
        right &= set(rows.tolist()) == set(columns.tolist()) == expected and len(rows) == 121
        right &= reach == (10 if query else 20) and bool(((rows - query) % 2 == 0).all())
        found.append(f"{len(rows)} positions, at most {reach} rows away, from row {query}")
    return Measurement("; ".join(found), right)


def check_beats_one_gain() -> Measurement:
    """The bundled network on shadows over photographs that it never learned from; those of its recipe beside them."""
    model = zoo.load("rasm/photographs")
    found, chosen = training.evaluate(model), training.evaluate(model, "held-out")
    return Measurement(
        f"{found['psnr']:.2f} dB; one gain {found['one_gain']:.2f} dB, unchanged {found['unchanged']:.2f} dB (on the "
        f"photographs that the recipe was chosen by {chosen['psnr']:.2f}, {chosen['one_gain']:.2f} and "
        f"{chosen['unchanged']:.2f} dB); error in LAB over all pixels {found['lab']:.2f}, one gain "
        f"{found['lab_one_gain']:.2f}, unchanged {found['lab_unchanged']:.2f}",
        found["psnr"] > found["one_gain"] > found["unchanged"],
        "a small network; 64 windows of photographs kept for tests under shadows that were laid over them",
    )


def picture(path: Path) -> None:
    """A held-out photograph under a shadow that was laid over it, the mask, what the bundled network restores, and
    the photograph.
    """
    model = zoo.load("rasm/photographs")
    image, mask, truth = (tensor[[4]] for tensor in next(training.batches("held-out", 1, 8, seed=2)))
    with torch.no_grad():
        answer = model(image, mask)
    shown = {"in shadow": image, "mask": mask[0, 0], "RASM (bundled)": answer, "original": truth}
    panels.save_row(shown, path)
