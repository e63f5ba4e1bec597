"""The network: encoder, projection head, masks for every level, and linear probes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.resnet import ResNet
from zoo_vision import images
from zoo_vision.feature_hmlc.config import HMLCConfig
from zoo_vision.feature_hmlc.contrast import class_numbers, require_labels, same_prefix, supervised_contrast
from zoo_vision.feature_hmlc.masks import HardMasks, masked, masks_of, similarity_of_levels
from zoo_vision.feature_hmlc.mixture import hard_masks

_DEPTHS = {"resnet18": [2, 2, 2, 2], "resnet50": [3, 4, 6, 3], "small": [1, 1, 1, 1]}


@dataclass(frozen=True)
class HierarchicalLoss:
    """What training minimises.

    Args:
        total: the weighted sum over levels, with the diversity of masks where that has a weight.
        levels: (H,) the contrastive loss of every level, coarse to fine.
        masks: (n, V, H, D) which features each level sees.
    """

    total: Tensor
    levels: Tensor
    masks: Tensor


class ImageEncoder(nn.Module):
    """A ResNet without its head: images (batch, channels, H, W) to pooled features (batch, out)."""

    def __init__(self, config: HMLCConfig) -> None:
        super().__init__()
        self.channels = config.in_channels
        self.network = ResNet(
            _DEPTHS[config.encoder],
            width=config.width,
            bottleneck=config.encoder == "resnet50",
            small_stem=config.encoder != "small",
            in_channels=config.in_channels,
            num_classes=0,
        )
        self.out = self.network.channels[-1]

    def forward(self, inputs: Tensor) -> Tensor:
        """Encode."""
        images.require_images(inputs, self.channels)
        return self.network(inputs).mean((-2, -1))


class VectorEncoder(nn.Module):
    """Two linear layers with ReLU between: (batch, in) to (batch, out)."""

    def __init__(self, config: HMLCConfig) -> None:
        super().__init__()
        self.out = config.width
        self.channels = config.in_channels
        self.layers = nn.Sequential(nn.Linear(config.in_channels, config.width), nn.ReLU())

    def forward(self, inputs: Tensor) -> Tensor:
        """Encode."""
        if inputs.ndim != 2 or inputs.shape[1] != self.channels:
            raise InputError(f"inputs {list(inputs.shape)}; expected vectors (batch, {self.channels})")
        return self.layers(inputs)


class HierarchicalNetwork(nn.Module):
    """Images, or vectors, to features, an embedding, and what each level sees of it.

    Args:
        config: which encoder, how many levels, which masks.
        encoder: in place of the config's, any module (batch, ...) -> (batch, out) with an attribute ``out``, for
            instance one of point clouds.
    """

    def __init__(self, config: HMLCConfig, encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        if encoder is None:
            encoder = VectorEncoder(config) if config.encoder == "mlp" else ImageEncoder(config)
        self.encoder = encoder
        width: int = encoder.out  # type: ignore[assignment]
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, config.dim))
        self.masks = masks_of(config)
        self.probes = nn.ModuleList(nn.Linear(width, classes) for classes in config.num_classes)

    def embed(self, inputs: Tensor) -> Tensor:
        """The head's output before normalisation, (batch, D)."""
        return self.head(self.encoder(inputs))

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Encode.

        Args:
            inputs: (batch, channels, H, W), or (batch, channels) with the encoder "mlp".

        Returns:
            ``features`` (batch, F) of the encoder, ``embedding`` (batch, D), ``masks`` (batch, H, D), ``levels``
            (batch, H, D) with the unit vector that each level compares, and ``logits_0`` (coarsest), ``logits_1``, ...
            of the linear probes on the features, (batch, classes).
        """
        features = self.encoder(inputs)
        embedding = self.head(features)
        masks = self.masks(embedding)
        found = {"features": features, "embedding": embedding, "masks": masks, "levels": masked(embedding, masks)}
        for level, probe in enumerate(self.probes):
            found[f"logits_{level}"] = probe(features)
        return found

    def loss(self, embedding: Tensor, labels: Tensor, masks: Tensor | None = None) -> HierarchicalLoss:
        """The sum over levels of contrastive losses on each level's features.

        Args:
            embedding: (n, V, D) of V views, before normalisation.
            labels: (n, H) integers, coarse to fine.
            masks: (n, V, H, D) in place of the network's.
        """
        config = self.config
        require_labels(embedding, labels, config.num_levels)
        masks = self.masks(embedding) if masks is None else masks
        z = masked(embedding, masks)
        losses = []
        for level in range(config.num_levels):
            classes = class_numbers(labels, level + 1) if config.balance else None
            positives = same_prefix(labels, level + 1)
            losses.append(
                supervised_contrast(z[..., level, :], positives, config.temperature, config.base_temperature, classes)
            )
        levels = torch.stack(losses)
        total = (levels * levels.new_tensor(config.level_weights or [1.0] * config.num_levels)).sum()
        if config.diversity:
            total = total + config.diversity * similarity_of_levels(masks)
        return HierarchicalLoss(total, levels, masks)

    def fit_masks(self, embedding: Tensor, labels: Tensor, seed: int = 0) -> None:
        """Set the hard masks from a bank of embeddings (n, D) with labels (n, H).

        Raises:
            InputError: this network's masks are soft.
        """
        if not isinstance(self.masks, HardMasks):
            raise InputError(f"mask={self.config.mask} learns its masks by gradient; only mask=gmm is fitted")
        with torch.no_grad():
            self.masks.hard.copy_(hard_masks(embedding, labels, self.config.descriptor, seed))

    def probe_loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of the probes for labels (batch, H), summed over levels; it sends the encoder no gradient."""
        features = self.encoder(inputs).detach()
        pairs = zip(self.probes, labels.unbind(1), strict=True)
        return torch.stack([functional.cross_entropy(probe(features), label) for probe, label in pairs]).sum()


def example(config: HMLCConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images of 32 x 35 pixels, or vectors."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch_size, config.in_channels, *((32, 35) if config.encoder != "mlp" else ()))
    return {"inputs": torch.randn(shape, generator=generator)}


def paper_input(config: HMLCConfig) -> dict[str, Tensor]:
    """One image of the config's size, 32 x 32 for CIFAR-100, or one vector."""
    size = (config.image_size, config.image_size) if config.encoder != "mlp" else ()
    return {"inputs": torch.empty(1, config.in_channels, *size)}


def preprocess(config: HMLCConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array to the config's square: colours by CIFAR's statistics, grey to [-1, 1]."""

    def prepare(source: Any) -> dict[str, Tensor]:
        if config.encoder == "mlp":
            raise InputError("the encoder mlp takes vectors (batch, in_channels), not pictures: choose a ResNet")
        side = config.image_size
        if config.in_channels == 1:
            return {"inputs": 2 * images.stretched_tensor(source, side, side).mean(1, keepdim=True) - 1}
        return {"inputs": images.stretched_tensor(source, side, side, images.CIFAR_MEAN, images.CIFAR_STD)}

    return prepare


def predict(model: HierarchicalNetwork, config: HMLCConfig, source: Any) -> dict[str, Any]:
    """The likeliest classes at every level, coarse to fine, by the linear probes."""
    parameter = next(model.parameters())
    inputs = preprocess(config)(source)["inputs"].to(parameter.device, parameter.dtype)
    with torch.no_grad():
        found = model(inputs)
    answer, names = {}, list(config.class_names)
    for level, count in enumerate(config.num_classes):
        answer[f"level {level}"] = images.likeliest(found[f"logits_{level}"][0], names=names[:count])["classes"]
        names = names[count:]
    return answer
