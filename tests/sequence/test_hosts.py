"""Every drop-in layer of the catalogue in both host networks, by name."""

from __future__ import annotations

import pytest
import torch

import zoo

LAYERS = [f"{offer.plugin}:{offer.entry.id}" for offer in zoo.entries(kind="attention")]


def _load(host: str, layer: str):
    """The host, or None where the layer says why it does not fit."""
    torch.manual_seed(0)
    try:
        return zoo.load(host, weights=None, attention=layer)
    except zoo.ConfigError as error:
        if "causal" not in str(error) and "cannot be placed" not in str(error):
            raise
        return None


@pytest.mark.parametrize("layer", LAYERS)
def test_language_model(layer: str) -> None:
    model = _load("moba-lm/tiny", layer)
    if model is None:
        return
    ids = torch.randint(0, 97, (2, 19), generator=torch.Generator().manual_seed(0))
    logits = model(ids)
    assert logits.shape == (2, 19, 97)
    assert torch.isfinite(logits).all()
    changed = ids.clone()
    changed[:, 12:] = (changed[:, 12:] + 1) % 97
    torch.testing.assert_close(model(changed)[:, :12], logits[:, :12])
    assert model.generate(ids, 3).shape == (2, 22)


@pytest.mark.parametrize("layer", LAYERS)
def test_vision_transformer(layer: str) -> None:
    model = _load("efficient-attention-vit/tiny", layer)
    if model is None:
        return
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = model(images)
    assert logits.shape == (2, 10)
    torch.testing.assert_close(model(images[1:]), logits[1:])


def test_each_host_takes_some() -> None:
    for host in ("moba-lm/tiny", "efficient-attention-vit/tiny"):
        assert any(_load(host, layer) is not None for layer in LAYERS)
