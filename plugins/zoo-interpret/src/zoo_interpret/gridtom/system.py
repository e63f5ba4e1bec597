"""A multimodal model of transformers as a system that answers."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from zoo_interpret.gridtom.benchmark import Case


class ModelSystem:
    """``benchmark.run(ModelSystem(model, processor))``: greedy answers.

    Args:
        model: LLaVA, LLaVA-NeXT-Video, Qwen2-VL and the like.
        processor: its own, with a chat template that takes images.
        max_new_tokens: 20 in the paper, 200 with steering.
    """

    def __init__(self, model: Any, processor: Any, max_new_tokens: int = 20) -> None:
        self.model, self.processor, self.max_new_tokens = model, processor, max_new_tokens

    def __call__(self, case: Case) -> str:
        """What the model writes about the key frames."""
        inputs = model_inputs(self.model, self.processor, list(case.frames()), case.prompt)
        with torch.no_grad():
            ids = self.model.generate(**inputs, max_new_tokens=self.max_new_tokens, do_sample=False)
        text: str = self.processor.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return text


def model_inputs(model: nn.Module, processor: Any, frames: list[Any], text: str) -> dict[str, Any]:
    """Keyword arguments of the model's forward for frames and a question; for probes too."""
    content = [*({"type": "image"} for _ in frames), {"type": "text", "text": text}]
    prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    device = next(model.parameters()).device
    return {
        name: value.to(device) for name, value in processor(images=frames, text=prompt, return_tensors="pt").items()
    }
