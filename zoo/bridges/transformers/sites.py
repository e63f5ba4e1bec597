"""Where a model attends: its attention layers, whatever their architecture, and the blocks that hold them.

Wherever heads are concatenated before an output projection, a head is a slice of that projection's input. That, and
the query, key and value projections, is all that a ``Site`` needs to know; it is found by the names that
architectures use. Works on models of transformers (GPT-2, BERT, Llama, BART, T5, Whisper, ViT and those built like
them) and on the zoo's own networks::

    for site in find_sites(model):
        print(site.name, site.group, site.num_heads)

Sites are grouped as encoder self-attention ("E"), decoder self-attention ("D") and cross-attention ("A").
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from torch import Tensor, nn

from zoo.errors import InputError

Group = Literal["E", "D", "A"]
T = TypeVar("T")

# Attribute names of (query, key, value) projections, fused projections, output projections and numbers of heads, by
# architecture.
_SPLIT = (
    ("query", "key", "value"),
    ("q_proj", "k_proj", "v_proj"),
    ("q_lin", "k_lin", "v_lin"),
    ("query_proj", "key_proj", "value_proj"),
    ("q", "k", "v"),
    ("wq", "wk", "wv"),
    ("queries", "keys", "values"),
)
# Projections of layers whose values come from somewhere else than queries and keys.
_APART = ("wq_attn", "wk_attn", "wv")
_FUSED = ("c_attn", "query_key_value", "qkv_proj", "Wqkv")
# Elsewhere this name also stands for projections that nothing can step behind.
_FUSED_IN_ZOO = "qkv"
_OUTPUT = ("o_proj", "out_proj", "out_lin", "c_proj", "dense", "o", "Wo", "wo", "out", "proj", "reprojection")
HEAD_COUNTS = ("num_attention_heads", "num_heads", "n_heads", "n_head")
_KEY_VALUE_COUNTS = ("num_key_value_heads", "num_kv_heads")


@dataclass(frozen=True)
class Site:
    """One attention layer.

    Args:
        name: dotted name of the attention module.
        module: it.
        output: its output projection; head h reads features h * head_dim to (h + 1) * head_dim.
        num_heads, head_dim: query heads and their width.
        num_kv_heads: key/value heads, each of which serves ``num_heads / num_kv_heads`` query heads.
        group: encoder self, decoder self or cross attention.
    """

    name: str
    module: Any
    output: Any
    num_heads: int
    num_kv_heads: int
    head_dim: int
    group: Group

    def label(self, layer: int, head: int) -> str:
        """ "E:1:1" style, counted from 1."""
        return f"{self.group}:{layer + 1}:{head + 1}"


@dataclass(frozen=True)
class Block:
    """One block of a transformer: attention and what follows it, between two places of the residual stream.

    Args:
        name: dotted name of the block's module.
        module: it.
        sites: its attention layers; a decoder's block may attend to an encoder too.
        group: "E" of an encoder, "D" of a decoder.
    """

    name: str
    module: nn.Module
    sites: tuple[Site, ...]
    group: Group


def find_sites(model: nn.Module, *, group: Group | None = None, layers: Collection[int] | None = None) -> list[Site]:
    """Attention layers in the order of the model's modules.

    Args:
        model: any network.
        group: only those of one group.
        layers: only these, counted from 0 among those of the group (among all without one); negative from the end.

    Raises:
        InputError: there are none, of the group none, or not so many.
    """
    modules = dict(model.named_modules())
    sites = [site for name, module in modules.items() if (site := _site(name, module, modules)) is not None]
    if not sites:
        raise InputError(f"{type(model).__name__} has no attention layer with known projections")
    found = [site for site in sites if group in (None, site.group)]
    if not found:
        groups = ", ".join(sorted({site.group for site in sites}))
        raise InputError(f"{type(model).__name__} has no attention of group {group!r}; its groups: {groups}")
    if layers is None:
        return found
    wrong = [layer for layer in layers if not -len(found) <= layer < len(found)]
    if wrong:
        raise InputError(f"layers {wrong}: the model has {len(found)}, numbered from 0")
    return [found[layer] for layer in layers]


def _site(name: str, module: Any, modules: dict[str, Any]) -> Site | None:
    children = {child for child, _ in module.named_children()}
    fused = {*_FUSED, _FUSED_IN_ZOO} if callable(getattr(module, "attend", None)) else {*_FUSED}
    if not any(set(names) <= children for names in (*_SPLIT, _APART)) and not children & fused:
        return None
    output = next((getattr(module, child) for child in _OUTPUT if child in children), None)
    if output is None:
        # BERT keeps the projection beside the module: attention.self and attention.output.dense.
        parent = modules.get(name.rpartition(".")[0])
        output = getattr(getattr(parent, "output", None), "dense", None)
    if output is None:
        return None
    heads = _num_heads(module)
    return Site(
        name,
        module,
        output,
        heads,
        _num_kv_heads(module, heads),
        _width(output, module) // max(heads, 1),
        _group(name, module),
    )


def _width(output: Any, module: Any) -> int:
    """Features that an output projection reads. A Conv1D of transformers does not say so; its weight is (in, out)."""
    if isinstance(output, nn.Identity):
        return int(module.config.dim)
    features = getattr(output, "in_features", getattr(output, "in_channels", None))
    return int(output.weight.shape[0] if features is None else features)


def _num_heads(module: Any) -> int:
    owners = (module, getattr(module, "config", None))
    found = (getattr(owner, name, None) for owner in owners for name in HEAD_COUNTS)
    heads = next((count for count in found if count is not None), None)
    if heads is None:
        raise InputError(f"{type(module).__name__} does not say how many heads it has")
    return int(heads)


def _num_kv_heads(module: Any, num_heads: int) -> int:
    groups = getattr(module, "num_key_value_groups", None)
    if groups:
        return num_heads // int(groups)
    found = (getattr(module, name, None) for name in _KEY_VALUE_COUNTS)
    return next((int(count) for count in found if count is not None), num_heads)


def _group(name: str, module: Any) -> Group:
    lowered = name.lower()
    if any(word in lowered for word in ("cross", "encoder_attn", "encdecattention")):
        return "A"
    causal = any(getattr(module, flag, False) for flag in ("is_decoder", "is_causal", "causal"))
    return "D" if "decoder" in lowered or causal or getattr(getattr(module, "config", None), "causal", False) else "E"


def layer_names(model: nn.Module, *, group: Group | None = None, layers: Collection[int] | None = None) -> list[str]:
    """What to call attention layers in pictures, in the order of ``find_sites``: "3", "decoder 3, cross-attention".

    Args:
        model, group, layers: see ``find_sites``.

    Returns:
        The number of the layer among those of its encoder or decoder; which of the two, where there are both; and which
        heads, where a layer has several kinds of them.
    """
    modules, everywhere = dict(model.named_modules()), find_sites(model)
    places = {site.name: _place(site, modules) for site in everywhere}
    of_decoder = {places[site.name] for site in everywhere if site.group != "E"}
    both = len({place in of_decoder for place in places.values()}) > 1
    names = []
    for site in find_sites(model, group=group, layers=layers):
        place = places[site.name]
        alike = [other for other in dict.fromkeys(places.values()) if (other in of_decoder) == (place in of_decoder)]
        part = ("decoder " if place in of_decoder else "encoder ") if both else ""
        several = list(places.values()).count(place) > 1
        kind = "cross-attention" if site.group == "A" else "self-attention"
        names.append(f"{part}{alike.index(place)}" + (f", {_kind_of_heads(site) or kind}" if several else ""))
    return names


def _place(site: Site, modules: dict[str, Any]) -> str:
    """What holds a layer and its neighbours: the innermost element of a list around it, or the layer itself."""
    name = site.name
    while name:
        parent, _, last = name.rpartition(".")
        if last.isdigit() and isinstance(modules.get(parent), nn.ModuleList | nn.Sequential):
            return name
        name = parent
    return site.name


def _kind_of_heads(site: Site) -> str:
    kind: str | None = getattr(site.module, "heads_are", None)
    return f"{kind} heads" if kind else ""


def in_order(sites: Sequence[Site], found: Mapping[str, Sequence[T]]) -> list[T]:
    """What layers gave, in their order; what one gave at several calls stands together.

    Args:
        sites: the layers.
        found: what each gave, by the site's name.

    Raises:
        InputError: a layer gave nothing, because it did not run.
    """
    missing = [site.name for site in sites if site.name not in found]
    if missing:
        raise InputError(f"{', '.join(missing)}: never ran for these inputs; choose layers or a group that does")
    return [item for site in sites for item in found[site.name]]


def require_equal_heads(sites: Sequence[Site]) -> int:
    """The number of heads that all sites share.

    Raises:
        InputError: they differ, so there is no rectangular table.
    """
    counts = {site.num_heads for site in sites}
    if len(counts) != 1:
        raise InputError(f"layers have different numbers of heads: {sorted(counts)}")
    return counts.pop()


def projections(site: Site) -> dict[str, nn.Linear]:
    """The separate linear query, key and value projections of a site.

    Raises:
        InputError: the architecture fuses them.
    """
    for names in _SPLIT:
        if all(isinstance(getattr(site.module, name, None), nn.Linear) for name in names):
            return dict(zip(("query", "key", "value"), (getattr(site.module, name) for name in names), strict=True))
    raise InputError(f"{site.name}: query, key and value are one fused projection; heads can be gated, not cut out")


def projected(
    site: Site, read: Callable[[Any], Tensor], read_others: Callable[[Any], Tensor] | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """What ``read`` gives of the query, key and value projections, by heads.

    ``projected(site, lambda layer: layer(states))`` gives queries, keys and values before any positions or norms.

    Args:
        site: the attention layer.
        read: maps a projection to a tensor (..., its output features).
        read_others: the same for keys and values, where they come from another sequence.

    Returns:
        Three tensors (..., heads, head_dim); keys and values have ``num_kv_heads`` heads.

    Raises:
        InputError: the architecture's projection is fused in a way that is not known here.
    """
    module, width = site.module, site.head_dim
    if all(hasattr(module, name) for name in _APART):
        raise InputError(
            f"{site.name} ({type(module).__name__}) makes its values of something else than its queries and keys; "
            "choose other layers, or read its heads as they run (queries_keys_values(..., positions=True))"
        )
    others = read_others or read
    for names in _SPLIT:
        parts = [getattr(module, name, None) for name in names]
        if not any(part is None or isinstance(part, nn.Conv2d) for part in parts):
            query, key, value = read(parts[0]), others(parts[1]), others(parts[2])
            return tuple(part.unflatten(-1, (-1, width)) for part in (query, key, value))
    if hasattr(module, "q_attn"):
        # Cross-attention of GPT-2: the fused projection has keys and values alone.
        return read(module.q_attn).unflatten(-1, (-1, width)), *_unbound(others(module.c_attn), (2, -1, width), -3)
    for name in ("c_attn", _FUSED_IN_ZOO):
        if hasattr(module, name):
            return _unbound(read(getattr(module, name)), (3, -1, width), -3)
    if hasattr(module, "qkv_proj"):
        counts = (site.num_heads, site.num_kv_heads, site.num_kv_heads)
        return tuple(read(module.qkv_proj).unflatten(-1, (-1, width)).split(counts, -2))
    if hasattr(module, "query_key_value") and "GPTNeoX" in type(module).__name__:
        return _unbound(read(module.query_key_value), (site.num_heads, 3, width), -2)
    raise InputError(f"{site.name} ({type(module).__name__}) fuses query, key and value in a way that is not known")


def _unbound(fused: Tensor, shape: tuple[int, ...], axis: int) -> Any:
    return fused.unflatten(-1, shape).unbind(axis)


def find_blocks(model: nn.Module, *, group: Group | None = None) -> list[Block]:
    """The blocks around the model's attention layers, in order.

    Args:
        model: any network.
        group: only an encoder's ("E") or a decoder's ("D").

    Raises:
        InputError: an attention layer is in no list of modules, or no block has the group.
    """
    modules = dict(model.named_modules())
    sites: dict[str, list[Site]] = {}
    for site in find_sites(model):
        sites.setdefault(_block_name(site, modules), []).append(site)
    blocks = []
    for name, inside in sites.items():
        decodes = any(site.group != "E" for site in inside)
        blocks.append(Block(name, modules[name], tuple(inside), "D" if decodes else "E"))
    found = [block for block in blocks if group in (None, block.group)]
    if not found:
        raise InputError(f"{type(model).__name__} has no blocks of group {group!r}")
    return found


def _block_name(site: Site, modules: dict[str, Any]) -> str:
    """The innermost element of a module list that has layers beside the attention."""
    name = site.name
    while name:
        parent, _, last = name.rpartition(".")
        if (
            last.isdigit()
            and isinstance(modules.get(parent), nn.ModuleList)
            and feed_forward_output(modules[name], [site])
        ):
            return name
        name = parent
    raise InputError(f"{site.name} is in no list of blocks; the residual stream around it is not known")


def feed_forward_output(block: nn.Module, sites: Sequence[Site]) -> nn.Module | None:
    """The last linear layer of a block outside its attention: what a feed-forward network writes with."""
    inside = {id(part) for site in sites for part in site.module.modules()} | {id(site.output) for site in sites}
    linear = [part for part in block.modules() if id(part) not in inside and is_linear(part)]
    return linear[-1] if linear else None


def is_linear(module: nn.Module) -> bool:
    """Whether a module is a linear layer, transformers' Conv1D included."""
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"
