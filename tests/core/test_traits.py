"""What lists say of drop-in layers is so: causality, growth of time and memory, decoding, parameters."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

import zoo
from zoo import about, building, configuration
from zoo.catalogue import Offer
from zoo.evidence.measuring import PeakMemory, count_parameters
from zoo.targets import resolve

LAYERS = [pytest.param(offer, id=offer.entry.id) for offer in zoo.entries(kind="attention")]
# The longer, the closer to the exponent; the others grow with the square of what they hold per pair.
LENGTHS = {"adaptive-filter-attention-full": (128, 256)}
# Layers between queries and keys of their own, not within one sequence.
CALLED_BY_PARTS = ("attention-core",)


class Arithmetic(TorchDispatchMode):
    """Counts multiplications and additions of matrix products, and the numbers that every other operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if "scaled_dot_product" in str(func):
            # The fused kernel of the CPU, which torch's own counter does not know.
            query, key = args[:2]
            self.total += 4 * query.numel() * key.shape[-2]
        elif formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        else:
            self.total += sum(leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
        return result


@cache
def _fields(entry_id: str) -> frozenset[str]:
    entry = zoo.info(entry_id).target.offer.entry
    return frozenset(name for name, *_ in about.described(configuration.schema_of(entry)))


def _built(offer: Offer, length: int, causal: bool) -> nn.Module:
    sizes = {"dim": 16, "num_heads": 2, "max_length": length, "block_size": 16, "causal": causal}
    chosen = {name: value for name, value in sizes.items() if name in _fields(offer.entry.id)}
    torch.manual_seed(0)
    layer: nn.Module = building.build(offer.entry, configuration.merge(offer.entry, None, None, chosen).instance)
    return layer


def _call(offer: Offer, layer: nn.Module, length: int) -> Tensor:
    x = torch.randn(1, length, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = layer(x, x, x)[0] if offer.entry.id in CALLED_BY_PARTS else layer(x)
    assert isinstance(found, Tensor)
    return found


def _directions(offer: Offer) -> list[bool]:
    assert offer.entry.traits is not None
    return {"always": [True], "never": [False], "optional": [False, True]}[offer.entry.traits.causal]


def _exponents(growth: str) -> list[float]:
    """Of every term of a growth: 2 of "n^2 / block_size", 1 of "n" and of "n log n"."""
    return [
        float(term.partition("^")[2] or 1) for term in re.findall(r"\bn(?:\^[0-9.]+)?", growth.replace("log n", ""))
    ]


def _growth(offer: Offer, measure: Callable[[Offer, int, bool], float]) -> float:
    """The exponent with which a figure grows when the length doubles, in the direction where it is most."""
    short, long = LENGTHS.get(offer.entry.id, (1024, 2048))
    return max(math.log2(measure(offer, long, causal) / measure(offer, short, causal)) for causal in _directions(offer))


def _arithmetic(offer: Offer, length: int, causal: bool) -> float:
    layer = _built(offer, length, causal).eval()
    with torch.no_grad(), Arithmetic() as counted:
        _call(offer, layer, length)
    return counted.total


def _memory(offer: Offer, length: int, causal: bool) -> float:
    layer = _built(offer, length, causal).train()
    with PeakMemory() as memory:
        _call(offer, layer, length).sum().backward()
    return memory.peak


@pytest.mark.parametrize("offer", LAYERS)
def test_every_drop_in_layer_states_its_traits(offer):
    assert offer.entry.traits is not None


@pytest.mark.parametrize("offer", LAYERS)
def test_the_directions_are_those_of_the_config(offer):
    if "causal" not in _fields(offer.entry.id):
        pytest.skip("its direction is its mask's")
    for causal in (False, True):
        if causal in _directions(offer):
            _built(offer, 16, causal)
        else:
            with pytest.raises(zoo.ConfigError):
                _built(offer, 16, causal)


@pytest.mark.parametrize("offer", LAYERS)
def test_time_grows_as_listed(offer):
    exponents = _exponents(offer.entry.traits.time)
    assert min(exponents) - 0.3 < _growth(offer, _arithmetic) < max(exponents) + 0.3


@pytest.mark.parametrize("offer", LAYERS)
def test_memory_grows_as_listed(offer):
    exponents = _exponents(offer.entry.traits.memory)
    # What a state of fixed size takes hides growth at these lengths.
    assert min(exponents) - 0.45 < _growth(offer, _memory) < max(exponents) + 0.3


@pytest.mark.parametrize("offer", LAYERS)
def test_decoding_is_what_the_layer_offers(offer):
    decoding = offer.entry.traits.decoding
    layer = resolve(offer.entry.build)
    own = "cache" in inspect.signature(layer.forward).parameters
    assert (decoding == "none") == (offer.entry.traits.causal == "never")
    if decoding == "state":
        assert own
        assert hasattr(layer, "new_cache"), "a state is a cache of the layer's own kind"
    elif decoding == "cache":
        assert own or offer.entry.functional, "keys and values are kept by the layer, or by transformers"
    elif decoding == "recompute":
        assert not own
        assert not offer.entry.functional


@pytest.mark.parametrize("offer", [case for case in LAYERS if case.values[0].entry.traits.decoding == "state"])
def test_a_state_keeps_its_size(offer):
    layer = _built(offer, 64, True).eval()
    cache = layer.new_cache()
    sizes = []
    for _ in range(3):
        with torch.no_grad():
            layer(torch.randn(1, 4, 16), cache=cache)
        sizes.append(sum(leaf.numel() for leaf in tree_leaves(vars(cache)) if isinstance(leaf, Tensor)))
    assert sizes[0] == sizes[1] == sizes[2] > 0


@pytest.mark.parametrize("offer", LAYERS)
def test_parameters_are_those_of_four_projections_unless_it_says_otherwise(offer):
    config = configuration.merge(offer.entry, None).instance
    found, dim = count_parameters(building.build(offer.entry, config)), getattr(config, "dim", 0)
    as_usual = bool(dim) and found in (4 * dim * dim, 4 * dim * dim + 4 * dim)
    assert as_usual == (offer.entry.traits.parameters == "none")


def test_growth_is_read_term_by_term():
    assert _exponents("n") == [1]
    assert _exponents("n log n") == [1]
    assert _exponents("n topk block_size + n^2 / block_size") == [1, 2]
    for time in ("fast", "n^", "n^2 +", "O(n)", ""):
        with pytest.raises(zoo.PluginError, match="no growth with the length"):
            zoo.Traits(causal="always", time=time, memory="n", decoding="state")
    with pytest.raises(zoo.PluginError, match="causal='yes' is not one of always, optional, never"):
        zoo.Traits(causal="yes", time="n", memory="n", decoding="state")
