"""Checks of the paper's claims."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

import zoo
from zoo import Measurement
from zoo.building import build_on_meta
from zoo.evidence.measuring import count_parameters, quickest
from zoo.nn.attention import dense_attention
from zoo.nn.heads import merge_heads
from zoo_sequence.moh.attention import MoHAttention
from zoo_sequence.moh.config import MoHConfig, MoHDiTConfig, MoHLlamaConfig, MoHViTConfig
from zoo_sequence.moh.dit import MoHDiT
from zoo_sequence.moh.llama import MoHLlama, QueryNormAttention, head_counts, query_norm_routing
from zoo_sequence.moh.routing import Router, Routing, choose, gated_heads, softmax_heads
from zoo_sequence.moh.vit import MoHViT


def check_sum_over_heads() -> Measurement:
    """The output projection cut into the columns of each head."""
    torch.manual_seed(0)
    outputs, projection = torch.randn(2, 8, 50, 16), torch.nn.Linear(128, 128, bias=False)
    with torch.no_grad():
        joined = projection(merge_heads(outputs))
        cut = projection.weight.unflatten(1, (8, 16))
        summed = sum(outputs[:, head] @ cut[:, head].T for head in range(8))
    return _difference(joined - summed)


def check_unit_gates() -> Measurement:
    """A router of zeros that chooses every head has gates of one."""
    torch.manual_seed(0)
    layer = MoHAttention(MoHConfig(dim=64, num_heads=8, shared_heads=3, routed_heads=5))
    x = torch.randn(2, 50, 64)
    with torch.no_grad():
        for parameter in layer.router.parameters() if layer.router else ():
            parameter.zero_()
        query, key, value = layer.qkv(x).unflatten(-1, (3, 8, 8)).permute(2, 0, 3, 1, 4)
        plain = layer.proj(merge_heads(dense_attention(query, key, value)))
        return _difference(layer(x) - plain)


def check_gate_sum() -> Measurement:
    """Gates of random tokens against h_s a1 + k a2, for several head counts."""
    torch.manual_seed(0)
    worst, balance = 0.0, 0.0
    for heads, shared, routed in ((8, 2, 2), (16, 5, 8), (12, 1, 4)):
        router = Router(32, heads, shared, routed).double()
        x = torch.randn(4, 64, 32, dtype=torch.float64)
        with torch.no_grad():
            first, second = (router.balance(x).softmax(-1) * 2).unbind(-1) if router.balance else (x, x)
            expected = shared * first + routed * second
            worst = max(worst, float((router(x).gates.sum(-1) - expected).abs().max()))
            balance = max(balance, float((first + second - 2).abs().max()))
    return Measurement(
        f"largest differences {worst:.1e} (sum of gates) and {balance:.1e} (a1 + a2)", max(worst, balance) < 1e-12
    )


def check_skipping_is_exact() -> Measurement:
    """Outputs and gradients with unchosen heads left out, against all heads computed."""
    worst = 0.0
    for causal in (False, True):
        results = []
        for skip in (True, False):
            torch.manual_seed(0)
            layer = MoHAttention(
                MoHConfig(dim=64, num_heads=8, shared_heads=2, routed_heads=2, causal=causal, skip=skip)
            )
            output = layer(torch.randn(2, 300, 64))
            output.square().sum().backward()
            results.append([output.detach(), *(p.grad for p in layer.parameters() if p.grad is not None)])
        for skipped, whole in zip(*results, strict=True):
            worst = max(worst, float((skipped - whole).abs().max() / whole.abs().max()))
    return Measurement(f"largest relative difference {worst:.1e}", worst < 1e-5)


def check_head_time() -> Measurement:
    """Time of the heads with 8 of 16 on, over the time of all 16."""
    ratios = {name: head_time_ratio(4096, causal=causal) for name, causal in (("full", False), ("causal", True))}
    listing = ", ".join(f"{ratio:.2f} ({name})" for name, ratio in ratios.items())
    return Measurement(
        f"time ratio {listing} at 4096 tokens, 16 heads of 64",
        ratios["full"] < 0.6 and ratios["causal"] < 0.7,
        "one thread, float32; causal attention leaves out half of the keys in both forms, but torch's fused kernel has "
        "no causal order of scattered queries: here they are taken in blocks, at about two thirds of its speed",
    )


def head_time_ratio(
    length: int, *, heads: int = 16, active: int = 8, causal: bool = False, head_dim: int = 64
) -> float:
    """Time of gated heads, half of the active ones shared and the others routed at random, over dense attention."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, heads, length, head_dim, generator=generator) for _ in range(3))
    shared = active // 2
    chosen = choose(torch.rand(1, length, heads - shared, generator=generator), active - shared)
    gates = torch.cat((torch.ones(1, length, shared), chosen.float()), -1)
    routing = Routing(gates, chosen.float(), chosen)

    def skipping() -> Tensor:
        return gated_heads(routing, softmax_heads(query, key, value, causal=causal))

    def dense() -> Tensor:
        return dense_attention(query, key, value, causal=causal)

    return quickest(skipping, 5) / quickest(dense, 5)


