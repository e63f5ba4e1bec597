"""Multimodal models of transformers for examples, tests and recordings: tiny and random, or of full size on meta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

import zoo
from zoo.targets import require

# Ids of the tiny models: 0 begins, 1 ends, words lie between, the last stand for images.
WORDS = 60
IMAGE_ID = 70

_TEXT = {
    "vocab_size": 71,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 256,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
_CLIP = {
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 20,
    "patch_size": 4,
    "projection_dim": 24,
}
_LLAVA = {
    "image_token_index": IMAGE_ID,
    "vision_feature_layer": -2,
    "vision_feature_select_strategy": "default",
}


def llava(
    llava_kwargs: Mapping[str, Any],
    text_kwargs: Mapping[str, Any],
    vision_kwargs: Mapping[str, Any],
    attn_implementation: str = "eager",
) -> nn.Module:
    """A LLaVA of CLIP and Llama, in eval mode."""
    transformers = require("transformers", needed_by="a LLaVA model")
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**vision_kwargs),
        text_config=transformers.LlamaConfig(**text_kwargs),
        **llava_kwargs,
    )
    model: nn.Module = transformers.LlavaForConditionalGeneration._from_config(
        config, attn_implementation=attn_implementation
    )
    return model.eval()


def tiny_llava(
    seed: int = 0, *, attn_implementation: str = "sdpa", vision: Mapping[str, Any] | None = None, **text: Any
) -> nn.Module:
    """A random LLaVA: 5 x 5 patches, 4 layers of 4 query and 2 key/value heads, width 32.

    Args:
        seed: of the weights; the global generator is left alone.
        attn_implementation: as transformers takes it.
        vision, text: fields of the two configs.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return llava(_LLAVA, {**_TEXT, **text}, {**_CLIP, **(vision or {})}, attn_implementation)


def tiny_llava_inputs(
    model: Any, batch_size: int = 2, seed: int = 0, *, text: tuple[int, int] = (3, 6)
) -> dict[str, Any]:
    """Random images, each between ``text`` random words before and after, the first of which begins."""
    vision = model.config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2
    generator = torch.Generator().manual_seed(seed)
    before, after = (torch.randint(2, WORDS, (batch_size, count), generator=generator) for count in text)
    before[:, :1] = 0
    image = torch.full((batch_size, patches), model.config.image_token_index)
    pixels = torch.randn(batch_size, 3, vision.image_size, vision.image_size, generator=generator)
    return {"input_ids": torch.cat((before, image, after), 1), "pixel_values": pixels}


def recorded_llava(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> nn.Module:
    """The LLaVA of a recording: ``llava_kwargs``, ``text_kwargs``, ``vision_kwargs`` and its tensors."""
    kwargs = (config["llava_kwargs"], config["text_kwargs"], config["vision_kwargs"])
    return _filled(llava(*kwargs, config.get("attn_implementation", "eager")), state)


def qwen2_vl(
    qwen_kwargs: Mapping[str, Any],
    text_kwargs: Mapping[str, Any],
    vision_kwargs: Mapping[str, Any],
    attn_implementation: str = "eager",
) -> nn.Module:
    """A Qwen2-VL in eval mode."""
    transformers = require("transformers", needed_by="a Qwen2-VL model")
    config = transformers.Qwen2VLConfig(text_config=dict(text_kwargs), vision_config=dict(vision_kwargs), **qwen_kwargs)
    model: nn.Module = transformers.Qwen2VLForConditionalGeneration._from_config(
        config, attn_implementation=attn_implementation
    )
    return model.eval()


def tiny_qwen2_vl(seed: int = 0, *, attn_implementation: str = "sdpa") -> nn.Module:
    """A random Qwen2-VL: 4-pixel patches, merged two by two, 3 layers of 4 query and 2 key/value heads, width 32."""
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
    text = {**_TEXT, "vocab_size": 80, "num_hidden_layers": 3, "rope_parameters": rope}
    vision = {"depth": 2, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 4}
    vision |= {"temporal_patch_size": 2, "spatial_merge_size": 2, "in_channels": 3}
    ids = {"image_token_id": 75, "video_token_id": 76, "vision_start_token_id": 73, "vision_end_token_id": 74}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return qwen2_vl(ids, text, vision, attn_implementation)


def tiny_qwen2_vl_inputs(seed: int = 0, *, text: tuple[int, int] = (3, 5)) -> dict[str, Any]:
    """One image of 4 x 4 patches, which become 2 x 2 tokens, between random words."""
    generator = torch.Generator().manual_seed(seed)
    before, after = (torch.randint(2, WORDS, (1, count), generator=generator) for count in text)
    before[:, 0] = 0
    ids = torch.cat((before, torch.tensor([[73, 75, 75, 75, 75, 74]]), after), 1)
    return {
        "input_ids": ids,
        "pixel_values": torch.randn(16, 96, generator=generator),
        "image_grid_thw": torch.tensor([[1, 4, 4]]),
        "mm_token_type_ids": (ids == 75).int(),
    }


def recorded_qwen2_vl(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> nn.Module:
    """The Qwen2-VL of a recording."""
    kwargs = (config["qwen_kwargs"], config["text_kwargs"], config["vision_kwargs"])
    return _filled(qwen2_vl(*kwargs, config.get("attn_implementation", "eager")), state)


def _filled(model: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    kept = model.state_dict()
    return zoo.fill(
        model, {name: tensor for name, tensor in state.items() if name in kept or "position_ids" not in name}
    )


def llava_7b() -> nn.Module:
    """LLaVA-1.5-7B on the meta device: its shape without its weights."""
    text = {"vocab_size": 32064, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
    vision = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    vision |= {"image_size": 336, "patch_size": 14, "projection_dim": 768}
    with torch.device("meta"):
        return llava(
            {"image_token_index": 32000}, {**text, "intermediate_size": 11008}, vision, attn_implementation="sdpa"
        )
