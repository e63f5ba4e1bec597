"""What the paper promises and a machine can check."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

import zoo
from zoo import Measurement
from zoo.counting import flops
from zoo.evidence.measuring import count_parameters
from zoo.evidence.plots import saved_small
from zoo_vision import boxes, images, panels
from zoo_vision.yolo9tr import fusion, training
from zoo_vision.yolo9tr.attention import MapAttention, PartialSelfAttention
from zoo_vision.yolo9tr.blocks import RepConvN
from zoo_vision.yolo9tr.config import PartialSelfAttentionConfig, YOLO9trConfig
from zoo_vision.yolo9tr.network import YOLO9tr


def stirred(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model in eval mode with statistics of its batch norms as after some training, so that none is trivial."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(std=0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            with torch.no_grad():
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(std=0.1, generator=generator)
    return model.eval()


def _tiny() -> YOLO9tr:
    torch.manual_seed(0)
    model: YOLO9tr = zoo.load("yolo9tr/tiny")
    stirred(model)
    return model


def check_attention_is_cheap() -> Measurement:
    """Count the detector with and without its attention, and the three blocks."""
    with torch.device("meta"):
        whole, plain = (count_parameters(YOLO9tr(YOLO9trConfig(attention=attends))) for attends in (True, False))
        blocks = sum(count_parameters(PartialSelfAttention(block)) for block in YOLO9trConfig().attention_blocks)
    return Measurement(
        f"{plain:,} and {blocks:,} of attention (+{blocks / plain:.1%})", whole - plain == blocks == 454_368
    )


def check_attention_is_auxiliary() -> Measurement:
    """Both heads' answers before and after the attention's weights are replaced by random ones."""
    model, image = _tiny(), torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = model(image)
        for block in list(model.model.children())[29:32]:
            for parameter in block.parameters():
                parameter.normal_()
        after = model(image)
    main, aux = (float((getattr(before, head) - getattr(after, head)).abs().max()) for head in ("main", "aux"))
    return Measurement(f"main answers move by {main:g}, auxiliary ones by up to {aux:.2g}", main == 0 and aux > 1e-3)


def check_fusion() -> Measurement:
    """The published size with its RepConvN blocks as they are trained, and as one convolution each."""
    torch.manual_seed(0)
    model = YOLO9tr(YOLO9trConfig(num_classes=7))
    stirred(model)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    merged = fusion.fused(model)
    left = sum(isinstance(module, RepConvN) for module in merged.modules())
    blocks = sum(isinstance(module, RepConvN) for module in model.modules())
    saved = count_parameters(model) - count_parameters(merged)
    with torch.no_grad():
        pairs = [
            pair for heads in zip(model.raw(image), merged.raw(image), strict=True) for pair in zip(*heads, strict=True)
        ]
    difference = max(float((one - other).abs().max()) for one, other in pairs)
    return Measurement(
        f"{blocks} blocks fused, {saved:,} parameters fewer; raw outputs differ by {difference:.1e}",
        difference < 1e-4 and left == 0 and saved > 0,
    )


def check_finds_what_was_pasted() -> Measurement:
    """The bundled detector and the eight boxes most usual in training scenes, by average precision at overlap 0.5."""
    model = zoo.load("yolo9tr/scenes")
    found, chosen = training.evaluate(model), training.evaluate(model, "held-out")
    return Measurement(
        f"average precision {found['average_precision']:.3f}, fixed boxes {found['fixed_boxes']:.3f} (96 scenes of "
        f"pictures kept for tests; {chosen['average_precision']:.3f} on those that were watched while the recipe was "
        "chosen)",
        found["average_precision"] > 2 * found["fixed_boxes"],
        "a small network; cut-outs on photographs, one class",
    )


def check_partial() -> Measurement:
    """What reaches the last convolution when the attention and the feed-forward network are as they are, and random.

    Also the gradient of the bypassing half there with respect to a far pixel: it must have none.
    """
    torch.manual_seed(0)
    block = PartialSelfAttention(PartialSelfAttentionConfig(dim=16))
    stirred(block)
    reached: list[Tensor] = []
    block.cv2.register_forward_pre_hook(lambda module, args: reached.append(args[0]))
    x = torch.randn(1, 16, 6, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    block(x)
    far = [
        float(torch.autograd.grad(reached[0][0, half, 0, 0].sum(), x, retain_graph=True)[0][..., 5, 5].abs().max())
        for half in (slice(8), slice(8, 16))
    ]
    with torch.no_grad():
        direct = block.cv1(x)[:, :8]
        for part in (block.attn, block.ffn):
            for parameter in part.parameters():
                parameter.normal_()
        block(x)
    first, second = (tensor.detach() for tensor in reached)
    passing = float((first[:, :8] - direct).abs().max() + (second[:, :8] - direct).abs().max())
    attending = float((first[:, 8:] - second[:, 8:]).abs().max())
    return Measurement(
        f"passing half moves by {passing:g}, attending half by {attending:.2g}; a far pixel moves them by {far[0]:g} "
        f"and {far[1]:.1g}",
        passing == 0 and attending > 1e-3 and far[0] == 0 and far[1] > 0,
    )


def check_sees_everything() -> Measurement:
    """Shapes of the three attention matrices at 640 x 640, without computing them; reach of a corner, by gradient."""
    keys: list[int] = []

    def look(module: MapAttention, args: tuple[Tensor]) -> None:
        query, key, _ = module.split(args[0])
        keys.append(module.weights(query, key).shape[-1])

    with torch.device("meta"):
        model = YOLO9tr(YOLO9trConfig())
    for module in model.modules():
        if isinstance(module, MapAttention):
            module.register_forward_pre_hook(look)
    flops(model, torch.empty(1, 3, 640, 640))
    torch.manual_seed(0)
    attention = MapAttention(16, 2, 0.5, 1e-3)
    stirred(attention)
    x = torch.randn(1, 16, 20, 20, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (gradient,) = torch.autograd.grad(attention(x)[0, :, 0, 0].sum(), x)
    reach = int((gradient[0].abs().sum(0) > 0).sum())
    return Measurement(
        f"{', '.join(map(str, keys))} tokens; a corner of 20 x 20 sees {reach}",
        keys == [6400, 1600, 400] and reach == 400,
    )


def picture(path: Path) -> None:
    """Held-out cut-outs on held-out photographs with the boxes that the bundled detector finds, and their scores."""
    model = zoo.load("yolo9tr/scenes")
    scenes, _ = next(training.batches("held-out", 1, 4, seed=5))
    with torch.no_grad():
        found = model.detect(scenes)
    figure, axes = panels.grid(2, 2, 3.6, 3.7)
    for axis, scene, detections in zip(axes.flat, scenes, found, strict=True):
        big = images.to_picture(scene).resize((384, 384))
        scaled = boxes.Detections(detections.boxes * 4, detections.scores, detections.classes)
        with_boxes = images.stretched_tensor(boxes.drawn(big, scaled, model.config.names))
        panels.show(axis, with_boxes[0], below=f"{len(detections)} found")
    saved_small(figure, path)
