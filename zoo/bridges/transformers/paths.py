"""Path patching: along which direct paths does a head send what makes the difference between two inputs?

A clean and a corrupted input give a metric m_clean and m_corrupt. For a sender head and some receivers,

1. run the clean input with the sender's output replaced by that of the corrupted run and every other head's output by
   its clean one (``freeze_feed_forward``: every feed-forward network's too), and keep what the receivers see: queries,
   keys or values of later heads, or the last residual stream;
2. run the clean input with only the receivers' values replaced by those.

The path's effect is (m_patched - m_clean) / (m_corrupt - m_clean): 0 where nothing passes, 1 where everything does. All
of it happens at one position (Wang et al. 2022, "Interpretability in the Wild", arXiv 2211.00593, section 3.1)::

    difference = logit_difference(answers)                    # answers (batch, 2): right token, wrong token
    to_logits = path_effects(model, clean, corrupt, metric=difference)                     # (layers, heads)
    to_queries = path_effects(model, clean, corrupt, metric=difference, receivers=[Receiver(9, 6, "query")])
    activation_effects(model, clean, corrupt, metric=difference)      # everything after the head is computed again
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.heads import Place, at_heads, at_positions, head_outputs, patching
from zoo.bridges.transformers.inputs import Inputs, as_inputs, logits_of
from zoo.bridges.transformers.progress import Log, patient
from zoo.bridges.transformers.sites import Site, feed_forward_output, find_blocks, find_sites, require_equal_heads
from zoo.bridges.transformers.streams import at_streams
from zoo.errors import InputError

Component = Literal["query", "key", "value", "output"]
Metric = Callable[[Any], Tensor]
"""What a model returned to a number, such as a logit difference."""


@dataclass(frozen=True)
class Receiver:
    """What a head receives, queries, keys or values, or puts out. Of shared keys and values, ``head`` counts these."""

    layer: int
    head: int
    component: Component


@dataclass(frozen=True)
class Stream:
    """The residual stream at a place: before block ``place``, or after the last; see ``streams``."""

    place: int


@dataclass(frozen=True)
class Effects:
    """Effects of patching heads, as shares of the difference between a corrupted and a clean run.

    Args:
        effects: (layers, heads); 0 for heads that were not asked about.
        clean, corrupt: the metric of the two runs.
    """

    effects: Tensor
    clean: float
    corrupt: float

    def strongest(self, count: int = 10) -> list[tuple[Place, float]]:
        """((layer, head), effect), the largest absolute effects first."""
        order = self.effects.abs().flatten().argsort(descending=True, stable=True)[:count].tolist()
        heads = self.effects.shape[1]
        return [((index // heads, index % heads), float(self.effects.flatten()[index])) for index in order]


def logit_difference(answers: Tensor, position: int | Tensor = -1) -> Metric:
    """The mean over a batch of logit[right] - logit[wrong] at a position.

    Args:
        answers: (batch, 2) int64, right token and wrong one.
        position: of the logits; one (batch,) for each example where texts end at different places.
    """

    def metric(output: Any) -> Tensor:
        logits = logits_of(output)
        last = logits[at_positions(logits, position)]
        right, wrong = last.gather(1, answers.to(last.device)).unbind(1)
        return (right - wrong).mean()

    return metric


def activation_effects(
    model: nn.Module,
    clean: Inputs,
    corrupt: Inputs,
    tokenizer: Any = None,
    *,
    metric: Metric,
    position: int | Tensor = -1,
    senders: Sequence[Place] | None = None,
    log: Log | None = None,
) -> Effects:
    """Total effects: each head's output replaced by the corrupted run's, everything after it computed again.

    Args, Returns, Raises: see ``path_effects``.
    """
    runs = _Runs(model, clean, corrupt, tokenizer, metric)

    def patched(sender: Place) -> Tensor:
        layer, head = sender
        with patching(model, {sender: runs.corrupt_outputs[layer][:, :, head]}, position=position):
            return runs.measure(runs.clean)

    return runs.effects(senders, patched, log)


@torch.no_grad()
def path_effects(
    model: nn.Module,
    clean: Inputs,
    corrupt: Inputs,
    tokenizer: Any = None,
    *,
    metric: Metric,
    receivers: Sequence[Receiver | Stream] = (),
    position: int | Tensor = -1,
    freeze_feed_forward: bool = False,
    senders: Sequence[Place] | None = None,
    log: Log | None = None,
) -> Effects:
    """Effects of the direct paths from heads to receivers; see the module's text.

    Args:
        model: a decoder or encoder, of transformers or of the zoo, in eval mode.
        clean, corrupt: inputs of the same shape; see ``inputs.as_inputs``.
        tokenizer: for texts.
        metric: of what the model returns; ``logit_difference`` for instance.
        receivers: heads' components, or places of the residual stream; by default that after the last block, that is
            the logits.
        position: where heads are patched and frozen, and receivers read; one (batch,) for each example.
        freeze_feed_forward: only paths without feed-forward networks in between.
        senders: (layer, head) of those in question; by default all that lie before a receiver or beside it.
        log: takes a line per sender.

    Raises:
        InputError: inputs of different shapes, receivers that do not exist, or no difference between the two runs.
    """
    runs = _Runs(model, clean, corrupt, tokenizer, metric)
    runs.require(receivers)
    heads = [receiver for receiver in receivers if isinstance(receiver, Receiver)]
    if heads and senders is None:
        last = max(receiver.layer for receiver in heads)
        own = {(receiver.layer, receiver.head) for receiver in heads if receiver.component in ("query", "output")}
        streams = len(heads) < len(receivers)
        senders = [place for place in runs.places() if (streams or place[0] <= last) and place not in own]

    def patched(sender: Place) -> Tensor:
        # Receivers look before the freezing: what they put out themselves is seen as it would be.
        with _seen(model, runs.sites, receivers, position) as seen, runs.frozen(sender, position, freeze_feed_forward):
            runs.run(runs.clean)
        with _received(model, runs.sites, receivers, position, seen):
            return runs.measure(runs.clean)

    return runs.effects(senders, patched, log)


class _Runs:
    """The clean and the corrupted run of a model, and what their heads put out."""

    def __init__(self, model: nn.Module, clean: Inputs, corrupt: Inputs, tokenizer: Any, metric: Metric) -> None:
        self.model, self.metric = model, metric
        self.clean, self.corrupt = (as_inputs(model, inputs, tokenizer) for inputs in (clean, corrupt))
        shapes = [
            {name: value.shape for name, value in inputs.items() if isinstance(value, Tensor)}
            for inputs in (self.clean, self.corrupt)
        ]
        if shapes[0] != shapes[1]:
            raise InputError(f"clean and corrupted inputs differ in shape: {shapes[0]} and {shapes[1]}")
        self.sites = find_sites(model)
        self.heads = require_equal_heads(self.sites)
        self.clean_outputs = head_outputs(model, self.clean)
        self.corrupt_outputs = head_outputs(model, self.corrupt)
        self.feed_forward: list[tuple[nn.Module, Tensor]] = []

    def run(self, inputs: dict[str, Any]) -> Any:
        with torch.no_grad():
            return self.model(**inputs)

    def measure(self, inputs: dict[str, Any]) -> Tensor:
        return self.metric(self.run(inputs))

    def places(self) -> list[Place]:
        return [(layer, head) for layer in range(len(self.sites)) for head in range(self.heads)]

    def require(self, receivers: Sequence[Receiver | Stream]) -> None:
        for receiver in receivers:
            if isinstance(receiver, Stream):
                continue
            site = self.sites[receiver.layer] if 0 <= receiver.layer < len(self.sites) else None
            per_query = receiver.component in ("query", "output")
            heads = 0 if site is None else site.num_heads if per_query else site.num_kv_heads
            if not 0 <= receiver.head < heads:
                raise InputError(f"no receiver {receiver}: {len(self.sites)} layers, {heads} heads of that component")

    def effects(self, senders: Sequence[Place] | None, patched: Callable[[Place], Tensor], log: Log | None) -> Effects:
        clean, corrupt = float(self.measure(self.clean)), float(self.measure(self.corrupt))
        if corrupt == clean:
            raise InputError(
                "the metric is the same for the clean and the corrupted input: there is no effect to share out"
            )
        table, log = torch.zeros(len(self.sites), self.heads), patient(log)
        for layer, head in self.places() if senders is None else senders:
            table[layer, head] = (float(patched((layer, head))) - clean) / (corrupt - clean)
            log(f"layer {layer} head {head}: {float(table[layer, head]):+.3f}")
        return Effects(table, clean, corrupt)

    @contextmanager
    def frozen(self, sender: Place, position: int | Tensor, feed_forward: bool) -> Iterator[None]:
        """The sender's corrupted output and every other head's clean one, at a position."""
        layers = {site.name: layer for layer, site in enumerate(self.sites)}

        def act(site: Site, outputs: Tensor) -> Tensor:
            layer = layers[site.name]
            where = at_positions(outputs, position)
            fixed = self.clean_outputs[layer][where].clone()
            if layer == sender[0]:
                fixed[:, sender[1]] = self.corrupt_outputs[layer][where][:, sender[1]]
            changed = outputs.clone()
            changed[where] = fixed
            return changed

        written = self._clean_feed_forward() if feed_forward else []
        with ExitStack() as stack:
            stack.enter_context(at_heads(self.model, act))
            for module, clean in written:
                handle = module.register_forward_hook(_put_back(clean, position))
                stack.callback(handle.remove)
            yield

    def _clean_feed_forward(self) -> list[tuple[nn.Module, Tensor]]:
        """What every feed-forward network writes in the clean run; run once."""
        if self.feed_forward:
            return self.feed_forward
        writers = [feed_forward_output(block.module, block.sites) for block in find_blocks(self.model)]
        found: dict[nn.Module, Tensor] = {}

        def keep(module: nn.Module, args: Any, output: Tensor) -> None:
            found[module] = output

        handles = [writer.register_forward_hook(keep) for writer in writers if writer is not None]
        try:
            self.run(self.clean)
        finally:
            for handle in handles:
                handle.remove()
        self.feed_forward = list(found.items())
        return self.feed_forward


def _put_back(clean: Tensor, position: int | Tensor) -> Callable[..., Tensor]:
    def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        where = at_positions(output, position)
        changed = output.clone()
        changed[where] = clean[where]
        return changed

    return hook


@contextmanager
def _seen(
    model: nn.Module, sites: Sequence[Site], receivers: Sequence[Receiver | Stream], position: int | Tensor
) -> Iterator[dict[Any, Tensor]]:
    """What receivers see within the context, at a position, filled while the model runs."""
    seen: dict[Any, Tensor] = {}

    def keep_stream(place: int, stream: Tensor) -> None:
        seen[Stream(place)] = stream[at_positions(stream, position)]

    def keep_projections(site: Site, query: Tensor, key: Tensor, value: Tensor) -> None:
        parts = {"query": query, "key": key, "value": value}
        for receiver in _of(receivers, sites, site):
            part = parts[receiver.component][:, receiver.head]
            seen[receiver] = part[at_positions(part, position)]

    def keep_outputs(site: Site, outputs: Tensor) -> None:
        for receiver in _of(receivers, sites, site, outputs=True):
            part = outputs[:, :, receiver.head]
            seen[receiver] = part[at_positions(part, position)]

    with _looking(model, sites, receivers, keep_stream, keep_projections, keep_outputs):
        yield seen


@contextmanager
def _received(
    model: nn.Module,
    sites: Sequence[Site],
    receivers: Sequence[Receiver | Stream],
    position: int | Tensor,
    seen: dict[Any, Tensor],
) -> Iterator[None]:
    """Receivers see what they saw before, at a position, within the context."""

    def put_stream(place: int, stream: Tensor) -> Tensor:
        changed = stream.clone()
        changed[at_positions(stream, position)] = seen[Stream(place)]
        return changed

    def put_projections(site: Site, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = {"query": query.clone(), "key": key.clone(), "value": value.clone()}
        for receiver in _of(receivers, sites, site):
            part = parts[receiver.component][:, receiver.head]
            part[at_positions(part, position)] = seen[receiver]
        return parts["query"], parts["key"], parts["value"]

    def put_outputs(site: Site, outputs: Tensor) -> Tensor:
        changed = outputs.clone()
        for receiver in _of(receivers, sites, site, outputs=True):
            part = changed[:, :, receiver.head]
            part[at_positions(part, position)] = seen[receiver]
        return changed

    with _looking(model, sites, receivers, put_stream, put_projections, put_outputs):
        yield


@contextmanager
def _looking(
    model: nn.Module,
    sites: Sequence[Site],
    receivers: Sequence[Receiver | Stream],
    at_stream: Any,
    at_projections: Any,
    at_outputs: Any,
) -> Iterator[None]:
    """Functions at the places that receivers are; those of the last stream where there are none."""
    heads = [receiver for receiver in receivers if isinstance(receiver, Receiver)]
    places = [receiver.place for receiver in receivers if isinstance(receiver, Stream)]
    if not receivers:
        places = [len(find_blocks(model))]
    written = [receiver for receiver in heads if receiver.component == "output"]
    projected = [receiver for receiver in heads if receiver.component != "output"]
    with ExitStack() as stack:
        if places:
            stack.enter_context(at_streams(model, at_stream, before=places))
        if projected:
            stack.enter_context(attending(model, sites=_layers(sites, projected), projections=at_projections))
        if written:
            stack.enter_context(at_heads(model, at_outputs, sites=_layers(sites, written)))
        yield


def _of(
    receivers: Sequence[Receiver | Stream], sites: Sequence[Site], site: Site, *, outputs: bool = False
) -> list[Receiver]:
    """Receivers in a layer: those of its outputs, or the others."""
    heads = [receiver for receiver in receivers if isinstance(receiver, Receiver)]
    here = [receiver for receiver in heads if sites[receiver.layer].name == site.name]
    return [receiver for receiver in here if (receiver.component == "output") == outputs]


def _layers(sites: Sequence[Site], receivers: Sequence[Receiver]) -> list[Site]:
    return [sites[layer] for layer in sorted({receiver.layer for receiver in receivers})]
