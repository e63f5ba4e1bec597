"""Every drop-in layer of the catalogue, whoever offers it, in both host networks by name and all the same way."""

from __future__ import annotations

import re

import pytest
import torch

import zoo
from zoo import catalogue, configuration
from zoo.targets import resolve
from zoo.testing import forms

LANGUAGE_MODEL, VISION_TRANSFORMER = "moba-lm/tiny", "efficient-attention-vit/tiny"
GIVEN_BY_HOST = {"dim", "num_heads", "causal", "max_length"}
OFFERS = {offer.qualified: offer for offer in catalogue.current().offers if offer.entry.kind == "attention"}


def _fields(layer: str) -> list[str]:
    return list(configuration.schema_of(OFFERS[layer].entry).__dataclass_fields__)


DROP_IN = [layer for layer in OFFERS if {"dim", "causal"} <= set(_fields(layer))]
HOSTS = (LANGUAGE_MODEL, VISION_TRANSFORMER)


def _load(host: str, layer: str, **options):
    torch.manual_seed(0)
    return zoo.load(host, weights=None, attention=layer, attention_options=options)


def _load_if_it_fits(host: str, layer: str, **options):
    """The host with the layer; a mechanism without the host's form says so, and the test is skipped with its words."""
    try:
        return _load(host, layer, **options)
    except zoo.ConfigError as error:
        if not re.search(r": .{30,}: causal must be (True|False)", str(error)):
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("layer", DROP_IN)
def test_language_model(layer: str) -> None:
    model = _load_if_it_fits(LANGUAGE_MODEL, layer)
    ids = torch.randint(0, 97, (2, 19), generator=torch.Generator().manual_seed(0))
    logits = model(ids)
    assert logits.shape == (2, 19, 97)
    assert torch.isfinite(logits).all()
    later = torch.arange(19) >= 12
    torch.testing.assert_close(model(torch.where(later, (ids + 1) % 97, ids))[:, :12], logits[:, :12])
    continued = model.generate(ids, 5)
    assert continued.shape == (2, 24)
    assert torch.equal(continued, model.generate(ids, 5, use_cache=False))


@pytest.mark.parametrize("layer", DROP_IN)
def test_language_model_with_padding(layer: str) -> None:
    model = _load_if_it_fits(LANGUAGE_MODEL, layer)
    ids = torch.randint(0, 97, (2, 19), generator=torch.Generator().manual_seed(0))
    real = torch.ones(2, 19, dtype=torch.bool)
    real[0, :4] = False
    changed = torch.where(real, ids, (ids + 1) % 97)
    torch.testing.assert_close(model(changed, real)[real], model(ids, real)[real], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("layer", DROP_IN)
def test_vision_transformer(layer: str) -> None:
    model = _load_if_it_fits(VISION_TRANSFORMER, layer)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = model(images)
    assert logits.shape == (2, 10)
    assert torch.isfinite(logits).all()
    torch.testing.assert_close(model(images[1:]), logits[1:])


NO_MAPS = r"a mechanism whose weights cannot be read; it has no attend|no attention layer with known projections"


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("layer", DROP_IN)
def test_attention_maps(host: str, layer: str) -> None:
    """Maps of every layer that mixes values, whoever hosts it; that they mix the real values is checked as they run."""
    pytest.importorskip("transformers")
    from zoo.bridges.transformers.maps import attention_maps

    model, causal = _load_if_it_fits(host, layer), host == LANGUAGE_MODEL
    inputs = torch.randint(0, 90, (2, 9)) if causal else torch.randn(2, 3, 32, 32)
    before = model(inputs)
    if re.search("hyena|adaptive-filter", layer):
        with pytest.raises(zoo.InputError, match=NO_MAPS):
            attention_maps(model, inputs)
        return
    maps = attention_maps(model, inputs)
    assert torch.equal(model(inputs), before)
    # Dual attention has maps of its sensory and of its relational heads.
    assert len(maps) == zoo.config(host).num_layers * (2 if layer.endswith(":dual-attention") else 1)
    assert all(weights.isfinite().all() and weights.abs().max() > 0 for weights in maps)
    assert all(float(weights.triu(1).abs().max()) == 0 for weights in maps) == causal


VISION_TRANSFORMERS = ("dual-attention-vit", "efficient-attention-vit", "fast-attention-vit", "moh-vit")


@pytest.mark.parametrize("entry", [*VISION_TRANSFORMERS, "minimal-transformer"])
def test_attention_maps_of_vision_transformers(entry: str) -> None:
    pytest.importorskip("transformers")
    from zoo.bridges.transformers.maps import attention_maps
    from zoo.testing.specimens import build_small, example_of, small_instance

    offered = catalogue.current().find(entry).offer.entry
    model, example = build_small(offered).eval(), example_of(offered, small_instance(offered))
    maps = attention_maps(model, example["images"])
    assert maps
    for weights in maps:
        assert weights.ndim == 4
        assert weights.shape[0] == len(example["images"])
        assert weights.shape[2] == weights.shape[3] > 1


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("layer", DROP_IN)
def test_options_reach_the_layer(host: str, layer: str) -> None:
    """Each option with few values: the host's layer is the one that is built with it, and not the one without."""
    usual = _mixer(_load_if_it_fits(host, layer), layer)
    with pytest.raises(zoo.ConfigError, match="no_such_option"):
        _load(host, layer, no_such_option=1)
    options = [
        (name, value)
        for name, values in forms.alternatives(OFFERS[layer].entry, dict(zoo.config(layer))).items()
        for value in values
        if name not in GIVEN_BY_HOST
    ]
    if not options:
        pytest.skip("has no option with few values beside what the host gives")
    assert any(_arrives(host, layer, name, value, usual) for name, value in options), "every option was dropped"


def _arrives(host: str, layer: str, name: str, value: object, usual: torch.nn.Module) -> bool:
    try:
        model = _load(host, layer, **{name: value})
    except zoo.ConfigError as error:
        if name not in str(error):
            raise
        return False
    return _described(_mixer(model, layer)) != _described(usual)


def _mixer(model: torch.nn.Module, layer: str) -> torch.nn.Module:
    kind = resolve(OFFERS[layer].entry.build)
    return next(module for module in model.modules() if isinstance(module, kind))


def _described(module: torch.nn.Module) -> tuple:
    """What options show in: the shapes of the state, and the settings that modules keep."""
    kept = [(name, type(part).__name__, _settings(part)) for name, part in module.named_modules()]
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}, kept


def _settings(module: torch.nn.Module) -> dict[str, str]:
    return {
        name: repr(value)
        for name, value in vars(module).items()
        if not name.startswith("_") and "object at" not in repr(value) and name != "training"
    }


@pytest.mark.parametrize("layer", [layer for layer in OFFERS if layer not in DROP_IN])
def test_what_is_no_drop_in_layer_is_refused(layer: str) -> None:
    for host in HOSTS:
        with pytest.raises(zoo.ConfigError, match="cannot be placed"):
            _load(host, layer)
