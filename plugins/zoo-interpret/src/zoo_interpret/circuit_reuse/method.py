"""Path patching towards receivers, circuits found backwards, their overlap, and heads made to look at chosen tokens."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.decomposition import final_norm, linear_head
from zoo.bridges.transformers.heads import Place, at_positions, head_outputs, head_writes
from zoo.bridges.transformers.inputs import Inputs, as_inputs, real_tokens
from zoo.bridges.transformers.paths import Receiver, Stream, activation_effects, logit_difference, path_effects
from zoo.bridges.transformers.progress import Log, patient
from zoo.bridges.transformers.sites import Site, find_blocks, find_sites
from zoo.bridges.transformers.streams import residual_streams
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo_interpret.circuit_reuse.config import CircuitReuseConfig
from zoo_interpret.circuit_reuse.results import Circuit, Overlap, PathEffects, shared
from zoo_interpret.padding import Padding, position_among_real, seeing_padding

# Who receives from the heads of a role, and at which of the prompt's named positions: the paper's order of discovery.
ROLES = ("mover", "inhibition", "induction", "previous-token")


class CircuitReuse:
    """Effects of heads on a task, circuits, and an intervention on what heads look at."""

    def __init__(self, config: CircuitReuseConfig) -> None:
        self.config = config

    @contextmanager
    def attach(self, model: nn.Module, keys: Tensor | None = None, *, position: int | Tensor = -1) -> Iterator[None]:
        """Make the steered heads look at chosen tokens within the context; afterwards the model is as before.

        Args:
            model: of transformers or of the zoo.
            keys: (batch, m) int64, positions to look at, 1/m each; -1 fills up shorter rows. Without any, all that
                a head can see.
            position: of the query that is steered, counted among tokens that are no padding, in every pass; or one
                (batch,) for each example, which counts padding.

        Raises:
            InputError: a steered head that the model has not, another batch, or keys outside the text.
        """
        sites = find_sites(model)
        places = self.config.places()
        for layer, head in places:
            if layer >= len(sites) or head >= sites[layer].num_heads:
                raise InputError(
                    f"no head {layer}.{head} to steer: {type(model).__name__} has {len(sites)} layers of "
                    f"{sites[0].num_heads} heads"
                )
        layers = {sites[layer].name: [head for at, head in places if at == layer] for layer, _ in places}

        def steer(site: Site, weights: Tensor) -> Tensor:
            rows, queries = at_positions(weights.transpose(1, 2), padding.nth(position))
            changed = weights.clone()
            for head in layers[site.name]:
                changed[rows, head, queries] = _row(weights[rows, head, queries], keys)
            return changed

        if not layers:
            yield
            return
        chosen = [sites[layer] for layer in sorted({at for at, _ in places})]
        with seeing_padding(model) as padding, attending(model, sites=chosen, weights=steer):
            yield

    def path_effects(
        self,
        model: nn.Module,
        clean: Inputs,
        corrupt: Inputs,
        answers: Tensor,
        tokenizer: Any = None,
        *,
        receivers: Sequence[Receiver | Stream] = (),
        position: int | Tensor = -1,
        answer_position: int | Tensor = -1,
        senders: Collection[Place] | None = None,
        log: Log | None = None,
    ) -> PathEffects:
        """Effects of direct paths from every head to some receivers.

        Args:
            model: of transformers or of the zoo, in eval mode.
            clean, corrupt: prompts of the same shape; ids, keyword arguments, or texts.
            answers: (batch, 2): right token and wrong one.
            tokenizer: for texts.
            receivers: heads' components, or places of the stream; the last stream, that is the logits, by default.
            position: where heads are patched, and receivers read: for keys and values, where the receiver reads.
                Counted among tokens that are no padding; one (batch,) for each example counts padding.
            answer_position: of the logits, in the same way.
            senders: by default all heads; where heads receive, those up to the layer of the earliest, but themselves.
            log: takes a line per sender.
        """
        heads = [receiver for receiver in receivers if isinstance(receiver, Receiver)]
        if senders is None and heads:
            sites = find_sites(model)
            last = min(receiver.layer for receiver in heads)
            known = [receiver for receiver in heads if 0 <= receiver.layer < len(sites)]
            own = {place for receiver in known for place in _query_heads(sites, receiver)}
            every = [(layer, head) for layer in range(last + 1) for head in range(sites[0].num_heads)]
            senders = [place for place in every if place not in own]
        whole_receivers = [receiver for receiver in receivers if isinstance(receiver, Stream)]
        inputs = _pair(model, clean, corrupt, tokenizer)
        position, answer_position = (position_among_real(inputs[0], at) for at in (position, answer_position))
        metric = logit_difference(answers, answer_position)
        with _cached_prefix(model, inputs, position, answer_position) as (first, second):
            found = path_effects(
                model,
                first,
                second,
                metric=metric,
                receivers=[*heads, *whole_receivers],
                position=position,
                freeze_feed_forward=self.config.freeze_feed_forward,
                senders=None if senders is None else list(senders),
                log=log,
            )
        return PathEffects(found.clean, found.corrupt, found.effects)

    def activation_effects(
        self,
        model: nn.Module,
        clean: Inputs,
        corrupt: Inputs,
        answers: Tensor,
        tokenizer: Any = None,
        *,
        position: int | Tensor = -1,
        answer_position: int | Tensor = -1,
        log: Log | None = None,
    ) -> PathEffects:
        """Total effects: a head's output from the corrupted run, everything after it computed again.

        Args: see ``path_effects``.
        """
        inputs = _pair(model, clean, corrupt, tokenizer)
        position, answer_position = (position_among_real(inputs[0], at) for at in (position, answer_position))
        metric = logit_difference(answers, answer_position)
        with _cached_prefix(model, inputs, position, answer_position) as (first, second):
            found = activation_effects(model, first, second, metric=metric, position=position, log=log)
        return PathEffects(found.clean, found.corrupt, found.effects)

    @torch.no_grad()
    def direct_effects(
        self, model: nn.Module, clean: Inputs, corrupt: Inputs, answers: Tensor, tokenizer: Any = None
    ) -> PathEffects:
        """Effects on the logits of paths without feed-forward networks, at once: two runs for all heads.

        With everything else frozen the last stream changes by what the sender writes more, (z_corr - z_clean) W_O,h;
        what follows is the final norm and the head. ``path_effects`` with ``freeze_feed_forward`` gives the same.
        """
        inputs = _pair(model, clean, corrupt, tokenizer)
        last = position_among_real(inputs[0], -1)
        metric, sites, blocks = logit_difference(answers, last), find_sites(model), find_blocks(model)
        norm, head = final_norm(blocks[-1], model), linear_head(model)
        if head is None:
            raise InputError(f"{type(model).__name__} has no linear head; use path_effects, which runs the model")
        outputs = [head_outputs(model, prompts) for prompts in inputs]
        metrics = [float(metric(model(**prompts))) for prompts in inputs]
        if metrics[0] == metrics[1]:
            raise InputError("the metric is the same for clean and corrupted prompts: there is no effect to share out")
        stream = residual_streams(model, inputs[0])[-1]
        rows, places = at_positions(stream, last)
        stream, of_last = stream[rows, places], logit_difference(answers)
        effects = torch.zeros(len(sites), sites[0].num_heads)
        for layer, site in enumerate(sites):
            writes = head_writes(site, (outputs[1][layer] - outputs[0][layer])[rows, places])
            for index in range(site.num_heads):
                changed = stream + writes[:, index]
                logits = head(changed if norm is None else norm(changed))
                effects[layer, index] = (float(of_last(logits[:, None])) - metrics[0]) / (metrics[1] - metrics[0])
        return PathEffects(metrics[0], metrics[1], effects)

    def discover(
        self,
        model: nn.Module,
        clean: Inputs,
        corrupt: Inputs,
        answers: Tensor,
        tokenizer: Any = None,
        *,
        positions: dict[str, int | Tensor] | None = None,
        roles: Sequence[str] = ROLES,
        log: Log | None = None,
    ) -> Circuit:
        """A circuit, found backwards from the logits.

        Args:
            model, clean, corrupt, answers, tokenizer, log: see ``path_effects``.
            positions: role -> where its heads write: "inhibition" at the end (the last token by default),
                "induction" where inhibition heads read, the repeated word, and "previous-token" where induction
                heads read, the word after the first one.
            roles: of ``ROLES``, from the front; each needs the one before.

        Raises:
            InputError: roles in another order, or a role without its position.
        """
        roles = tuple(roles)
        if roles != ROLES[: len(roles)] or not roles:
            raise InputError(f"roles {list(roles)}; they are searched for in the order {', '.join(ROLES)}")
        places = {"mover": -1, "inhibition": -1, **(positions or {})}
        missing = [role for role in roles if role not in places]
        if missing:
            raise InputError(f"no position of {', '.join(missing)}: give positions={{{missing[0]!r}: ...}}")
        sites = find_sites(model)
        found: dict[str, list[Place]] = {}
        tables: list[Tensor] = []
        components = {"inhibition": "query", "induction": "value", "previous-token": "key"}
        for role in roles:
            receivers: list[Receiver | Stream] = []
            if role != "mover":
                strongest = found[roles[roles.index(role) - 1]][: self.config.receivers]
                receivers = list(dict.fromkeys(_receiver(sites, place, components[role]) for place in strongest))
            if role != "mover" and not receivers:
                found[role] = []
                tables.append(torch.zeros_like(tables[0]))
                continue
            patient(log)(f"{role} heads")
            effects = self.path_effects(
                model, clean, corrupt, answers, tokenizer, receivers=receivers, position=places[role], log=log
            )
            found[role] = effects.above(self.config.threshold)
            tables.append(effects.effects)
        return Circuit(found, self.config.threshold, torch.stack(tables))

    @staticmethod
    def overlap(first: Circuit, second: Circuit) -> Overlap:
        """What two circuits share: of all heads, and of those of every role that both have."""
        common = [role for role in first.roles if role in second.roles]
        rows = [shared(first.heads(), second.heads())]
        rows += [shared(first.roles[role], second.roles[role]) for role in common]
        shares, counts = (torch.tensor([row[index] for row in rows]) for index in (0, 1))
        return Overlap(("all", *common), shares, counts)


def _pair(model: nn.Module, clean: Inputs, corrupt: Inputs, tokenizer: Any) -> list[dict[str, Any]]:
    """Both prompts' arguments; padding has to lie at the same places."""
    found = [as_inputs(model, prompts, tokenizer) for prompts in (clean, corrupt)]
    one, other = (Padding.of(real_tokens(each)).real for each in found)
    same = one is other if one is None or other is None else torch.equal(one, other)
    if not same:
        raise InputError("clean and corrupted prompts are padded at different places; give pairs of equal lengths")
    return found


