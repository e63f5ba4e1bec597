"""What the paper promises and a machine can check."""

from __future__ import annotations

from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import zoo
from zoo import Measurement
from zoo.nn.heads import merge_heads, split_heads
from zoo_vision.select_and_pack import cost, training
from zoo_vision.select_and_pack.attention import SelectPackAttention, SelectPackBlock
from zoo_vision.select_and_pack.config import SelectPackConfig, SPTConfig
from zoo_vision.select_and_pack.network import SPT, kept_share
from zoo_vision.select_and_pack.packing import pack
from zoo_vision.select_and_pack.selection import labels_of_masks, selection_loss

_STEPS = 150


def _attention(window: int, **fields: object) -> SelectPackAttention:
    torch.manual_seed(0)
    config = SelectPackConfig(dim=16, num_heads=2, window_size=window, **fields)  # type: ignore[arg-type]
    return SelectPackAttention(config).eval()


def _one_by_one(layer: SelectPackAttention, x: Tensor, scores: Tensor, kept: Tensor) -> Tensor:
    """Self-attention among the kept tokens of one image after another, without containers."""
    answers = torch.zeros_like(x)
    for index, image in enumerate(x):
        chosen = (image * scores[index].sigmoid()[..., None])[kept[index]][None]
        query, key, value = (split_heads(part, layer.config.num_heads) for part in layer.qkv(chosen).chunk(3, -1))
        weights = (query @ key.mT * query.shape[-1] ** -0.5).softmax(-1)
        answers[index][kept[index]] = merge_heads(weights @ value)[0]
    return layer.proj(answers)


