"""Every drop-in layer of the catalogue, whoever offers it, in both host networks by name and all the same way."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo import catalogue, configuration
from zoo.nn.drop_in import attention_layer

LANGUAGE_MODEL, VISION_TRANSFORMER = "moba-lm/tiny", "efficient-attention-vit/tiny"
GIVEN_BY_HOST = {"dim", "num_heads", "causal", "max_length"}
OFFERS = {offer.qualified: offer for offer in catalogue.current().offers if offer.entry.kind == "attention"}


def _fields(layer: str) -> list[str]:
    return list(configuration.schema_of(OFFERS[layer].entry).__dataclass_fields__)


def _exists(layer: str, causal: bool) -> bool:
    """Whether the mechanism has a form that is causal, or one that is not."""
    try:
        attention_layer(layer, dim=32, num_heads=4, causal=causal, max_length=64)
    except zoo.ConfigError as error:
        if error.field != "causal":
            raise
        return False
    return True


DROP_IN = [layer for layer in OFFERS if {"dim", "causal"} <= set(_fields(layer))]
CAUSAL, BIDIRECTIONAL = ([layer for layer in DROP_IN if _exists(layer, causal)] for causal in (True, False))
PAIRS = [(LANGUAGE_MODEL, layer) for layer in CAUSAL] + [(VISION_TRANSFORMER, layer) for layer in BIDIRECTIONAL]


def _load(host: str, layer: str, **options):
    torch.manual_seed(0)
    return zoo.load(host, weights=None, attention=layer, attention_options=options)


@pytest.mark.parametrize("layer", CAUSAL)
def test_language_model(layer: str) -> None:
    model = _load(LANGUAGE_MODEL, layer)
    ids = torch.randint(0, 97, (2, 19), generator=torch.Generator().manual_seed(0))
    logits = model(ids)
    assert logits.shape == (2, 19, 97)
    assert torch.isfinite(logits).all()
    later = torch.arange(19) >= 12
    torch.testing.assert_close(model(torch.where(later, (ids + 1) % 97, ids))[:, :12], logits[:, :12])
    continued = model.generate(ids, 5)
    assert continued.shape == (2, 24)
    assert torch.equal(continued, model.generate(ids, 5, use_cache=False))


@pytest.mark.parametrize("layer", CAUSAL)
def test_language_model_with_padding(layer: str) -> None:
    model = _load(LANGUAGE_MODEL, layer)
    ids = torch.randint(0, 97, (2, 19), generator=torch.Generator().manual_seed(0))
    real = torch.ones(2, 19, dtype=torch.bool)
    real[0, :4] = False
    changed = torch.where(real, ids, (ids + 1) % 97)
    torch.testing.assert_close(model(changed, real)[real], model(ids, real)[real], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("layer", BIDIRECTIONAL)
def test_vision_transformer(layer: str) -> None:
    model = _load(VISION_TRANSFORMER, layer)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = model(images)
    assert logits.shape == (2, 10)
    assert torch.isfinite(logits).all()
    torch.testing.assert_close(model(images[1:]), logits[1:])


@pytest.mark.parametrize(("host", "layer"), PAIRS)
def test_options_reach_the_layer(host: str, layer: str) -> None:
    own = next(name for name in _fields(layer) if name not in GIVEN_BY_HOST)
    _load(host, layer, **{own: zoo.config(layer)[own]})
    with pytest.raises(zoo.ConfigError, match="no_such_option"):
        _load(host, layer, no_such_option=1)


@pytest.mark.parametrize("layer", DROP_IN)
def test_a_host_that_does_not_fit_says_why(layer: str) -> None:
    assert layer in CAUSAL + BIDIRECTIONAL
    for host in (LANGUAGE_MODEL, VISION_TRANSFORMER):
        if (host, layer) not in PAIRS:
            with pytest.raises(zoo.ConfigError, match=r": .{30,}: causal must be (True|False)"):
                _load(host, layer)


@pytest.mark.parametrize("layer", [layer for layer in OFFERS if layer not in DROP_IN])
def test_what_is_no_drop_in_layer_is_refused(layer: str) -> None:
    for host in (LANGUAGE_MODEL, VISION_TRANSFORMER):
        with pytest.raises(zoo.ConfigError, match="cannot be placed"):
            _load(host, layer)