def check_vit_heads() -> Measurement:
    """Heads that are on, over the blocks of the MoH-ViT presets."""
    return _shares("moh-vit", MoHViTConfig, MoHViT, {"s-80": 0.800, "s-75": 0.753, "b-75": 0.750, "b-50": 0.500})


def check_dit_heads() -> Measurement:
    """Heads that are on, over the blocks of the MoH-DiT-XL/2 presets."""
    return _shares("moh-dit", MoHDiTConfig, MoHDiT, {"XL/2-90": 0.900, "XL/2-75": 0.750})


def check_llama_heads() -> Measurement:
    """Heads that are on in the layers of MoH-LLaMA3-8B."""
    return _shares("moh-llama", MoHLlamaConfig, MoHLlama, {"llama3-8b": 0.75})


def _on_meta(schema: type, network: Callable[[Any], nn.Module], name: str) -> nn.Module:
    config = schema(**{str(field): value for field, value in zoo.config(name).items()})
    return build_on_meta(lambda: network(config))


def _shares(
    entry: str, schema: type, network: Callable[[Any], nn.Module], expected: Mapping[str, float]
) -> Measurement:
    """Share of gates that are not zero for random tokens, in every layer of a preset as it is built."""
    shares = {}
    for preset in expected:
        model = _on_meta(schema, network, f"{entry}/{preset}")
        counts = [_heads_on(module) for module in model.modules() if isinstance(module, (Router, QueryNormAttention))]
        shares[preset] = tuple(sum(column) for column in zip(*counts, strict=True))
    listing = ", ".join(f"{name}: {on:g}/{heads} = {on / heads:.1%}" for name, (on, heads) in shares.items())
    close = all(abs(on / heads - expected[name]) < 5e-4 for name, (on, heads) in shares.items())
    return Measurement(listing, close)


def _heads_on(layer: Router | QueryNormAttention) -> tuple[float, int]:
    """Mean number of gates that are not zero, and of all heads; of 64 random tokens and a layer of 16 features."""
    generator = torch.Generator().manual_seed(0)
    if isinstance(layer, QueryNormAttention):
        query = torch.randn(1, layer.num_heads, 64, 16, generator=generator)
        config = layer.config
        counts = head_counts(layer.num_heads, config.shared_fraction, config.activated_fraction)
        gates = query_norm_routing(query, *counts).gates
    else:
        pool = layer.pool.out_features if layer.pool is not None else 0
        router = Router(16, layer.shared_heads + pool, layer.shared_heads, layer.routed_heads)
        with torch.no_grad():
            for parameter in router.parameters():
                parameter.normal_(generator=generator)
            gates = router(torch.randn(1, 64, 16, generator=generator)).gates
    return float((gates != 0).sum(-1).float().mean()), gates.shape[-1]


def check_gate_parameters() -> Measurement:
    """Parameters of the routers of MoH-ViT-B, and the paper's formula for them."""
    shares = {}
    exact = True
    for preset in ("b-75", "b-50"):
        config = zoo.config(f"moh-vit/{preset}")
        model = _on_meta(MoHViTConfig, MoHViT, f"moh-vit/{preset}")
        routers = [module for module in model.modules() if isinstance(module, Router)]
        extra = count_parameters(*routers)
        formula = sum(
            depth * dim * (heads + 2 if routed else heads)
            for depth, dim, heads, routed in zip(
                config.depths, config.dims, config.num_heads, config.routed_heads, strict=True
            )
        )
        exact = exact and extra == formula
        shares[preset] = extra / count_parameters(model)
    listing = ", ".join(f"{name}: {share:.2%}" for name, share in shares.items())
    return Measurement(
        f"{listing} of all parameters; formula {'exact' if exact else 'differs'}",
        exact and max(shares.values()) < 0.002,
        "the formula is C (h + 2) in a routing layer, C h in one that shares all heads; it exceeds the share claimed",
    )


def _difference(difference: Tensor) -> Measurement:
    worst = float(difference.abs().max())
    return Measurement(f"largest difference {worst:.1e}", worst < 1e-5)