def _row(weights: Tensor, keys: Tensor | None) -> Tensor:
    """Weights (batch, keys) on chosen keys alone."""
    if keys is None:
        seen = (weights > 0).to(weights.dtype)
        return seen / seen.sum(-1, keepdim=True).clamp(min=1)
    if keys.ndim != 2 or len(keys) != len(weights) or int(keys.max()) >= weights.shape[1]:
        raise InputError(
            f"keys of shape {tuple(keys.shape)}, up to {int(keys.max())}; expected ({len(weights)}, m), each below "
            f"{weights.shape[1]}"
        )
    real = keys >= 0
    new = torch.zeros_like(weights)
    rows = torch.arange(len(keys), device=weights.device)[:, None].expand_as(keys)[real]
    new[rows, keys[real]] = (1.0 / real.sum(-1, keepdim=True).clamp(min=1)).expand(keys.shape)[real].to(weights.dtype)
    return new


def _query_heads(sites: Sequence[Site], receiver: Receiver) -> list[Place]:
    """The query heads that a receiver belongs to: of shared keys and values, all of the group."""
    site = sites[receiver.layer]
    if receiver.component in ("query", "output"):
        return [(receiver.layer, receiver.head)]
    group = site.num_heads // site.num_kv_heads
    return [(receiver.layer, head) for head in range(receiver.head * group, (receiver.head + 1) * group)]


