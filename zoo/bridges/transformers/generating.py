"""``generate`` as the zoo's language models have it, of models that are transformers' own.

::

    model.generate(ids, 20, temperature=0.8, top_k=50, generator=generator, attention_mask=mask)    # the zoo's call
    model.generate(**prompt, max_new_tokens=20, do_sample=True, top_p=0.9)                          # transformers'

Both go through transformers, with its caches and its end of a text. What both calls have carries the same name:
``max_new_tokens``, ``temperature``, ``top_k``, ``attention_mask`` and ``use_cache``; transformers has no ``generator``,
and samples only where ``do_sample`` says so.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from zoo.errors import InputError
from zoo.nn.language_model import next_tokens, prompts, require_sampling

# Who gives one of these says in transformers' own words how tokens are chosen.
_OWN = ("do_sample", "generation_config", "num_beams", "assistant_model", "custom_generate")


class GeneratesLikeTheZoo:
    """Before transformers' ``GenerationMixin`` among a model's bases: its ``generate`` takes the zoo's call, too."""

    def generate(self, inputs: Tensor | None = None, max_new_tokens: Any = None, **options: Any) -> Any:
        """Continue token sequences.

        Args:
            inputs: (batch, length) int64; also named ``input_ids``.
            max_new_tokens: how many to add at the most: a text ends with the model's end token, where it has one. In
                this place transformers has its ``generation_config``, which may stand here, too.
            options: ``temperature`` (0, the default, takes the likeliest token; above, tokens are sampled), ``top_k``,
                ``generator``, ``attention_mask`` (padding on the left) and ``use_cache``, as in
                ``CausalLanguageModel.generate``; and all that transformers' ``generate`` takes. With ``do_sample``,
                ``num_beams`` or a ``generation_config``, ``temperature`` and ``top_k`` mean what they mean there.

        Raises:
            InputError: as ``CausalLanguageModel.generate``; or a ``generator`` where transformers samples.
        """
        if max_new_tokens is not None:
            meant = "max_new_tokens" if isinstance(max_new_tokens, int) else "generation_config"
            options[meant] = max_new_tokens
        theirs: Any = super()
        if any(options.get(name) is not None for name in _OWN):
            if options.pop("generator", None) is not None:
                raise InputError(
                    "transformers samples from torch's global generator (torch.manual_seed): leave generator out, or "
                    f"leave out what chooses its way: {', '.join(name for name in _OWN if name in options)}"
                )
            return theirs.generate(inputs, **options)
        temperature, top_k = options.pop("temperature", None) or 0.0, options.pop("top_k", None)
        generator, number = options.pop("generator", None), options.get("max_new_tokens")
        require_sampling(0 if number is None else number, temperature, top_k)
        ids, mask = options.get("input_ids") if inputs is None else inputs, options.get("attention_mask")
        if ids is not None and options.get("past_key_values") is None and options.get("cache") is None:
            prompts(ids, mask)
        if number == 0:
            return ids
        if temperature > 0:
            sampling = _Sampling(temperature, top_k, generator)
            options["logits_processor"] = LogitsProcessorList([*(options.get("logits_processor") or ()), sampling])
        return theirs.generate(inputs, do_sample=False, **options)


class _Sampling(LogitsProcessor):
    """Leaves one token of each row, drawn as the zoo draws it; taking the likeliest one then takes that."""

    def __init__(self, temperature: float, top_k: int | None, generator: torch.Generator | None) -> None:
        self.temperature, self.top_k, self.generator = temperature, top_k, generator

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        chosen = next_tokens(scores, self.temperature, self.top_k, self.generator)
        return torch.full_like(scores, float("-inf")).scatter(1, chosen, 0.0)
