"""Zoo networks as transformers models, so that the tools around transformers take them.

``zoo.as_transformers(model)`` wraps a language model or an image classifier of the zoo; ``from_pretrained`` of the
classes here, and of transformers' Auto classes, reads what ``zoo.save`` and ``zoo.push`` wrote. The wrapper is thin: it
holds the network as it is and shares its parameters. In files they have the network's own names, so that ``zoo.load``
reads what ``save_pretrained`` wrote.

transformers builds a model on the meta device and fills it afterwards; buffers that no file holds (tables of
positions) would be lost on the way, so the network is built with their real values and keeps them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import PrefixChange
from transformers.modeling_outputs import CausalLMOutputWithPast, ImageClassifierOutput

from zoo import building, catalogue, configuration, filling, origin
from zoo.bridges import changes, switches
from zoo.bridges.sight import Sight, packed_as_told, sight
from zoo.bridges.transformers.generating import GeneratesLikeTheZoo
from zoo.bridges.transformers.hosted_cache import memories_of, new_cache
from zoo.bridges.transformers.hosted_config import ZooConfig
from zoo.bridges.transformers.precision import InFloat32
from zoo.errors import CheckpointMismatch, InputError, WeightsError
from zoo.nn.language_model import CausalLanguageModel
from zoo.nn.masks import PackedSequences
from zoo.nn.tracing import readable

# The child of a wrapper that is the network; files have the names of its parameters without it.
_CHILD = "zoo_module"


class ZooPreTrainedModel(PreTrainedModel):
    """What the wrappers of language models and of classifiers share.

    Args:
        config: entry and config of the network.
        module: the network itself; by default it is built.
    """

    config_class = ZooConfig
    base_model_prefix = _CHILD
    supports_gradient_checkpointing = True

    def __init__(self, config: ZooConfig, module: nn.Module | None = None) -> None:
        super().__init__(config)
        meta = torch.get_default_device().type == "meta"
        network = _build(config, meta=meta) if module is None else module
        self._require(network)
        self.zoo_module = network
        self.gradient_checkpointing = False
        self._no_split_modules = sorted({type(block).__name__ for block in _blocks(network)})
        ties = [names for names in filling.tied_names(network) if len(names) > 1]
        config.tie_word_embeddings = bool(ties)
        self._tied_weights_keys = {f"{_CHILD}.{name}": f"{_CHILD}.{names[0]}" for names in ties for name in names[1:]}
        # Names in files are the network's own, whichever way this wrapper came to be.
        self._weight_conversions = [PrefixChange(prefix_to_add=_CHILD)]
        if not meta:
            for part in self.modules():
                part._is_hf_initialized = True
        self.post_init()

    def _require(self, network: nn.Module) -> None:
        """Raise InputError where this class is not the wrapper for a network."""
        raise NotImplementedError

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise what a checkpoint did not have, with the module's own rule."""
        parameters = module.named_parameters(recurse=False)
        missing = [name for name, value in parameters if not getattr(value, "_is_hf_initialized", False)]
        if not missing:
            return
        reset = getattr(module, "reset_parameters", None)
        if reset is None:
            raise WeightsError(
                f"{type(module).__name__} has no rule to initialise {', '.join(missing)}, which the checkpoint lacks"
            )
        reset()

    def _move_missing_keys_from_meta_to_device(self, *args: Any, **kwargs: Any) -> None:
        real = dict(building.transient_buffers(self))
        super()._move_missing_keys_from_meta_to_device(*args, **kwargs)
        for name, buffer in building.transient_buffers(self):
            owner, _, leaf = name.rpartition(".")
            self.get_submodule(owner)._buffers[leaf] = real[name].to(buffer.device)

    def _adjust_missing_and_unexpected_keys(self, loading_info: Any) -> None:
        super()._adjust_missing_and_unexpected_keys(loading_info)
        missing = sorted(set(loading_info.missing_keys) - set(self.all_tied_weights_keys))
        unexpected = sorted(loading_info.unexpected_keys)
        if missing or unexpected:
            raise CheckpointMismatch(
                f"the checkpoint is not one of {(self.config.zoo or {}).get('entry')}: missing {missing}, unexpected "
                f"{unexpected}"
            )

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As torch's, for the names of files as well as for this wrapper's."""
        named = {name if name.startswith(f"{_CHILD}.") else f"{_CHILD}.{name}": state_dict[name] for name in state_dict}
        return super().load_state_dict(named, *args, **kwargs)

    def save_pretrained(self, *args: Any, **kwargs: Any) -> None:
        """As transformers', in the layout of ``zoo.save``.

        Raises:
            InputError: no config builds the network as it is now, or it is spread over a mesh; the message says what
                differs and what to do.
        """
        if kwargs.get("state_dict") is None and changes.is_sharded(self.zoo_module):
            raise InputError(
                "this network is spread over a mesh: zoo.save(model.zoo_module, folder), called on every rank, "
                "gathers it and writes what from_pretrained reads"
            )
        if not self._is_changed_by_others():
            with self._blocks_running_once():
                facts, _ = switches.as_it_is(self.zoo_module, _facts(self.config))
            self.config.config = dict(facts.config)
        super().save_pretrained(*args, **kwargs)

    @contextmanager
    def _blocks_running_once(self) -> Iterator[None]:
        """Gradient checkpointing is a way to train and no part of the network."""
        kept = [(block, {name: vars(block).pop(name) for name in _AGAIN}) for block in _again(self.zoo_module)]
        try:
            yield
        finally:
            for block, attributes in kept:
                vars(block).update(attributes)

    def _is_changed_by_others(self) -> bool:
        """Whether adapters or a quantiser hold the network, which are saved in their own ways."""
        return bool(getattr(self, "_hf_peft_config_loaded", False) or getattr(self, "hf_quantizer", None))

    def _set_gradient_checkpointing(
        self,
        enable: bool = True,
        gradient_checkpointing_func: Callable[..., Any] | None = None,
        every_n_layers: int = 1,
    ) -> None:
        """Let blocks forget their activations and compute them again in backward."""
        blocks = [block for block in _blocks(self.zoo_module) if not _has_batch_norm(block)]
        if not blocks:
            raise InputError(
                f"{type(self.zoo_module).__name__} has no blocks that may run twice (running statistics of a batch "
                "norm would count double): train it without gradient checkpointing"
            )
        for block in _again(self.zoo_module):
            for name in _AGAIN:
                del vars(block)[name]
        for block in blocks[::every_n_layers] if enable else ():
            vars(block).update(_checkpoint=gradient_checkpointing_func, forward=MethodType(_forward_again, block))
        self.gradient_checkpointing = enable


# What a block holds whose activations are computed again.
_AGAIN = ("_checkpoint", "forward")


def _again(network: nn.Module) -> list[nn.Module]:
    return [block for block in _blocks(network) if "_checkpoint" in vars(block)]


def _forward_again(block: nn.Module, *args: Any, **kwargs: Any) -> Any:
    forward = partial(type(block).forward, block, **kwargs)
    if block.training and torch.is_grad_enabled():
        return block.__dict__["_checkpoint"](forward, *args)
    return forward(*args)


def _has_batch_norm(block: nn.Module) -> bool:
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in block.modules())


def _blocks(network: nn.Module) -> list[nn.Module]:
    """The repeated parts of a network: what its outermost lists and sequences hold, each once however often it runs."""
    return list(dict.fromkeys(_listed(network)))


def _listed(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(child, nn.ModuleList | nn.Sequential):
            yield from (part for part in child if any(True for _ in part.parameters()))
        else:
            yield from _listed(child)


def _facts(config: ZooConfig) -> origin.Origin:
    zoo = config.zoo or {}
    try:
        return origin.Origin(**zoo, config=config.config or {})
    except TypeError as error:
        raise InputError(f"zoo={zoo!r} in the config is not what zoo.save writes: {error}") from error


def _build(config: ZooConfig, *, meta: bool) -> nn.Module:
    facts = _facts(config)
    current = catalogue.current()
    target = current.find_stored(facts.plugin, facts.entry, facts.distribution, "the config names")
    entry, dtype = target.offer.entry, torch.get_default_dtype()
    instance = configuration.merge(entry, saved=facts.config).instance
    make = partial(building.build, entry, instance)
    with torch.device("cpu"), InFloat32():
        network = building.build_on_meta(make) if meta else make()
    if not isinstance(network, nn.Module):
        raise InputError(f"{entry.id} is a {entry.kind} and no network")
    if dtype != torch.float32:
        # Buffers outside of files keep the precision that they were built in.
        filling.fill(network, network.state_dict(), dtype=dtype)
    origin.mark(network, facts)
    return network


class ZooForCausalLM(ZooPreTrainedModel, GeneratesLikeTheZoo, GenerationMixin):
    """A language model of the zoo.

    Args:
        config: entry and config of the network.
        module: the network itself; by default it is built.
    """

    def __init__(self, config: ZooConfig, module: nn.Module | None = None) -> None:
        super().__init__(config, module)
        parts, tokens = list(self.zoo_module.named_modules()), getattr(config, "vocab_size", None)
        tables = (name for name, part in parts if isinstance(part, nn.Embedding) and part.num_embeddings == tokens)
        heads = (name for name, part in parts if isinstance(part, nn.Linear) and part.out_features == tokens)
        self._table, self._head = next(tables, None), next(reversed([*heads]), None)

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def _prepare_cache_for_generation(
        self, generation_config: Any, model_kwargs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> None:
        super()._prepare_cache_for_generation(generation_config, model_kwargs, *args, **kwargs)
        network: Any = self.zoo_module
        if model_kwargs.get("cache") is None and generation_config.use_cache is not False and network.supports_cache:
            model_kwargs["cache"] = new_cache(network.new_caches())

    def _require(self, network: nn.Module) -> None:
        if not isinstance(network, CausalLanguageModel):
            own = isinstance(network, PreTrainedModel)
            better = "is one of transformers already: zoo.load gives it" if own else "is not a language model"
            raise InputError(f"{type(network).__name__} {better}; see zoo.as_transformers")

    def get_input_embeddings(self) -> nn.Module:
        """The table of tokens."""
        return self.zoo_module.get_submodule(self._required(self._table, nn.Embedding))

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Put another table of tokens in its place."""
        self.zoo_module.set_submodule(self._required(self._table, nn.Embedding), value)

    def get_output_embeddings(self) -> nn.Module | None:
        """The linear head, or None where the table of tokens serves as one."""
        return None if self._head is None else self.zoo_module.get_submodule(self._head)

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        """Put another linear head in its place."""
        self.zoo_module.set_submodule(self._required(self._head, nn.Linear), new_embeddings)

    def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> nn.Embedding:
        """As transformers'; the network's config follows, so that it can be saved."""
        table: nn.Embedding = super().resize_token_embeddings(*args, **kwargs)
        origin.mark(self.zoo_module, _facts(self.config))
        return table

    def _required(self, name: str | None, kind: type[nn.Module]) -> str:
        if name is None:
            tokens = getattr(self.config, "vocab_size", None)
            raise InputError(f"{type(self.zoo_module).__name__} has no nn.{kind.__name__} of its {tokens} tokens")
        return name

    def prepare_inputs_for_generation(self, input_ids: Tensor, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As transformers', but without a cache every step reads the whole sequence."""
        cache = kwargs.get("cache") if kwargs.get("cache") is not None else kwargs.get("past_key_values")
        if cache is None:
            kwargs["next_sequence_length"] = None
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(input_ids, *args, **kwargs)
        return inputs

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        cache: Any = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast | tuple[Any, ...]:
        """Logits of the next token, and the loss where there are labels.

        Args:
            input_ids: (batch, length) int64.
            attention_mask: padding (batch, cached and new tokens), on either side; or (batch, 1, length, length).
            position_ids: (batch, length): what the mask implies, or sequences packed one after the other.
            past_key_values, cache: what an earlier call returned; the same thing under its old and its new name.
            labels: (batch, length) int64, the ids themselves; -100 is not counted.
            use_cache: whether to return a cache; by default in eval mode, as the config says.
            logits_to_keep: of the last so many tokens, or of these places; 0: of all.
            return_dict: False for a tuple.

        Returns:
            ``loss`` (mean cross entropy in nats), ``logits`` (batch, tokens kept, vocab_size) and the cache.

        Raises:
            InputError: no ids, or an argument that the network has no use for.
        """
        if input_ids is None:
            raise InputError("a zoo language model reads input_ids, and nothing in their place")
        loss_options = {name: kwargs.pop(name) for name in ("num_items_in_batch", "shift_labels") if name in kwargs}
        _refuse(kwargs, packed=position_ids is not None)
        starts = kwargs.get("cu_seq_lens_q")
        cache = past_key_values if cache is None else cache
        network: Any = self.zoo_module
        if use_cache is None:
            use_cache = self.config.use_cache and not self.training
        if (self.training and self.gradient_checkpointing) or not network.supports_cache:
            use_cache = False
        if cache is None and use_cache:
            cache = new_cache(network.new_caches())
        memories = None if cache is None else memories_of(cache)
        start = memories[0].length if memories else 0
        mask, packed = _sight(input_ids, attention_mask, position_ids, start)
        if starts is not None:
            seen = packed_as_told(Sight(mask, True, start + input_ids.shape[1], packed), starts, *input_ids.shape)
            if seen.packed != packed:
                raise InputError(f"cu_seq_lens={starts.tolist()}, but position_ids do not start again there")
        if packed is not None:
            cache, logits = None, _one_by_one(network, input_ids, packed)
        else:
            logits = network(input_ids, attn_mask=mask, caches=memories)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = logits[:, kept]
        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, vocab_size=logits.shape[-1], **loss_options)
        remembered = "cache" if "cache" in CausalLMOutputWithPast.__dataclass_fields__ else "past_key_values"
        output = CausalLMOutputWithPast(loss=loss, logits=logits, **{remembered: cache})
        return output.to_tuple() if return_dict is False else output


