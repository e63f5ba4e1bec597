"""Checks of the paper's claims."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from zoo import Measurement
from zoo.building import on_meta
from zoo.evidence.measuring import PeakMemory, count_parameters, quickest
from zoo_sequence.skim_attention.band import band_attention
from zoo_sequence.skim_attention.config import LongSkimformerConfig, SkimformerConfig, SkimmingMaskConfig
from zoo_sequence.skim_attention.hosts import SkimmingMask
from zoo_sequence.skim_attention.layout import bert_config, bert_modules
from zoo_sequence.skim_attention.pages import draw_page, encode
from zoo_sequence.skim_attention.skimformer import LongSkimformer, Skimformer

_NARROW: dict[str, Any] = {"vocab_size": 500, "dim": 96, "hidden_dim": 192, "layout_dim": 48, "skim_head_dim": 8}


def _document(length: int, vocab_size: int = 500) -> tuple[Tensor, Tensor]:
    """Ids and boxes of one document, put together from drawn pages."""
    batches = [encode([draw_page(seed)], vocab_size, 1024) for seed in range(2 + length // 20)]
    ids, boxes = (torch.cat([getattr(batch, name) for batch in batches], 1) for name in ("input_ids", "bbox"))
    return ids[:, :length], boxes[:, :length]


def check_layout_only() -> Measurement:
    """The attention of one document with other words, and with other boxes."""
    torch.manual_seed(0)
    model = Skimformer(SkimformerConfig(**_NARROW, num_layout_layers=2)).eval()
    ids, bbox = _document(128)
    with torch.no_grad():
        plain, other_words = model(ids, bbox), model(ids.flip(1), bbox)
        moved = model(ids, bbox.flip(1)).attention
    change = float((moved - plain.attention).abs().max())
    equal = torch.equal(plain.attention, other_words.attention)
    states = float((plain.last_hidden_state - other_words.last_hidden_state).abs().max())
    return Measurement(
        f"other words: {'bit-identical' if equal else 'changed'}; other boxes: weights change by up to {change:.3f}",
        equal and change > 0 and states > 0,
        f"the hidden states do change with the words, by up to {states:.2f}",
    )


class _ScoreCounter(TorchFunctionMode):
    """Counts matrix products that give (..., length, length)."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length
        self.count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (torch.matmul, Tensor.matmul, Tensor.__matmul__) and result.shape[-2:] == (self.length,) * 2:
            self.count += 1
        return result


def score_products(run: Callable[[], object], length: int) -> int:
    """How many times ``run`` multiplies queries with keys."""
    with _ScoreCounter(length) as counter, torch.no_grad():
        run()
    return counter.count


def check_scores_computed_once() -> Measurement:
    """Products of queries and keys in a forward pass of 12 layers, Skimformer's and BERT's."""
    length = 200
    ids, bbox = _document(length)
    counts = {}
    for layers in (0, 2):
        model = Skimformer(SkimformerConfig(**_NARROW, num_layout_layers=layers)).eval()
        if model.skim.layout_encoder is not None:
            model.skim.layout_encoder.config._attn_implementation = "eager"
        counts[layers] = score_products(lambda model=model: model(ids, bbox), length)  # type: ignore[misc]
    encoder, hidden = _bert_encoder(SkimformerConfig(**_NARROW), "eager"), torch.randn(1, length, 96)
    bert = score_products(lambda: encoder(hidden), length)
    return Measurement(
        f"{counts[0]}/{bert} of the score computations of a {bert}-layer BERT",
        (counts[0], bert) == (1, 12),
        f"{counts[2]}/{bert} with the two layers of the layout encoder, which have scores of their own",
    )


def _bert_encoder(config: SkimformerConfig, attention: str) -> nn.Module:
    return bert_modules().BertEncoder(bert_config(config, attn_implementation=attention)).eval()


def check_time() -> Measurement:
    """Seconds of 12 layers of base size at length 512, scores included, against BERT's."""
    ids, bbox = _document(512)
    config = SkimformerConfig(vocab_size=500)
    hidden = torch.randn(1, 512, config.dim)
    model = Skimformer(config).eval()
    contextualised = Skimformer(SkimformerConfig(vocab_size=500, num_layout_layers=2)).eval()
    seconds = quickest(partial(model, ids, bbox), 5)
    with_layout = quickest(partial(contextualised, ids, bbox), 5)
    eager, fused = (quickest(partial(_bert_encoder(config, name), hidden), 5) for name in ("eager", "sdpa"))
    return Measurement(
        f"time ratio {seconds / eager:.2f} to BERT as written out, {seconds / fused:.2f} to BERT with fused attention",
        seconds < min(eager, fused),
        f"float32, batch 1, CPU seconds of one thread; {with_layout / eager:.2f} and {with_layout / fused:.2f} with "
        "the two layers of the layout encoder. Values, feed-forward layers and A V stay: the gain cannot be large at "
        "this length",
    )


