"""Find the attention heads of a transformers model, whatever its architecture.

Wherever heads are concatenated before an output projection, a head is a slice of that projection's input. Sites are
grouped as encoder self-attention ("E"), decoder self-attention ("D") and cross-attention ("A").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from zoo.errors import InputError

Group = Literal["E", "D", "A"]

# Attribute names of (query, key, value) projections, fused projections, output projections and numbers of heads, by
# architecture.
_SPLIT = (
    ("query", "key", "value"),
    ("q_proj", "k_proj", "v_proj"),
    ("q_lin", "k_lin", "v_lin"),
    ("query_proj", "key_proj", "value_proj"),
    ("q", "k", "v"),
)
_FUSED = {"c_attn", "query_key_value", "qkv_proj", "Wqkv"}
_OUTPUT = ("o_proj", "out_proj", "out_lin", "c_proj", "dense", "o", "Wo")
HEAD_COUNTS = ("num_attention_heads", "num_heads", "n_heads", "n_head")


@dataclass(frozen=True)
class Site:
    """One attention layer.

    Args:
        name: dotted name of the attention module.
        module: it.
        output: its output projection; head h reads features h * head_dim to (h + 1) * head_dim.
        num_heads, head_dim: query heads and their width.
        group: encoder self, decoder self or cross attention.
        owner: the module that holds ``output``.
    """

    name: str
    module: Any
    output: nn.Module
    num_heads: int
    head_dim: int
    group: Group

    def label(self, layer: int, head: int) -> str:
        """ "E:1:1" style, counted from 1."""
        return f"{self.group}:{layer + 1}:{head + 1}"


def find_sites(model: nn.Module) -> list[Site]:
    """All attention layers in the order of the model's modules.

    Raises:
        InputError: none is found.
    """
    modules = dict(model.named_modules())
    sites = [site for name, module in modules.items() if (site := _site(name, module, modules)) is not None]
    if not sites:
        raise InputError(f"{type(model).__name__} has no attention layer with known projections")
    return sites


def _site(name: str, module: Any, modules: dict[str, Any]) -> Site | None:
    children = {child for child, _ in module.named_children()}
    split = next((names for names in _SPLIT if set(names) <= children), None)
    if split is None and not _FUSED & children:
        return None
    output = next((getattr(module, child) for child in _OUTPUT if child in children), None)
    if output is None:
        # BERT keeps the projection beside the module: attention.self and attention.output.dense.
        parent = modules.get(name.rpartition(".")[0])
        output = getattr(getattr(parent, "output", None), "dense", None)
    if output is None:
        return None
    heads = _num_heads(module)
    # A Conv1D of transformers has no in_features; its weight is (in, out).
    features = getattr(output, "in_features", None)
    features = output.weight.shape[0] if features is None else features
    return Site(name, module, output, heads, features // max(heads, 1), _group(name, module))


def _num_heads(module: Any) -> int:
    owners = (module, getattr(module, "config", None))
    found = (getattr(owner, name, None) for owner in owners for name in HEAD_COUNTS)
    heads = next((count for count in found if count is not None), None)
    if heads is None:
        raise InputError(f"{type(module).__name__} does not say how many heads it has")
    return int(heads)


def _group(name: str, module: Any) -> Group:
    lowered = name.lower()
    if any(word in lowered for word in ("cross", "encoder_attn", "encdecattention")):
        return "A"
    if "decoder" in lowered or getattr(module, "is_decoder", False) or getattr(module, "is_causal", False):
        return "D"
    return "E"


def projections(site: Site) -> dict[str, nn.Linear]:
    """The separate linear query, key and value projections of a site.

    Raises:
        InputError: the architecture fuses them.
    """
    for names in _SPLIT:
        if all(isinstance(getattr(site.module, name, None), nn.Linear) for name in names):
            return dict(zip(("query", "key", "value"), (getattr(site.module, name) for name in names), strict=True))
    raise InputError(f"{site.name}: query, key and value are one fused projection; heads can be gated, not cut out")


def require_equal_heads(sites: Sequence[Site]) -> int:
    """The number of heads that all sites share.

    Raises:
        InputError: they differ, so there is no rectangular table.
    """
    counts = {site.num_heads for site in sites}
    if len(counts) != 1:
        raise InputError(f"layers have different numbers of heads: {sorted(counts)}")
    return counts.pop()
