"""A Llama out of a GGUF file: every tensor unpacked once, and its byte-pair tokenizer.

transformers reads such files too, ten times slower. Two things differ from its own names and order: GGUF keeps the
rows of query and key projections pairwise, the features i and i + d/2 that rotary positions turn together side by
side; and digits are tokens of their own ("smollm" pre-tokenisation), which its converter forgets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import zoo
from zoo.errors import WeightsError
from zoo.nn.renaming import renamed
from zoo.targets import require

NAMES = (
    (r"^token_embd\.", "model.embed_tokens."),
    (r"^output_norm\.", "model.norm."),
    (r"^output\.", "lm_head."),
    (r"^blk\.", "model.layers."),
    (r"\.attn_norm\.", ".input_layernorm."),
    (r"\.ffn_norm\.", ".post_attention_layernorm."),
    (r"\.attn_([qkv])\.", r".self_attn.\1_proj."),
    (r"\.attn_output\.", ".self_attn.o_proj."),
    (r"\.ffn_(gate|up|down)\.", r".mlp.\1_proj."),
)


def load(folder: Path, attn_implementation: str) -> tuple[nn.Module, Any]:
    """Model and tokenizer of the only GGUF file in a folder.

    Raises:
        WeightsError: there is none, or it holds another architecture.
    """
    reader = _reader(_only_file(folder))
    fields = _fields(reader)
    return _model(reader, fields, attn_implementation), _tokenizer(fields)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of the only GGUF file in a folder."""
    return _tokenizer(_fields(_reader(_only_file(folder))))


def read_state(paths: Sequence[Path]) -> dict[str, Tensor]:
    """The tensors of a GGUF file of a Llama, unpacked to float32, under GGUF's names and in its order of rows.

    Raises:
        WeightsError: it holds another architecture, or is no GGUF file.
        MissingDependency: the package gguf is not installed.
    """
    (path,) = paths
    reader = _reader(path)
    _fields(reader)
    return _unpacked(reader)


def llama_state(state: Mapping[str, Tensor], num_heads: int, num_kv_heads: int) -> dict[str, Tensor]:
    """Tensors of a GGUF file under transformers' names and in its order of rows; its own names are left alone."""
    heads = {".attn_q.": num_heads, ".attn_k.": num_kv_heads}
    turned = {
        name: next((_unpaired(value, count) for part, count in heads.items() if part in name), value)
        for name, value in state.items()
    }
    return renamed(turned, NAMES)


def _only_file(folder: Path) -> Path:
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1:
        raise WeightsError(f"{folder} holds {len(files)} GGUF files; expected one")
    return files[0]


def _reader(path: Path) -> Any:
    try:
        return require("gguf", needed_by="a GGUF file").GGUFReader(path)
    except (ValueError, OSError, IndexError) as error:
        raise WeightsError(f"{path} is no GGUF file: {error}") from error


def _fields(reader: Any) -> dict[str, Any]:
    """The file's settings by name."""
    fields = {name: field.contents() for name, field in reader.fields.items()}
    if fields.get("general.architecture") != "llama":
        raise WeightsError(f"the GGUF file holds a {fields.get('general.architecture')!r}; expected a llama")
    return fields


def _unpacked(reader: Any) -> dict[str, Tensor]:
    from gguf.quants import dequantize

    return {
        tensor.name: torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32))
        for tensor in reader.tensors
    }


def _model(reader: Any, fields: dict[str, Any], attn_implementation: str) -> nn.Module:
    import transformers

    heads, kv_heads = fields["llama.attention.head_count"], fields["llama.attention.head_count_kv"]
    state = _unpacked(reader)
    config = transformers.LlamaConfig(
        vocab_size=fields["llama.vocab_size"],
        hidden_size=fields["llama.embedding_length"],
        intermediate_size=fields["llama.feed_forward_length"],
        num_hidden_layers=fields["llama.block_count"],
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=fields["llama.context_length"],
        rms_norm_eps=fields["llama.attention.layer_norm_rms_epsilon"],
        rope_parameters={"rope_type": "default", "rope_theta": fields["llama.rope.freq_base"]},
        tie_word_embeddings="output.weight" not in state,
        bos_token_id=fields["tokenizer.ggml.bos_token_id"],
        eos_token_id=fields["tokenizer.ggml.eos_token_id"],
        pad_token_id=fields["tokenizer.ggml.padding_token_id"],
    )
    model: nn.Module = transformers.LlamaForCausalLM._from_config(config, attn_implementation=attn_implementation)
    return zoo.fill(model, llama_state(state, heads, kv_heads))


def _unpaired(weight: Tensor, heads: int) -> Tensor:
    """Rows (heads, d/2, 2) of a projection in the order (heads, 2, d/2)."""
    return weight.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2).contiguous()


def _tokenizer(fields: dict[str, Any]) -> Any:
    import transformers
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    # Type 3 is a control token, which is never made of pieces of text.
    control = [token for token, kind in zip(tokens, fields["tokenizer.ggml.token_type"], strict=True) if kind == 3]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    named = {
        role: tokens[fields[f"tokenizer.ggml.{name}_token_id"]]
        for role, name in (
            ("bos_token", "bos"),
            ("eos_token", "eos"),
            ("unk_token", "unknown"),
            ("pad_token", "padding"),
        )
    }
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        chat_template=fields.get("tokenizer.chat_template"),
        model_input_names=["input_ids", "attention_mask"],
        **named,
    )