def check_packing_is_exact() -> Measurement:
    """Containers shared by three images of one batch, and containers of their own, against a loop over images."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, 4, 5, 16, generator=generator)
    differences, seen = [], []
    # 60 tokens share a container of 64; of their own, containers of 25 hold the 20 tokens of each image.
    for layer in (_attention(8), _attention(5, packing="image")):
        with torch.no_grad():
            layer.gate.weight.mul_(50)
            found = layer.select(x)
            differences.append(float((found.output - _one_by_one(layer, x, found.scores, found.kept)).abs().max()))
        seen.append(int(found.kept.sum()))
    # Without the mask of images the answer would be another.
    layer = _attention(8)
    with torch.no_grad():
        alone = layer.select(x[:1], torch.full((1, 4, 5), torch.inf)).output
        together = layer.select(x, torch.full((3, 4, 5), torch.inf)).output[:1]
        mixed = layer.select(x.flatten(0, 1)[None], torch.full((1, 12, 5), torch.inf)).output[:, :4]
    apart, joined = float((alone - together).abs().max()), float((alone - mixed).abs().max())
    return Measurement(
        f"largest difference {max(differences):.1e} with {seen[0]} and {seen[1]} of 60 tokens kept; company changes "
        f"{apart:.1e}, company as one image {joined:.1e}",
        max(differences) < 1e-6 and apart < 1e-6 < joined and 0 < min(seen) < 60,
    )


def check_padding() -> Measurement:
    """Containers and padding of random choices."""
    generator = torch.Generator().manual_seed(0)
    right, most = True, 0
    for length in (4, 9, 49):
        for _ in range(30):
            kept = torch.rand(7, 40, generator=generator) < torch.rand((), generator=generator)
            packing = pack(kept, length)
            padding = int((packing.image < 0).sum())
            right &= len(packing.source) == -(-int(kept.sum()) // length) and padding <= length - 1
            most = max(most, padding)
    return Measurement(f"ceil(kept / L) containers: {right}; at most {most} slots of padding", right)


def check_cost() -> Measurement:
    """Multiply-adds counted on the module, whose gate keeps 30% of 8 images' tokens, against the formula."""
    batch, side, dim, window = 8, 14, 384, 7
    kept = round(0.3 * batch * side**2)
    layer = SelectPackAttention(SelectPackConfig(dim, 12, window)).eval()
    x = torch.randn(batch, side, side, dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.gate.weight.zero_()
        layer.gate.bias.fill_(-1)
        above = torch.full((batch * side**2,), -2.0)
        above[torch.randperm(len(above), generator=torch.Generator().manual_seed(1))[:kept]] = 1
        above = above.view(batch, side, side)
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            layer.select(x, above)
    counted = counter.get_total_flops() // 2
    formula = cost.packed(batch, side**2, dim, window, kept)
    ratio = formula / cost.windows(batch, side**2, dim, window)
    return Measurement(
        f"{ratio:.3f} of window attention, {formula / cost.full(batch, side**2, dim):.3f} of full attention; counted "
        f"{counted / 1e6:.2f}e6, formula {formula / 1e6:.2f}e6",
        abs(counted / formula - 1) < 0.005 and abs(ratio - 0.48) < 0.01,
    )


def _blobs(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Images of noise (count, 3, 64, 64) with one square blob of one of three colours, masks and colours."""
    pictures = 0.5 * torch.randn(count, 3, 64, 64, generator=generator)
    masks = torch.zeros(count, 64, 64, dtype=torch.bool)
    colour = torch.randint(3, (count,), generator=generator)
    for index in range(count):
        top, left = torch.randint(0, 64 - 28, (2,), generator=generator).tolist()
        masks[index, top : top + 28, left : left + 28] = True
        pictures[index, colour[index], masks[index]] += 1
    return pictures, masks, colour


def _kept_of_blobs(alpha: float) -> tuple[float, float, float]:
    """Share of tokens kept, of colours told rightly, and of cells that a blob touches, on fresh images."""
    torch.manual_seed(0)
    config = SPTConfig(
        embed_dim=16, depths=[1, 1, 2, 1], num_heads=[1, 2, 2, 4], window_size=4, start_stage=2, num_classes=3
    )
    model, generator = SPT(config).train(), torch.Generator().manual_seed(1)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3)
    for _ in range(_STEPS):
        pictures, masks, colour = _blobs(16, generator)
        found = model.features(pictures)
        assert found.logits is not None
        loss = functional.cross_entropy(found.logits, colour) + alpha * selection_loss(found.scores, masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    pictures, masks, colour = _blobs(128, generator)
    with torch.no_grad():
        found = model.eval().features(pictures)
    assert found.logits is not None
    touched = [labels_of_masks(masks, 64 // each.shape[1]).bool() for each in found.kept]
    right = float((found.logits.argmax(1) == colour).float().mean())
    return float(kept_share(found.kept)), right, float(kept_share(touched))


def check_selection_loss() -> Measurement:
    """The share of tokens kept after training with the loss and without, of images with one blob."""
    without, right_without, _ = _kept_of_blobs(0.0)
    kept, right, touched = _kept_of_blobs(0.1)
    return Measurement(
        f"kept {100 * without:.1f}% without the loss and {100 * kept:.1f}% with it, where the blob "
        f"touches {100 * touched:.1f}% of all cells; colours right {100 * right_without:.0f}% and {100 * right:.0f}%",
        without > kept + 0.1 and right > right_without - 0.05,
        "a toy: the colour of one square among noise, 64 x 64 pixels, 150 steps, alpha 0.1",
    )


def _at_random(attention: SelectPackAttention, scores: Tensor) -> tuple[Tensor, Tensor]:
    """As many tokens of every image as its scores would keep, at random places."""
    probability = scores.sigmoid()
    kept = (probability > attention.config.threshold).flatten(1)
    drawn = torch.rand(kept.shape, generator=torch.Generator().manual_seed(kept.shape[1])).argsort(1)
    return kept.gather(1, drawn).view_as(scores), probability


def check_digits() -> Measurement:
    """Held-out digits at random places told rightly, tokens kept, and the same with as many tokens kept at random."""
    model = zoo.load("select-and-pack/digits")
    found = training.evaluate(model)
    with mock.patch.object(SelectPackAttention, "_choose", _at_random):
        elsewhere = training.evaluate(model)
    return Measurement(
        f"{found['accuracy']:.1%} right with {found['kept']:.0%} of tokens kept, where strokes touch "
        f"{found['touched']:.0%} of cells; {elsewhere['accuracy']:.1%} with {elsewhere['kept']:.0%} kept at random; a "
        f"linear model of the digits alone {found['linear']:.1%}",
        found["accuracy"] > max(found["linear"], elsewhere["accuracy"]) and found["kept"] < 0.6,
        "real data, small: 360 handwritten digits, none of which the network learned from",
    )


def check_full_attention() -> Measurement:
    """A gate that keeps everything, a container for all tokens, against self-attention."""
    x = torch.randn(2, 4, 4, 16, generator=torch.Generator().manual_seed(0))
    differences = []
    for packing in ("batch", "image"):
        layer = _attention(4, packing=packing)
        with torch.no_grad():
            found = layer.select(x, torch.full((2, 4, 4), torch.inf)).output
            query, key, value = (split_heads(part, 2) for part in layer.qkv(x.flatten(1, 2)).chunk(3, -1))
            whole = layer.proj(merge_heads(functional.scaled_dot_product_attention(query, key, value)))
        differences.append(float((found.flatten(1, 2) - whole).abs().max()))
    return Measurement(f"largest difference {max(differences):.1e}", max(differences) < 1e-6)


def check_nothing_chosen() -> Measurement:
    """A block whose gate keeps nothing of the first of two images, and nothing at all."""
    torch.manual_seed(0)
    block = SelectPackBlock(SelectPackConfig(dim=16, num_heads=2, window_size=4), 4.0, 0.0).eval()
    x = torch.randn(2, 4, 4, 16)
    with torch.no_grad():
        block.attn.gate.weight.zero_()
        block.attn.gate.bias.fill_(-torch.inf)
        above = torch.full((2, 4, 4), -torch.inf)
        above[1] = 3.0
        expected = x + block.mlp(block.norm2(x))
        some, none = block.select(x, above).output, block.select(x).output
    off = max(float((some[0] - expected[0]).abs().max()), float((none - expected).abs().max()))
    other = float((some[1] - expected[1]).abs().max())
    return Measurement(
        f"difference from input, residual and MLP {off:.1e}; {other:.2g} in the image of which all is kept",
        off < 1e-6 < other,
    )
