"""Checks of the paper's claims."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import Measurement
from zoo.nn.heads import split_heads
from zoo_sequence.dual_attention.attention import RelationalAttention
from zoo_sequence.dual_attention.config import NetworkConfig, RelationalGamesConfig, ViDATConfig
from zoo_sequence.dual_attention.networks import DualBlock
from zoo_sequence.dual_attention.relational_games import RelationalGames
from zoo_sequence.dual_attention.training import count, fit, twin


def check_zero_relational_heads() -> Measurement:
    """A block without relational heads against torch's transformer layer with the same weights."""
    torch.manual_seed(0)
    worst = 0.0
    for pre_norm in (True, False):
        config = NetworkConfig(dim=32, num_heads=4, num_relational_heads=0, hidden_dim=64, pre_norm=pre_norm)
        block = DualBlock(config).eval()
        standard = nn.TransformerEncoderLayer(
            32,
            4,
            64,
            dropout=0.0,
            activation=partial(functional.gelu, approximate="tanh"),
            batch_first=True,
            norm_first=pre_norm,
        ).eval()
        standard.load_state_dict(_torch_names(block))
        x = torch.randn(2, 20, 32)
        with torch.no_grad():
            worst = max(worst, float((block(x, None) - standard(x)).abs().max()))
    return Measurement(f"largest difference {worst:.1e} (pre-norm and post-norm)", worst < 1e-5)


def _torch_names(block: DualBlock) -> dict[str, Tensor]:
    attention = block.dual_attn.self_attention
    assert attention is not None
    projections = torch.cat((attention.wq.weight, attention.wk.weight, attention.wv.weight))
    state = {
        "self_attn.in_proj_weight": projections,
        "self_attn.in_proj_bias": torch.zeros(len(projections)),
        "self_attn.out_proj.weight": attention.wo.weight,
        "self_attn.out_proj.bias": torch.zeros(len(attention.wo.weight)),
    }
    for ours, theirs in (("ff_block.linear", "linear"), ("norm", "norm")):
        for index in (1, 2):
            layer = block.get_submodule(f"{ours}{index}")
            state |= {f"{theirs}{index}.{name}": tensor for name, tensor in layer.state_dict().items()}
    return state


def check_symmetric_relations() -> Measurement:
    """Relations with one projection for both sides, against their transpose."""
    torch.manual_seed(0)
    x = torch.randn(4, 30, 64, dtype=torch.float64)
    layer = RelationalAttention(64, 4, 16, symmetric=True).double()
    with torch.no_grad():
        relations = layer.relations(x)
    difference = float((relations - relations.transpose(-1, -2)).abs().max())
    return Measurement(f"largest difference {difference:.1e} in float64", difference < 1e-12)


def check_sender_enters_by_relations() -> Measurement:
    """Add to one object what no query or key of the layer sees, with symbols fixed."""
    torch.manual_seed(0)
    layer = RelationalAttention(64, 2, 4).double()
    x, symbols = torch.randn(2, 12, 64, dtype=torch.float64), torch.randn(2, 12, 64, dtype=torch.float64)
    seen = torch.cat([getattr(layer, name).weight for name in ("wq_attn", "wk_attn", "wq_rel", "wk_rel")])
    unseen = torch.linalg.svd(seen).Vh[len(seen) :]
    with torch.no_grad():
        changed = x.clone()
        changed[:, 3] += 10 * torch.randn(2, len(unseen), dtype=torch.float64) @ unseen
        before, after = layer(x, symbols), layer(changed, symbols)
        difference = float((after - before).abs().max() / before.abs().max())
        moved = float((changed - x).norm() / x[:, 3].norm())
    return Measurement(
        f"relative change of the output {difference:.1e}, after a change of the sender of {moved:.1f} times its norm",
        difference < 1e-12,
    )


def check_projection_order() -> Measurement:
    """wr after the sum over senders, as the layer does it, and wr on every pair."""
    torch.manual_seed(0)
    layer = RelationalAttention(64, 4, 16, num_relations=8)
    x, symbols = torch.randn(2, 40, 64), torch.randn(2, 40, 64)
    with torch.no_grad():
        weights, relations = layer.attention(x), layer.relations(x)
        pairs = torch.einsum("hdl,blij->bhijd", layer.wr, relations)
        values = split_heads(layer.wv(symbols), 4)
        message = torch.einsum("bhij,bhijd->bihd", weights, pairs + values[:, :, None])
        difference = float((layer(x, symbols) - layer.wo(message.flatten(2))).abs().max())
    ratio = pairs.numel() / relations.numel()
    return Measurement(
        f"largest difference {difference:.1e}; {ratio:.0f} times fewer numbers per pair", difference < 1e-5
    )


def check_data_efficiency() -> Measurement:
    """Learning curves on the game "occurs": one layer with dual attention, and its plain twin of equal size."""
    config = ViDATConfig(
        dim=128,
        num_heads=2,
        num_layers=1,
        hidden_dim=256,
        image_shape=[3, 36, 36],
        patch_shape=[12, 12],
        num_classes=2,
        num_symbols=16,
        symmetric_relations=True,
    )
    plain = twin(config)
    games = RelationalGames(RelationalGamesConfig(game="occurs", objects=["hexominoes"], count=2_000))
    sizes, seeds = (250, 1000, 4000), (0, 1)

    def accuracy(schema: ViDATConfig, size: int) -> float:
        models = [fit(schema, "occurs", samples=size, steps=600, seed=seed) for seed in seeds]
        return sum(games.run(model)["hexominoes"] for model in models) / len(seeds)

    curve = [(size, accuracy(config, size), accuracy(plain, size)) for size in sizes]
    listing = ", ".join(f"{dual:.3f}/{other:.3f} ({size})" for size, dual, other in curve)
    return Measurement(
        f"accuracy dual attention/transformer by training images: {listing}",
        all(dual > other for _, dual, other in curve),
        f"occurs, held-out hexominoes, {count(config)} and {count(plain)} parameters, mean of {len(seeds)} seeds",
    )