def check_saved_parameters() -> Measurement:
    """Parameters of BERT's 12 layers, minus those of Skimformer's 12 layers, queries and keys."""
    config = SkimformerConfig()
    with on_meta():
        model, encoder = Skimformer(config), _bert_encoder(config, "eager")
    skimformer = count_parameters(model.encoder, model.skim.query, model.skim.key)
    saved = count_parameters(encoder) - skimformer
    return Measurement(
        f"saves {saved:,} ({count_parameters(encoder):,} to {skimformer:,})",
        saved == 11 * 2 * (768**2 + 768),
        f"the layout embeddings cost {count_parameters(model.skim.layout_embeddings):,}",
    )


def check_top_k() -> Measurement:
    """Nonzero attention weights per row in every layer and head of a 12-layer BERT at length 512, top_k 128."""
    torch.manual_seed(0)
    config = SkimmingMaskConfig(**_NARROW, top_k=128)
    model = SkimmingMask(config).eval()
    model.encoder.config._attn_implementation = "eager"
    ids, bbox = _document(512)
    most, maps = 0, 0
    with captured_weights(model.encoder) as weights, torch.no_grad():
        model(ids, bbox)
        for layer in weights:
            most, maps = max(most, int((layer > 0).sum(-1).max())), maps + layer.shape[1]
    return Measurement(
        f"at most {most} nonzero weights per row in {maps} heads of 12 layers, of 512 keys",
        0 < most <= config.top_k and maps == 144,
        "random weights",
    )


@contextmanager
def captured_weights(encoder: nn.Module) -> Iterator[list[Tensor]]:
    """Within the context, the attention weights of a BERT encoder's layers (eager attention), call after call."""
    seen: list[Tensor] = []
    kind = bert_modules().BertSelfAttention
    handles = [
        module.register_forward_hook(lambda module, inputs, output: seen.append(output[1]))
        for module in encoder.modules()
        if isinstance(module, kind)
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def check_window() -> Measurement:
    """Contexts read with the band against a dense softmax under the mask of window, global tokens and padding."""
    generator = torch.Generator().manual_seed(0)
    worst, shared = 0.0, True
    for length, reach in ((200, 32), (64, 32), (77, 5)):
        query, key, value = (torch.randn(2, 4, length, 16, generator=generator) for _ in range(3))
        real = torch.arange(length) < torch.tensor([[length], [length - 9]])
        chosen = torch.rand(2, length, generator=generator) < 0.05
        bands = band_attention(query, key, [reach] * 12, attention_mask=real, global_mask=chosen)
        shared = shared and all(band is bands[0] for band in bands)
        places = torch.arange(length)
        near = (places[:, None] - places).abs() <= reach
        visible = near | chosen[:, :, None] | chosen[:, None, :]
        scores = query @ key.transpose(-1, -2) / 4 + (1 - real.float())[:, None, None] * -10_000
        dense = scores.masked_fill(~visible[:, None], -torch.inf).softmax(-1) @ value
        worst = max(worst, float((bands[0].read(value) - dense).abs().max()))
    return Measurement(
        f"difference {worst:.1e}; {'one attention' if shared else 'several attentions'} for 12 layers",
        worst < 1e-5 and shared,
    )


def check_linear_memory() -> Measurement:
    """Growth of peak memory in a forward pass from 1024 to 4096 tokens."""
    growth = {name: _peak_bytes(name, 4096) / _peak_bytes(name, 1024) for name in ("long", "contextualised", "dense")}
    return Measurement(
        f"{growth['long']:.1f} times the memory (dense: {growth['dense']:.1f} times)",
        growth["long"] < 6,
        f"2 layers of 8 heads, window 512; {growth['contextualised']:.1f} times with a layout encoder, whose "
        "fused attention has no matrix either",
    )


def _peak_bytes(name: str, length: int) -> int:
    """Most bytes of tensors alive at a time in a forward pass."""
    sizes = _NARROW | {"dim": 64, "num_layers": 2, "num_heads": 8, "num_layout_heads": 8}
    layers = 1 if name == "contextualised" else 0
    model: nn.Module = Skimformer(SkimformerConfig(**sizes))
    if name != "dense":
        model = LongSkimformer(LongSkimformerConfig(**sizes, num_layout_layers=layers, window=[512]))
    model.eval()
    document = _document(length)
    with torch.no_grad(), PeakMemory() as memory:
        model(*document)
    return memory.peak