# What tools hand to every model. Lengths of packed sequences repeat what position_ids say.
_LENGTHS = ("cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k", "seq_idx")
_HARMLESS = ("cache_position",)


def _refuse(arguments: Mapping[str, Any], *, packed: bool) -> None:
    for name, value in arguments.items():
        trivial = value is None or value is False or (name == "token_type_ids" and not bool(value.any()))
        if not (trivial or name in _HARMLESS or (packed and name in _LENGTHS)):
            raise InputError(f"a zoo network has no use for {name}; leave it out")


def _sight(
    ids: Tensor, mask: Tensor | None, positions: Tensor | None, start: int
) -> tuple[Tensor | None, PackedSequences | None]:
    """The mask as the networks take it, and where sequences lie that are packed."""
    batch, length = ids.shape
    mask = mask.bool() if mask is not None and mask.ndim == 2 else mask
    seen = sight(mask, batch=batch, queries=length, keys=start + length, causal=True)
    visible = seen.mask
    if visible is not None and visible.shape[1:3] == (1, 1):
        real = visible[:, 0, 0]
        visible = None if readable(real) and bool(real.all()) else real
    if positions is None or not readable(positions):
        return visible, seen.packed
    if positions.shape[-1] != length or positions.ndim != 2:
        raise InputError(f"position_ids of shape {tuple(positions.shape)}; expected ({batch}, {length})")
    positions = positions.expand(batch, -1)
    found = _packed(positions) if mask is None and not start else seen.packed
    if found is not None:
        return visible, found
    expected, real = torch.arange(start, start + length, device=ids.device)[None], torch.ones_like(ids).bool()
    if visible is not None and visible.ndim == 2:
        expected, real = (visible.cumsum(1) - 1)[:, start:], visible[:, start:]
    expected = expected.expand(batch, -1)
    if not torch.equal(positions[real], expected[real]):
        raise InputError(
            "position_ids are not those of the real tokens in order: a zoo language model counts its own; it takes "
            "sequences packed one after the other, without a mask and a cache"
        )
    return visible, None


