"""The detector, and what it does with a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_vision import boxes, images
from zoo_vision.boxes import Detections
from zoo_vision.images import require_images
from zoo_vision.yolo9tr.attention import PartialSelfAttention
from zoo_vision.yolo9tr.blocks import ELAN1, SPPELAN, AConv, Conv, RepNCSPELAN4
from zoo_vision.yolo9tr.config import BLOCKS, DOWN, POOLS, YOLO9trConfig
from zoo_vision.yolo9tr.head import DualDetect

# Around a picture, in [0, 1].
GREY = 114 / 255
DETECT = 32
# The surest cells that suppression compares: all pairs of them are formed.
_CANDIDATES = 3000


class Predictions(NamedTuple):
    """Decoded answers (batch, 4 + num_classes, cells) of both heads.

    Rows are centre x, centre y, width, height in pixels, then class probabilities; cells are those of stride 8,
    row by row, then those of 16 and of 32.
    """

    main: Tensor
    aux: Tensor


class YOLO9tr(nn.Module):
    """Images (batch, 3, H, W), RGB in [0, 1], to boxes and classes in every cell of three grids."""

    def __init__(self, config: YOLO9trConfig) -> None:
        super().__init__()
        self.config = config
        layers = self._layers()
        self.model = nn.ModuleList(layers.get(index, nn.Identity()) for index in range(DETECT + 1))

    def _layers(self) -> dict[int, nn.Module]:
        """What has weights, by its place in the authors' list."""
        config, eps = self.config, self.config.eps
        first, second = config.stem_channels
        out = dict(zip(BLOCKS, config.block_channels, strict=True))
        out |= dict(zip(DOWN, config.down_channels, strict=True)) | dict(zip(POOLS, config.pool_channels, strict=True))
        # Channels that reach each layer, where two maps are joined the sum.
        before = {2: second, 3: out[2], 4: out[3], 5: out[4], 6: out[5], 7: out[6], 8: out[7], 9: out[8], 22: out[8]}
        before |= {12: out[9] + out[6], 15: out[12] + out[4], 16: out[15], 18: out[16] + out[12], 19: out[18]}
        before |= {21: out[19] + out[9], 25: out[22] + out[6], 28: out[25] + out[4]}
        layers: dict[int, nn.Module] = {0: Conv(3, first, 3, 2, eps=eps), 1: Conv(first, second, 3, 2, eps=eps)}
        for place, split, inner, count in zip(
            BLOCKS, config.split_channels, config.inner_channels, (0, *config.bottlenecks), strict=True
        ):
            if place == BLOCKS[0]:
                layers[place] = ELAN1(before[place], out[place], split, inner, eps)
            else:
                layers[place] = RepNCSPELAN4(before[place], out[place], split, inner, count, eps)
        layers |= {place: AConv(before[place], out[place], eps) for place in DOWN}
        for place, inner in zip(POOLS, config.pool_inner, strict=True):
            layers[place] = SPPELAN(before[place], out[place], inner, eps)
        for place, block in zip((29, 30, 31), config.attention_blocks, strict=False):
            layers[place] = PartialSelfAttention(block)
        return {**layers, DETECT: DualDetect(config)}

    def raw(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """What the auxiliary and the main head give before it is decoded, per map of stride 8, 16, 32.

        Sides that are no multiple of 32 are padded in grey on the right and below.
        """
        require_images(images)
        height, width = images.shape[2:]
        layer = self.model
        x = functional.pad(images, (0, -width % 32, 0, -height % 32), value=GREY)
        x = layer[2](layer[1](layer[0](x)))
        eighth = layer[4](layer[3](x))
        sixteenth = layer[6](layer[5](eighth))
        deepest = layer[8](layer[7](sixteenth))
        coarse = layer[9](deepest)
        middle = layer[12](_beside(coarse, sixteenth))
        fine = layer[15](_beside(middle, eighth))
        middle = layer[18](torch.cat((layer[16](fine), middle), 1))
        main = [fine, middle, layer[21](torch.cat((layer[19](middle), coarse), 1))]
        coarse = layer[22](deepest)
        middle = layer[25](_beside(coarse, sixteenth))
        aux = [layer[28](_beside(middle, eighth)), middle, coarse]
        found: tuple[list[Tensor], list[Tensor]] = layer[DETECT](
            [block(x) for block, x in zip(layer[29:32], aux, strict=True)], main
        )
        return found

    def decode(self, aux: list[Tensor], main: list[Tensor]) -> Predictions:
        """What ``raw`` gave, as boxes and probabilities."""
        detect: Any = self.model[DETECT]
        return Predictions(detect.decode(main, detect.dfl2), detect.decode(aux, detect.dfl))

    def forward(self, images: Tensor) -> Predictions:
        """Boxes and class probabilities in every cell.

        Args:
            images: (batch, 3, H, W), RGB in [0, 1], any sides.
        """
        return self.decode(*self.raw(images))

    def detect(
        self, images: Tensor, *, least_score: float = 0.25, threshold: float = 0.45, most: int = 300
    ) -> list[Detections]:
        """What is in each image, after suppression within each class; of the head that the config names.

        Args:
            images: as ``forward``'s.
            least_score: what scores less is left out; 0.25 to look at, 0.001 to validate.
            threshold: overlap above which the lower score goes; 0.45 to look at, 0.7 to validate.
            most: detections of an image.

        Returns:
            One element per image; each cell counts with its likeliest class, boxes are cut to the image.
        """
        height, width = images.shape[2:]
        found = []
        for answer in getattr(self(images), self.config.head):
            corners = boxes.to_corners(answer[:4].mT)
            scores, classes = answer[4:].max(0)
            surest = scores.topk(min(_CANDIDATES, len(scores))).indices
            corners = corners[surest].clamp(min=0).minimum(corners.new_tensor([width, height, width, height]))
            found.append(
                boxes.suppress_by_class(
                    corners, scores[surest], classes[surest], threshold=threshold, least_score=least_score, most=most
                )
            )
        return found


def _beside(coarse: Tensor, fine: Tensor) -> Tensor:
    """A map, enlarged twice, joined with one of twice the resolution."""
    return torch.cat((functional.interpolate(coarse, scale_factor=2.0, mode="nearest"), fine), 1)


def example(config: YOLO9trConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images, odd sides."""
    return {"images": torch.rand(batch_size, 3, 65, 50, generator=torch.Generator().manual_seed(seed))}


def paper_input(config: YOLO9trConfig) -> dict[str, Tensor]:
    """One image of the size that raw images are brought to, 640 x 640 for the published detector."""
    return {"images": torch.empty(1, 3, config.image_size, config.image_size)}


def preprocess(config: YOLO9trConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array, whole on a grey square of the config's size, in [0, 1]."""

    def prepare(source: Any) -> dict[str, Tensor]:
        picture = images.open_image(source).convert("RGB")
        return {"images": images.letterbox(picture, config.image_size, config.image_size, GREY)[0]}

    return prepare


def predict(model: YOLO9tr, config: YOLO9trConfig, source: Any) -> dict[str, Any]:
    """Boxes in pixels of the source with scores and classes, and the picture with the boxes drawn."""
    picture = images.open_image(source).convert("RGB")
    canvas, (left, top, right, bottom) = images.letterbox(picture, config.image_size, config.image_size, GREY)
    parameter = next(model.parameters())
    with torch.no_grad():
        (found,) = model.detect(canvas.to(parameter.device, parameter.dtype))
    x, y = picture.width / (right - left), picture.height / (bottom - top)
    moved = (found.boxes.float().cpu() - torch.tensor([left, top, left, top])) * torch.tensor([x, y, x, y])
    limits = torch.tensor([picture.width, picture.height, picture.width, picture.height])
    found = Detections(moved.clamp(min=0).minimum(limits), found.scores.float().cpu(), found.classes.cpu())
    return {**found.to_dict(config.names), "picture": boxes.drawn(picture, found, config.names)}
