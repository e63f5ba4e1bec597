"""Random transformers models of every family, small enough for examples and tests; nothing is downloaded.

::

    tiny_model("gpt2")                                   # GPT-2 with a language-modelling head, 2 layers, 4 heads
    tiny_model("llama", num_key_value_heads=2)           # any field of the config
    tiny_model("bert", head="Model", seed=1)             # another class of the family
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from zoo.errors import UnknownName
from zoo.names import suggestion
from zoo.targets import require

WIDTH, LAYERS, HEADS, VOCABULARY, LENGTH = 32, 2, 4, 97, 128

_USUAL = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 2 * WIDTH,
    "max_position_embeddings": LENGTH,
}
_TWO_SIDES = {
    "vocab_size": VOCABULARY,
    "d_model": WIDTH,
    "encoder_layers": LAYERS,
    "decoder_layers": LAYERS,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS,
    "encoder_ffn_dim": 2 * WIDTH,
    "decoder_ffn_dim": 2 * WIDTH,
    "decoder_start_token_id": 2,
}
_TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


_TEXT = ("vocab_size", "max_position_embeddings")


@dataclass(frozen=True)
class Family:
    """How a family's classes are called, and the fields that make it small."""

    prefix: str
    head: str
    shape: dict[str, Any] = field(default_factory=dict)


_GROUPED = {**_USUAL, **_TOKENS, "num_key_value_heads": 2}
_GPT2 = {"vocab_size": VOCABULARY, "n_positions": LENGTH, "n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS}
_T5 = {
    "vocab_size": VOCABULARY,
    "d_model": WIDTH,
    "d_kv": WIDTH // HEADS,
    "d_ff": 2 * WIDTH,
    "num_layers": LAYERS,
    "num_heads": HEADS,
    "decoder_start_token_id": 0,
}
_AUDIO = {"num_mel_bins": 8, "max_source_positions": 20, "max_target_positions": LENGTH}
_IMAGES = {"image_size": 16, "patch_size": 4}

FAMILIES = {
    "gpt2": Family("GPT2", "LMHeadModel", {**_GPT2, **_TOKENS}),
    "llama": Family("Llama", "ForCausalLM", _GROUPED),
    "qwen3": Family("Qwen3", "ForCausalLM", {**_GROUPED, "head_dim": WIDTH // HEADS}),
    "gpt-neox": Family("GPTNeoX", "ForCausalLM", {**_USUAL, **_TOKENS}),
    "phi3": Family("Phi3", "ForCausalLM", _GROUPED),
    "bert": Family("Bert", "ForMaskedLM", _USUAL),
    "roberta": Family("Roberta", "ForMaskedLM", {**_USUAL, **_TOKENS}),
    "bart": Family("Bart", "ForConditionalGeneration", {**_TWO_SIDES, **_TOKENS, "max_position_embeddings": LENGTH}),
    "t5": Family("T5", "ForConditionalGeneration", {**_T5, **_TOKENS}),
    "whisper": Family("Whisper", "ForConditionalGeneration", {**_TWO_SIDES, **_TOKENS, **_AUDIO}),
    "vit": Family(
        "ViT",
        "ForImageClassification",
        {name: value for name, value in {**_USUAL, **_IMAGES}.items() if name not in _TEXT},
    ),
}


def tiny_model(
    family: str, *, head: str | None = None, seed: int = 0, attn_implementation: str = "sdpa", **config: Any
) -> nn.Module:
    """A random model of 2 layers, 4 heads and width 32, in eval mode.

    Args:
        family: one of ``FAMILIES``.
        head: the rest of the class's name, such as "Model" or "ForSequenceClassification"; the family's usual one.
        seed: of the weights; the global generator is left alone.
        attn_implementation: as transformers takes it.
        config: fields of the family's config.

    Raises:
        UnknownName: there is no such family here, or no such class in transformers.
        MissingDependency: transformers is not installed.
    """
    if family not in FAMILIES:
        raise UnknownName(f"no family {family!r}; there are: {', '.join(FAMILIES)}.{suggestion(family, FAMILIES)}")
    transformers = require("transformers", needed_by="a tiny random model")
    known = FAMILIES[family]
    kind = getattr(transformers, known.prefix + (head or known.head), None)
    if kind is None:
        raise UnknownName(f"transformers has no {known.prefix}{head}")
    settings = getattr(transformers, f"{known.prefix}Config")(**{**known.shape, **config})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: nn.Module = kind._from_config(settings, attn_implementation=attn_implementation)
    return model.eval()


def tiny_tokenizer(vocab_size: int = VOCABULARY, *, ends: bool = False) -> Any:
    """A tokenizer of the words "w3", "w4", ..., each the token of that number; 0 pads, 1 begins and 2 ends.

    Args:
        vocab_size: how many tokens.
        ends: whether a text gets the tokens 1 and 2 around it, as BERT's do.
    """
    tokenizers = require("tokenizers", needed_by="a tiny tokenizer")
    transformers = require("transformers", needed_by="a tiny tokenizer")
    names = ["[PAD]", "[CLS]", "[SEP]", *(f"w{index}" for index in range(3, vocab_size))]
    words = {name: index for index, name in enumerate(names)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[SEP]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    if ends:
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", bos_token="[CLS]", eos_token="[SEP]", unk_token="[SEP]"
    )
