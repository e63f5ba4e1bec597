"""Multimodal language models as these papers see them: where the image lies in the sequence, call after call.

LLaVA, Qwen2-VL and those built like them put image features in the place of an image token's id, which the processor
repeats once per feature. So ids say where the image is, in any architecture::

    image_positions(model, ids)                  # (batch, length), True where an image feature stands
    language_sites(model)                        # the language model's attention layers, not the image encoder's
    with at_calls(model, see): model.generate(...)     # see(call) before every forward pass: ids, image, cached tokens
    without_images(model, inputs)                # the same prompt without the image
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.sites import Site, find_sites
from zoo.errors import InputError
from zoo_interpret.passes import at_passes

# What configs call the ids that image or video features replace.
_IMAGE_TOKENS = ("image_token_id", "image_token_index", "video_token_id", "video_token_index")
# What forwards call their cache, by version of transformers.
_CACHES = ("past_key_values", "cache")
# Arguments that only images or videos need.
_OF_IMAGES = (
    *("pixel_values", "pixel_values_videos", "image_grid_thw", "video_grid_thw", "image_sizes", "mm_token_type_ids"),
    *("qformer_input_ids", "qformer_attention_mask", "second_per_grid_ts", "rope_deltas", "position_ids"),
    "mm_encoder_outputs",
)


def image_token_ids(model: nn.Module) -> tuple[int, ...]:
    """Ids that image or video features replace.

    Raises:
        InputError: the architecture has none; the message names it.
    """
    config = getattr(model, "config", None)
    found = [getattr(config, name, None) for name in _IMAGE_TOKENS]
    ids = tuple(dict.fromkeys(index for index in found if isinstance(index, int)))
    if not ids:
        raise InputError(
            f"{type(model).__name__} has no image token; take a multimodal model such as LLaVA or Qwen2-VL, with its "
            "language model and its head"
        )
    return ids


def image_positions(model: nn.Module, ids: Tensor) -> Tensor:
    """(batch, length) boolean, True where an image feature stands."""
    return torch.isin(ids, torch.tensor(image_token_ids(model), device=ids.device))


def whole_run(image: Tensor) -> Tensor:
    """From the first to the last image position of every row: row breaks and captions between tiles count too."""
    started = image.long().cumsum(-1) > 0
    ends = image.flip(-1).long().cumsum(-1).flip(-1) > 0
    return started & ends


def after_image(image: Tensor) -> Tensor:
    """(batch, length) boolean, True at positions after the last of the image; nowhere without an image."""
    ends = image.flip(-1).long().cumsum(-1).flip(-1) > 0
    return ~ends & image.any(-1, keepdim=True)


def language_sites(model: nn.Module) -> list[Site]:
    """The language model's own attention layers.

    Raises:
        InputError: no image token, or no decoder.
    """
    image_token_ids(model)
    return find_sites(model, group="D")


def image_sites(model: nn.Module) -> list[Site]:
    """The image encoder's attention layers.

    Raises:
        InputError: no image token, or an encoder whose attention is not found; the message names the architecture.
    """
    image_token_ids(model)
    found = [site for site in find_sites(model) if site.group == "E"]
    if not found:
        raise InputError(f"{type(model).__name__} has no image encoder whose attention can be read")
    return found


@dataclass(frozen=True)
class Call:
    """One forward pass.

    Args:
        ids: (batch, length).
        image: (batch, length) boolean, where image features stand.
        real: (batch, length) boolean, where no padding stands.
        cached: tokens whose keys are in the cache already; 0 in the prefill.
        arguments: all of the forward's, by name, without the cache.
    """

    ids: Tensor
    image: Tensor
    real: Tensor
    cached: int
    arguments: Mapping[str, Any]


@contextmanager
def at_calls(model: nn.Module, see: Callable[[Call], object]) -> Iterator[None]:
    """Let a function see every forward pass before it runs, those of ``generate`` too.

    Raises:
        InputError: no image token; in a call, embeddings in place of ids.
    """
    image_token_ids(model)
    with at_passes(model, lambda given: see(_call(model, given))):
        yield


def _call(model: nn.Module, given: Mapping[str, Any]) -> Call:
    ids = given.get("input_ids")
    if ids is None:
        raise InputError(f"{type(model).__name__} is called without input_ids, which say where the image is")
    cache = next((given[name] for name in _CACHES if given.get(name) is not None), None)
    mask = given.get("attention_mask")
    real = torch.ones_like(ids, dtype=torch.bool)
    if isinstance(mask, Tensor) and mask.ndim == 2:
        real = mask[:, -ids.shape[1] :].bool()
    rest = {name: value for name, value in given.items() if name not in _CACHES}
    return Call(ids, image_positions(model, ids), real, 0 if cache is None else int(cache.get_seq_length()), rest)


def prefill_and_decode(model: nn.Module, prompt: Mapping[str, Any], next_ids: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of a prompt, and of tokens that are fed one by one after it, with the cache.

    Args:
        model: with a language-modelling head.
        prompt: keyword arguments of its forward.
        next_ids: (batch, n).

    Returns:
        (batch, length, vocabulary) and (batch, n, vocabulary).
    """
    accepted = inspect.signature(model.forward).parameters
    name = next((known for known in reversed(_CACHES) if known in accepted), _CACHES[0])
    with torch.no_grad():
        output = model(**prompt, use_cache=True)
        logits, steps = output.logits, []
        mask = prompt.get("attention_mask")
        for token in next_ids.split(1, 1):
            more: dict[str, Any] = {name: getattr(output, name if hasattr(output, name) else "past_key_values")}
            if mask is not None:
                mask = torch.cat((mask, mask.new_ones(len(mask), 1)), 1)
                more["attention_mask"] = mask
            output = model(input_ids=token, use_cache=True, **more)
            steps.append(output.logits[:, -1])
    return logits, torch.stack(steps, 1)


def without_images(model: nn.Module, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The same prompts without image tokens, closed up and padded on the left where they then differ in length."""
    if "input_ids" not in inputs:
        raise InputError(f'{type(model).__name__} needs "input_ids", which say where the image is')
    ids = inputs["input_ids"]
    mask = inputs.get("attention_mask")
    real = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
    kept = real & ~image_positions(model, ids)
    if not bool(kept.any(-1).all()):
        raise InputError("a prompt has nothing but its image; without it nothing is left")
    length = int(kept.sum(-1).max())
    text, text_mask = ids.new_zeros(len(ids), length), ids.new_zeros(len(ids), length)
    for row, keep in enumerate(kept):
        count = int(keep.sum())
        text[row, length - count :] = ids[row, keep]
        text_mask[row, length - count :] = 1
    rest = {name: value for name, value in inputs.items() if name not in (*_OF_IMAGES, "input_ids", "attention_mask")}
    return {**rest, "input_ids": text, **({} if bool(text_mask.all()) else {"attention_mask": text_mask})}


def last_real(real: Tensor) -> Tensor:
    """(batch,) positions of the last token that is no padding."""
    return (real * torch.arange(1, real.shape[1] + 1, device=real.device)).argmax(-1)
