"""The method inside a running model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.inputs import Inputs
from zoo.bridges.transformers.sites import Site
from zoo.bridges.transformers.streams import at_streams, residual_streams
from zoo.errors import InputError
from zoo.evidence.attention_plots import head_tables
from zoo_interpret.multimodal import Call, after_image, at_calls, language_sites, whole_run
from zoo_interpret.named_arrays import NamedArrays, array
from zoo_interpret.tiny_multimodal import tiny_llava, tiny_llava_inputs
from zoo_interpret.visual_attention_sink.config import VisualAttentionSinkConfig
from zoo_interpret.visual_attention_sink.redistribution import image_centric, redistribute, sink_values


@dataclass(frozen=True)
class SinkDiagnostics(NamedArrays):
    """What the method found in the last prompt and in what was decoded after it.

    Args:
        sink_value: (document, layer, token) float32, phi; zero in layers that have no sinks.
        sink_tokens: (document, layer, token) boolean, text sinks too.
        image: (document, token) boolean.
        selected: (document, layer, head, token) boolean, image-centric heads at every query of the prompt.
        moved: (document, layer, head, token), attention that changed its place at every query of the prompt.
        selected_decoding: (step, document, layer, head) boolean.
    """

    sink_value: Tensor = array("document", "layer", "token")
    sink_tokens: Tensor = array("document", "layer", "token")
    image: Tensor = array("document", "token")
    selected: Tensor = array("document", "layer", "head", "token")
    moved: Tensor = array("document", "layer", "head", "token")
    selected_decoding: Tensor = array("step", "document", "layer", "head")

    def plot(self, path: str | Path | None = None) -> Any:
        """How many sinks a layer has in the image, and how often a head is image-centric after it; a figure."""
        queries = after_image(self.image)[:, None, None].float()
        share = (self.selected * queries).sum((0, 3)) / queries.sum().clamp(min=1)
        sinks = (self.sink_tokens & self.image[:, None]).float().mean(0)
        tables = {"share of queries after the image that select the head": share, "sinks in the image": sinks}
        figure = head_tables(tables)
        figure.axes[1].set_xlabel("token")
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


class _Run:
    """What lives from one prompt to the next."""

    def __init__(self, config: VisualAttentionSinkConfig, sites: list[Site]) -> None:
        self.config, self.layers = config, {site.name: layer for layer, site in enumerate(sites)}
        self.heads = sites[0].num_heads
        self.call: Call | None = None
        self.image = torch.zeros(0, 0, dtype=torch.bool)
        self.values: dict[int, Tensor] = {}
        self.selected: dict[int, Tensor] = {}
        self.moved: dict[int, Tensor] = {}
        self.steps: list[dict[int, Tensor]] = []

    def begin(self, call: Call) -> None:
        self.call = call
        if call.cached == 0:
            self.image, self.real = whole_run(call.image) & call.real, call.real
            self.values, self.selected, self.moved, self.steps = {}, {}, {}, []
        else:
            self.steps.append({})

    def see_stream(self, layer: int, stream: Tensor) -> None:
        assert self.call is not None
        if self.call.cached == 0:
            self.values[layer] = sink_values(stream, self.config.sink_dims) * self.real

    def sinks(self, layer: int) -> Tensor:
        return self.values[layer] > self.config.tau

    def change(self, site: Site, weights: Tensor) -> Tensor | None:
        assert self.call is not None
        layer, config = self.layers[site.name], self.config
        if layer not in self.values:
            return None
        beyond = weights.shape[-1] - self.image.shape[-1]
        sinks, image = (nn.functional.pad(mask, (0, beyond)) for mask in (self.sinks(layer), self.image))
        selected = image_centric(weights, sinks, image, rho=config.rho, summ=config.summ)
        prefill = self.call.cached == 0
        changing = selected & after_image(self.image)[:, None] if prefill else selected
        if prefill:
            self.selected[layer] = selected
            budget = (1 - config.p) * (weights * sinks[:, None, None]).sum(-1)
            self.moved[layer] = torch.where(changing, budget, torch.zeros_like(budget)).detach()
        else:
            self.steps[-1][layer] = selected[:, :, -1]
        return redistribute(weights, sinks, image, changing, p=config.p)

    def result(self) -> SinkDiagnostics:
        if not self.selected and not self.values:
            raise InputError("nothing was found: run the model within attach()")
        batch, length = self.image.shape
        layers = range(len(self.layers))
        values = _stack(self.values, layers, torch.zeros(batch, length))
        rows = torch.zeros(batch, self.heads, length)
        steps = [_stack(step, layers, torch.zeros(batch, self.heads)).bool() for step in self.steps]
        nothing = torch.zeros(0, batch, len(self.layers), self.heads, dtype=torch.bool)
        return SinkDiagnostics(
            values,
            values > self.config.tau if self.config.tau >= 0 else _stack(self._sinks(), layers, rows[:, 0]).bool(),
            self.image.cpu(),
            _stack(self.selected, layers, rows).bool(),
            _stack(self.moved, layers, rows),
            torch.stack(steps) if steps else nothing,
        )

    def _sinks(self) -> dict[int, Tensor]:
        return {layer: self.sinks(layer) for layer in self.values}


def _stack(found: dict[int, Tensor], layers: range, missing: Tensor) -> Tensor:
    """What layers gave, along axis 1; zeros for those that gave nothing."""
    return torch.stack([found[layer].float().cpu() if layer in found else missing for layer in layers], 1)


class Attached:
    """What ``attach`` yields."""

    def __init__(self, run: _Run) -> None:
        self._run = run

    def result(self) -> SinkDiagnostics:
        """What was found in the last prompt and in what was decoded after it.

        Raises:
            InputError: the model has not run.
        """
        return self._run.result()


class VisualAttentionSink:
    """Redistribute sinks' attention while a model runs."""

    def __init__(self, config: VisualAttentionSinkConfig) -> None:
        self.config = config

    @contextmanager
    def attach(self, model: nn.Module) -> Iterator[Attached]:
        """Redistribute within the context, in every forward pass and in ``generate``; afterwards all is as before.

        Args:
            model: a multimodal model of transformers whose ids say where the image is (LLaVA, Qwen2-VL, ...).

        Raises:
            InputError: another architecture, or sink dimensions that it has not.
        """
        sites = language_sites(model)
        width = model.get_input_embeddings().weight.shape[-1]  # type: ignore[operator]
        if max(self.config.sink_dims) >= width:
            raise InputError(
                f"sink_dims={list(self.config.sink_dims)}: {type(model).__name__} has {width} dimensions here; "
                "find_sink_dims(model, inputs) finds its own"
            )
        run = _Run(self.config, sites)
        last = len(sites) - (1 if self.config.skip_last_layer else 0)
        layers = range(self.config.sink_layers_from, last)
        with (
            at_calls(model, run.begin),
            at_streams(model, run.see_stream, before=layers, group="D"),
            attending(model, sites=[sites[layer] for layer in layers], weights=run.change),
        ):
            yield Attached(run)


def find_sink_dims(
    model: nn.Module, inputs: Inputs, tokenizer: Any = None, *, layer: int | None = None, count: int = 2
) -> list[int]:
    """Dimensions where the first token's stream is largest, the largest first.

    Args:
        model: of transformers; multimodal or not.
        inputs, tokenizer: a prompt.
        layer: before which it is read; the middle one by default.
        count: how many.
    """
    streams = residual_streams(model, inputs, tokenizer, group="D")
    stream = streams[len(streams) // 2 if layer is None else layer]
    return [int(index) for index in stream[:, 0].abs().mean(0).topk(count).indices]


def example(config: VisualAttentionSinkConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny LLaVA as wide as the sink dimensions need, and random prompts with an image each."""
    width = max(32, -(-(max(config.sink_dims) + 1) // 32) * 32)
    model = tiny_llava(seed, hidden_size=width)
    return {"model": model, "inputs": tiny_llava_inputs(model, batch_size, seed)}
