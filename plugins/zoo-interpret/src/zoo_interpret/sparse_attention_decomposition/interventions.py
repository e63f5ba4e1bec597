"""Take an upstream head's signal away from where it is read, or add it once more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.circuits import head_weights
from zoo.bridges.transformers.sites import Site
from zoo.errors import InputError
from zoo_interpret.sparse_attention_decomposition.folding import augmented
from zoo_interpret.sparse_attention_decomposition.running import Running
from zoo_interpret.sparse_attention_decomposition.tracing import Edge, Trace, terms_of

How = Literal["ablate", "boost"]
Scope = Literal["global", "local"]


@dataclass(frozen=True)
class Signal:
    """What an upstream head wrote of a firing's kept terms.

    Args:
        edge: where it goes.
        delta: (dim,), in the units of the residual stream.
        cosine, norm_ratio: of the stream at that token before and after taking it away.
    """

    edge: Edge
    delta: Tensor
    cosine: float
    norm_ratio: float


def signal(running: Running, trace: Trace, edge: Edge, *, control: int | None = None) -> Signal:
    """The signal of an edge: the upstream head's output, projected on the kept singular vectors of its side.

    Args:
        running, trace: as the probe made them.
        edge: of the trace.
        control: a seed; then as many random ones of the other singular vectors are taken instead.

    Raises:
        InputError: too few other vectors for a control.
    """
    terms = terms_of(running, trace.firings[edge.firing].tolist())
    kept = trace.terms_used[edge.firing].bool()
    if control is not None:
        others = (~kept).nonzero().flatten()
        if len(others) < int(kept.sum()):
            raise InputError(f"{len(others)} singular vectors are left for a control of {int(kept.sum())}")
        order = torch.randperm(len(others), generator=torch.Generator().manual_seed(control))
        chosen = others[order[: int(kept.sum())]]
    else:
        chosen = kept.nonzero().flatten()
    vectors = (terms.left if edge.side == "destination" else terms.right)[:, chosen]
    layer, head = edge.upstream
    written = augmented(running.writes(layer, edge.prompt, edge.token)[head])
    projected = (vectors @ (vectors.T @ written))[:-1].float()
    delta = running.norms[edge.downstream[0]].shifted(projected)
    place = layer + 1
    before = running.streams[min(place, len(running.streams) - 1)][edge.prompt, edge.token]
    after = before - delta
    cosine = float(torch.cosine_similarity(before, after, dim=0))
    return Signal(edge, delta, cosine, float(after.norm() / before.norm()))


@contextmanager
def intervening(
    model: nn.Module, running: Running, found: Signal, *, how: How = "ablate", scope: Scope = "global"
) -> Iterator[None]:
    """Change the run of the same prompts within the context; afterwards the model is as before.

    Args:
        model: the one that ran.
        running: its run.
        found: what is taken away or added.
        how: "ablate" takes it away, "boost" adds it once more.
        scope: "global" changes the upstream layer's output, and everything after it; "local" what the downstream head
            alone reads: its queries, keys and values.

    Raises:
        InputError: a local change of a head that shares its keys and values.
    """
    edge, sign = found.edge, -1.0 if how == "ablate" else 1.0
    with ExitStack() as stack:
        if scope == "global":

            def add(module: nn.Module, args: Any, output: Tensor) -> Tensor:
                changed = output.clone()
                changed[edge.prompt, edge.token] += sign * found.delta
                return changed

            handle = running.sites[edge.upstream[0]].output.register_forward_hook(add)
            stack.callback(handle.remove)
        else:
            stack.enter_context(_reading(model, running, edge, sign * found.delta))
        yield


@contextmanager
def _reading(model: nn.Module, running: Running, edge: Edge, delta: Tensor) -> Iterator[None]:
    """A head reads a changed state at a token."""
    layer, head = edge.downstream
    site, norm, folded = running.sites[layer], running.norms[layer], running.folded[layer]
    if site.num_kv_heads != site.num_heads:
        raise InputError(f"{site.name} shares keys and values between heads; a local change would reach them all")
    change = delta / norm.scale(running.streams[layer][edge.prompt, edge.token])
    turned = folded.turned(edge.token)
    query, key = (change.double() @ part[head, :-1] @ turned for part in (folded.query, folded.key))
    value = (norm.gain * change) @ head_weights(site).value[head]

    def act(where: Site, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = [part.clone() for part in (q, k, v)]
        for part, new in zip(parts, (query, key, value), strict=True):
            part[edge.prompt, head, edge.token] += new.to(part.dtype)
        return parts[0], parts[1], parts[2]

    with attending(model, sites=[site], projections=act):
        yield