def _packed(positions: Tensor) -> PackedSequences | None:
    """Where the sequences lie whose positions start again from 0, or None where there is one in each row."""
    starts = nn.functional.pad(positions.diff(dim=1) != 1, (1, 0), value=True)
    if not starts[:, 1:].any() or bool(positions[starts].any()):
        return None
    edges = ([*row.nonzero()[:, 0].tolist(), positions.shape[1]] for row in starts)
    return PackedSequences(tuple(tuple(pairwise(row)) for row in edges))


def _one_by_one(network: nn.Module, ids: Tensor, packed: PackedSequences) -> Tensor:
    """Logits of packed sequences, each alone; tokens outside of all of them get zeros."""
    logits: Tensor | None = None
    for example, bounds in enumerate(packed.bounds):
        for start, stop in bounds:
            alone = network(ids[example : example + 1, start:stop])
            if logits is None:
                logits = alone.new_zeros(*ids.shape, alone.shape[-1])
            logits[example, start:stop] = alone[0]
    assert logits is not None
    return logits


class ZooForImageClassification(ZooPreTrainedModel):
    """An image classifier of the zoo."""

    main_input_name = "pixel_values"

    def _require(self, network: nn.Module) -> None:
        if not is_image_classifier(network):
            raise InputError(f"{type(network).__name__} is not an image classifier; see zoo.as_transformers")

    def get_input_embeddings(self) -> nn.Module:
        """What reads the images: the first layer with parameters."""
        leaves = (part for part in self.zoo_module.modules() if not any(True for _ in part.children()))
        return next(part for part in leaves if any(True for _ in part.parameters()))

    def forward(
        self,
        pixel_values: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> ImageClassifierOutput | tuple[Any, ...]:
        """Logits, and the loss where there are labels.

        Args:
            pixel_values: images (batch, channels, height, width).
            labels: (batch,) int64 classes.
            return_dict: False for a tuple.

        Returns:
            ``loss`` (mean cross entropy in nats) and ``logits`` (batch, num_labels).

        Raises:
            InputError: no images, or an argument that the network has no use for.
        """
        if pixel_values is None:
            raise InputError("an image classifier of the zoo reads pixel_values")
        loss_options = {name: kwargs.pop(name) for name in ("num_items_in_batch",) if name in kwargs}
        _refuse(kwargs, packed=False)
        logits = _logits(self.zoo_module(pixel_values))
        loss = None if labels is None else self.loss_function(labels, logits, self.config, **loss_options)
        output = ImageClassifierOutput(loss=loss, logits=logits)
        return output.to_tuple() if return_dict is False else output


def _logits(output: Any) -> Tensor:
    """Of a classifier that gives more than its logits, in a dict or a dataclass, these."""
    found: Tensor = output["logits"] if isinstance(output, Mapping) else getattr(output, "logits", output)
    return found


def is_image_classifier(network: nn.Module) -> bool:
    """Whether a network made by ``zoo.load`` needs images alone, has classes, and is tagged as a classifier."""
    facts = origin.find(network)
    entry = catalogue.current().find(f"{facts.plugin}:{facts.entry}").offer.entry
    parameters = inspect.signature(network.forward).parameters.values()
    needed = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
    return "classification" in entry.tags and needed == ["images"] and facts.config.get("num_classes") != 0


def as_transformers(model: nn.Module) -> PreTrainedModel:
    """A language model or image classifier of the zoo as a ``transformers.PreTrainedModel``.

    The wrapper shares the model's parameters and its mode; ``save_pretrained`` writes what ``zoo.load`` reads.

    Args:
        model: made by ``zoo.load``.

    Returns:
        ``ZooForCausalLM``: ``input_ids``, ``attention_mask``, ``labels``, ``generate``. Or
        ``ZooForImageClassification``: ``pixel_values``, ``labels``. A model that is one of transformers already
        (``zoo.load("smollm2")``) comes back as it is.

    Raises:
        InputError: the model is neither, or was not made by ``zoo.load``.
    """
    if isinstance(model, PreTrainedModel):
        return model
    facts = origin.find(model)
    kinds = {
        ZooForCausalLM: isinstance(model, CausalLanguageModel),
        ZooForImageClassification: is_image_classifier(model),
    }
    kind = next((kind for kind, fits in kinds.items() if fits), None)
    if kind is None:
        raise InputError(
            f"{facts.entry} is neither a language model (a zoo.nn.language_model.CausalLanguageModel) nor an image "
            'classifier (forward(images), with classes and the tag "classification")'
        )
    zoo = asdict(facts)
    tensor = next(model.parameters())
    config = ZooConfig(config=zoo.pop("config"), zoo=zoo, dtype=tensor.dtype)
    return kind(config, model).train(model.training)


register_checkpoint_conversion_mapping(origin.MODEL_TYPE, [PrefixChange(prefix_to_add=_CHILD)], overwrite=True)
