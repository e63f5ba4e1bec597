"""Models in which chosen heads alone see the image."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending, only_where
from zoo.bridges.transformers.heads import Place
from zoo.bridges.transformers.sites import Site
from zoo_interpret.multimodal import image_positions, language_sites


@contextmanager
def seeing(model: nn.Module, ids: Tensor, heads: Collection[Place]) -> Iterator[None]:
    """Within the context, text attends to the image in these heads alone.

    The image stands first, so that without it the distances between words are the same.

    Args:
        model: multimodal.
        ids: (batch, length), of the prompts that have an image; others pass unchanged.
        heads: (layer, head).
    """
    sites = language_sites(model)
    layers = {site.name: layer for layer, site in enumerate(sites)}
    image = image_positions(model, ids)

    def hide(site: Site, weights: Tensor) -> Tensor | None:
        if weights.shape[-1] != image.shape[-1]:
            return None
        blind = torch.tensor([(layers[site.name], head) not in heads for head in range(site.num_heads)])
        text = ~image[:, None, :, None]
        return only_where(weights, ~(image[:, None, None] & text & blind[None, :, None, None]))

    with attending(model, sites=sites, weights=hide):
        yield