def _receiver(sites: Sequence[Site], place: Place, component: Any) -> Receiver:
    """A head as receiver; of shared keys and values, its group."""
    layer, head = place
    group = sites[layer].num_heads // sites[layer].num_kv_heads
    return Receiver(layer, head if component == "query" else head // group, component)


@contextmanager
def _cached_prefix(
    model: nn.Module, inputs: Sequence[dict[str, Any]], position: int | Tensor, answer_position: int | Tensor
) -> Iterator[list[dict[str, Any]]]:
    """The same inputs as their last token and a cache of what stands before it, where nothing else is patched.

    What is before the patched token stays as it is in every run, so a model with a cache computes it once.
    """
    plain = all(set(prompts) == {"input_ids"} and prompts["input_ids"].shape[1] > 1 for prompts in inputs)
    plain = plain and len({prompts["input_ids"].shape for prompts in inputs}) == 1
    cached = getattr(getattr(model, "config", None), "use_cache", False)
    both_last = all(isinstance(place, int) and place == -1 for place in (position, answer_position))
    sites = find_sites(model)
    if not (plain and cached and both_last and all(site.group == "D" for site in sites)):
        yield list(inputs)
        return
    # Later versions of transformers call it by the shorter name.
    name = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
    found = []
    for prompts in inputs:
        with torch.no_grad():
            output = model(input_ids=prompts["input_ids"][:, :-1], use_cache=True)
        kept = getattr(output, name, None) or output.past_key_values
        found.append({"input_ids": prompts["input_ids"][:, -1:], name: kept})

    def fresh(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """A run adds to its cache, so each gets one of its own."""
        return args, {**kwargs, name: copy.deepcopy(kwargs[name])}

    with ExitStack() as stack:
        handle = model.register_forward_pre_hook(fresh, with_kwargs=True)
        stack.callback(handle.remove)
        yield found


def example(config: CircuitReuseConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny Llama with enough layers for the steered heads, and random ids."""
    layers = max([1, *(layer for layer, _ in config.places())]) + 1
    heads = max([3, *(head for _, head in config.places())]) + 1
    shape: dict[str, Any] = {"num_attention_heads": heads, "num_key_value_heads": heads, "hidden_size": 8 * heads}
    model = tiny_model("llama", seed=seed, num_hidden_layers=layers, **shape)
    generator = torch.Generator().manual_seed(seed)
    return {"model": model, "inputs": {"input_ids": torch.randint(3, 90, (batch_size, 9), generator=generator)}}
