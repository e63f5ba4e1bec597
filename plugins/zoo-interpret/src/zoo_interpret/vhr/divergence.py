"""Vision-aware head divergence: formulas, and the probe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.heads import head_outputs
from zoo.bridges.transformers.inputs import Inputs, batches, real_tokens
from zoo.bridges.transformers.progress import Log
from zoo.bridges.transformers.sites import require_equal_heads
from zoo.errors import InputError
from zoo.evidence.attention_plots import head_tables
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.multimodal import image_positions, language_sites, without_images
from zoo_interpret.named_arrays import NamedArrays, array
from zoo_interpret.tiny_multimodal import tiny_llava, tiny_llava_inputs
from zoo_interpret.vhr.config import DivergenceConfig


def head_distance(with_image: Tensor, text_only: Tensor, distance: str = "euclidean") -> Tensor:
    """VHD (..., heads) of outputs (..., heads, head_dim)."""
    squared = (with_image - text_only).square().sum(-1)
    return squared if distance == "squared" else squared.sqrt()


def token_divergence(vhd: Tensor, topk: int | None = None) -> Tensor:
    """T-VHD (...) of VHD (layers, ..., heads): the sum over layers of the k largest; by default an eighth of them."""
    count = max(1, vhd.shape[-1] // 8) if topk is None else topk
    if count > vhd.shape[-1]:
        raise InputError(f"topk={count}: layers have {vhd.shape[-1]} heads")
    return vhd.topk(count, dim=-1).values.sum(-1).sum(0)


def without_outliers(vhd: Tensor, text_only: Tensor, std: str = "sample") -> Tensor:
    """VHD (..., heads) with zeros for heads that stand out with the image, and without it by their squared norm.

    Args:
        vhd: (..., heads).
        text_only: (..., heads, head_dim).
        std: "sample" (n - 1) or "population".
    """
    activity = text_only.square().sum(-1)
    correction = 1 if std == "sample" else 0
    bounds = [
        values.mean(-1, keepdim=True) + values.std(-1, keepdim=True, correction=correction)
        for values in (vhd, activity)
    ]
    return vhd.masked_fill((vhd > bounds[0]) & (activity > bounds[1]), 0.0)


def vision_aware(vhd: Tensor) -> Tensor:
    """The selected heads (..., heads) boolean: those above the median."""
    return vhd > vhd.median(-1, keepdim=True).values


@dataclass(frozen=True)
class Divergence(NamedArrays):
    """How much heads depend on the image.

    Args:
        vhd: (document, layer, head) at the last token.
        t_vhd: (document, token) of every token after the image: how much its heads depended on the image when they
            chose the next token; zero elsewhere.
        ids: (document, token) int64; padded with -1.
        output_with_image, output_text_only: (document, layer, head, feature), outputs at the last token.
    """

    vhd: Tensor = array("document", "layer", "head")
    t_vhd: Tensor = array("document", "token")
    ids: Tensor = array("document", "token")
    output_with_image: Tensor = array("document", "layer", "head", "feature")
    output_text_only: Tensor = array("document", "layer", "head", "feature")

    def plot(self, path: str | Path | None = None) -> Any:
        """VHD of every head, the mean of documents; a matplotlib figure."""
        return head_tables({"vision-aware head divergence": self.vhd.mean(0)}, path=path)

    def plot_tokens(self, texts: list[str], path: str | Path | None = None, *, document: int = 0) -> Any:
        """T-VHD token by token of one document; a matplotlib figure.

        Args:
            texts: of the tokens after the image.
            path: where it is written, too.
            document: which.
        """
        places = self.t_vhd[document].nonzero().flatten()
        if len(places) != len(texts):
            raise InputError(f"{len(texts)} texts for {len(places)} tokens after the image")
        figure = new_figure(figsize=(max(5.0, 0.3 * len(texts) + 1), 3))
        axis = figure.subplots()
        axis.bar(range(len(texts)), self.t_vhd[document][places].tolist())
        axis.set_xticks(range(len(texts)), texts, rotation=90, fontsize=8)
        axis.set(ylabel="T-VHD", title="how much the next token depends on the image")
        return saved(figure, path)


class VisionAwareHeadDivergence:
    """``probe(model, inputs)``: VHD of the last token and T-VHD of every token after the image."""

    def __init__(self, config: DivergenceConfig) -> None:
        self.config = config

    def __call__(
        self,
        model: nn.Module,
        inputs: Inputs | Iterable[Mapping[str, Any]],
        *,
        log: Log | None = None,
    ) -> Divergence:
        """Run the model with and without the image, batch after batch.

        What the model has written may stand behind the prompt: the T-VHD of every token comes from the same two passes.

        Args:
            model: multimodal, of transformers.
            inputs: keyword arguments of its forward, or many of them.
            log: takes a line per batch.

        Raises:
            InputError: no image token in the architecture, or no document.
        """
        sites = language_sites(model)
        require_equal_heads(sites)
        rows: list[tuple[Tensor, ...]] = []
        for arguments in batches(model, inputs, log=log):
            rows += self._rows(model, arguments)
        longest = max(len(row[1]) for row in rows)

        def stack(index: int, value: float = 0.0) -> Tensor:
            parts = [row[index] for row in rows]
            if parts[0].ndim == 1:
                parts = [nn.functional.pad(part, (0, longest - len(part)), value=value) for part in parts]
            return torch.stack(parts)

        return Divergence(stack(0), stack(1), stack(2, -1), stack(3), stack(4))

    def _rows(self, model: nn.Module, arguments: dict[str, Any]) -> list[tuple[Tensor, ...]]:
        ids = arguments["input_ids"]
        padding = real_tokens(arguments)
        image = image_positions(model, ids)
        real = torch.ones_like(image) if padding is None else padding
        text = without_images(model, arguments)
        full = head_outputs(model, arguments, group="D")
        alone = head_outputs(model, text, group="D")
        found = []
        for row in range(len(ids)):
            kept = real[row] & ~image[row]
            count = int(kept.sum())
            # Tokens of the text in the order of both passes; text-only prompts are padded on the left.
            whole = torch.stack([layer[row][kept] for layer in full], 1)
            text_only = torch.stack([layer[row, -count:] for layer in alone], 1)
            vhd = head_distance(whole, text_only, self.config.distance).transpose(0, 1)
            by_token = torch.zeros(ids.shape[1], dtype=vhd.dtype, device=vhd.device)
            seen = image[row].long().cumsum(-1) > 0
            by_token[kept] = token_divergence(vhd, self.config.topk) * seen[kept]
            shown = ids[row].masked_fill(~real[row], -1)
            found.append(tuple(each.cpu() for each in (vhd[:, -1], by_token, shown, whole[-1], text_only[-1])))
        return found


def example(config: DivergenceConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny LLaVA and random prompts with an image each."""
    model = tiny_llava(seed)
    return {"model": model, "inputs": tiny_llava_inputs(model, batch_size, seed)}
