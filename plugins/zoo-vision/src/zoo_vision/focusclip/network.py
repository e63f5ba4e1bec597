"""The dual encoder with its guided branch, and zero-shot classification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_vision import images
from zoo_vision.focusclip.config import FocusCLIPConfig
from zoo_vision.focusclip.losses import nt_xent
from zoo_vision.focusclip.towers import TOWERS
from zoo_vision.focusclip.words import PADDING, tokenize
from zoo_vision.images import require_images


class Features(NamedTuple):
    """What is compared, not normalised: (batch, embed_dim) each; ``masked`` is None without a heat map."""

    image: Tensor
    text: Tensor
    masked: Tensor | None = None


@dataclass(frozen=True)
class GuidedLoss:
    """The three terms and their sum, scalars; the first two are None without a heat map."""

    total: Tensor
    image_text: Tensor
    mask_image: Tensor | None = None
    mask_text: Tensor | None = None


class FocusCLIP(nn.Module):
    """Images, texts and heat maps to features of one space."""

    def __init__(self, config: FocusCLIPConfig) -> None:
        super().__init__()
        self.config = config
        look, read = TOWERS[config.backbone]
        self.visual, self.visual_embed = look(config), nn.Linear(config.vision_dim, config.embed_dim)
        self.text, self.text_embed = read(config), nn.Linear(config.text_dim, config.embed_dim)
        if not config.shared_encoder:
            self.visual_masked, self.visual_masked_embed = look(config), nn.Linear(config.vision_dim, config.embed_dim)
        self.alpha = nn.Parameter(torch.tensor(float(config.alpha)))

    def encode_image(self, images: Tensor) -> Tensor:
        """(batch, 3, image_size, image_size) to (batch, embed_dim)."""
        self._check_images(images)
        return self.visual_embed(self.visual(images))

    def encode_text(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Texts (batch, length) to (batch, embed_dim).

        Args:
            input_ids: padded to ``max_length`` as the authors do; shorter ones are averaged over fewer positions.
            attention_mask: (batch, length), 1 for words and 0 for padding.
        """
        if input_ids.ndim != 2 or input_ids.is_floating_point() or input_ids.shape[1] > self.config.max_length:
            raise InputError(
                f"input_ids {list(input_ids.shape)}; expected integers (batch, length up to {self.config.max_length})"
            )
        if attention_mask is not None:
            # Whatever stands in hidden places counts as padding: the authors' mean includes those places.
            input_ids = torch.where(attention_mask.bool(), input_ids, PADDING)
        return self.text_embed(self.text(input_ids, attention_mask))

    def mask(self, images: Tensor, mask: Tensor) -> Tensor:
        """image (alpha + mask (1 - alpha)); what is dark in a normalised image has the mean colour."""
        if mask.shape != (images.shape[0], 1, *images.shape[2:]):
            raise InputError(f"mask {list(mask.shape)}; expected {[images.shape[0], 1, *images.shape[2:]]}")
        return images * (self.alpha + mask * (1 - self.alpha))

    def encode_masked(self, images: Tensor, mask: Tensor) -> Tensor:
        """Features (batch, embed_dim) of images seen through heat maps (batch, 1, H, W) in [0, 1]."""
        self._check_images(images)
        seen = self.mask(images, mask)
        if self.config.shared_encoder:
            return self.visual_embed(self.visual(seen))
        return self.visual_masked_embed(self.visual_masked(seen))

    def forward(
        self, images: Tensor, input_ids: Tensor, mask: Tensor | None = None, attention_mask: Tensor | None = None
    ) -> Features:
        """Encode.

        Args:
            images: (batch, 3, image_size, image_size), with ImageNet's statistics.
            input_ids: (batch, length) integers.
            mask: (batch, 1, image_size, image_size) in [0, 1], or None.
            attention_mask: (batch, length), 1 for words and 0 for padding; all words if None.
        """
        masked = None if mask is None else self.encode_masked(images, mask)
        return Features(self.encode_image(images), self.encode_text(input_ids, attention_mask), masked)

    def loss(self, features: Features) -> GuidedLoss:
        """What training minimises."""
        temperature = self.config.temperature
        pair = nt_xent(features.image, features.text, temperature)
        if features.masked is None:
            return GuidedLoss(pair, pair)
        mask_image = nt_xent(features.masked, features.image, temperature)
        mask_text = nt_xent(features.masked, features.text, temperature)
        return GuidedLoss(mask_image + mask_text + pair, pair, mask_image, mask_text)

    def _check_images(self, images: Tensor) -> None:
        require_images(images, side=self.config.image_size)


def zero_shot(image: Tensor, text: Tensor) -> Tensor:
    """Softmax of cosines, without a scale: images (batch, E) and classes (classes, E) to (batch, classes)."""
    return (functional.normalize(image, dim=-1) @ functional.normalize(text, dim=-1).mT).softmax(-1)


def example(config: FocusCLIPConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images, texts and heat maps."""
    generator = torch.Generator().manual_seed(seed)
    side = config.image_size
    return {
        "images": torch.randn(batch_size, 3, side, side, generator=generator),
        "input_ids": torch.randint(0, config.vocab_size, (batch_size, min(9, config.max_length)), generator=generator),
        "mask": torch.rand(batch_size, 1, side, side, generator=generator),
    }


def paper_input(config: FocusCLIPConfig) -> dict[str, Tensor]:
    """One image and one padded text, without heat map: what inference costs."""
    side = config.image_size
    return {
        "images": torch.empty(1, 3, side, side),
        "input_ids": torch.zeros(1, config.max_length, dtype=torch.long),
    }


def preprocess(config: FocusCLIPConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array, stretched to ``image_size`` squared, by ImageNet's statistics.

    ``words.tokenize`` makes the arguments of texts.
    """
    side, mean, std = config.image_size, images.IMAGENET_MEAN, images.IMAGENET_STD
    return lambda source: {"images": images.stretched_tensor(source, side, side, mean, std)}


def texts_beside(source: Any) -> Path:
    """The classes of a photograph: the file of the same name with ``.txt`` in place of its suffix, one text a line."""
    return Path(source).with_suffix(".txt")


def predict(model: FocusCLIP, config: FocusCLIPConfig, source: Any) -> dict[str, Any]:
    """Which of some texts an image fits, by softmax of cosines without a scale, the likeliest first.

    Args:
        model: any towers for which ``words.tokenize`` knows the words.
        config: its config.
        source: a path, whose texts stand in the file beside it (``photo.txt`` for ``photo.jpg``), one a line; or a pair
            (image, list of texts).

    Raises:
        InputError: there are no texts.
    """
    if isinstance(source, tuple):
        picture, texts = source
    else:
        # First, so that a photograph that is not there is not taken for missing texts.
        picture, file = images.open_image(source), texts_beside(source)
        if not file.is_file():
            raise InputError(f"{str(file)!r} does not exist; write the texts to choose from into it, one a line")
        texts = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    arguments = {**preprocess(config)(picture), **tokenize(texts, config)}
    device = next(model.parameters()).device
    with torch.no_grad():
        image = model.encode_image(arguments["images"].to(device, next(model.parameters()).dtype))
        classes = model.encode_text(arguments["input_ids"].to(device), arguments["attention_mask"].to(device))
        shares, cosines = zero_shot(image, classes)[0].tolist(), functional.cosine_similarity(image, classes).tolist()
    rows = sorted(zip(texts, shares, cosines, strict=True), key=lambda row: -row[1])
    return {
        "texts": [
            {"text": text, "probability": round(share, 4), "cosine": round(cosine, 4)} for text, share, cosine in rows
        ]
    }
