"""Checks of the paper's claims, and the picture of the card."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import zoo
from zoo import Measurement
from zoo_seq2seq import bible
from zoo_seq2seq.luong_attention.attention import LuongAttention
from zoo_seq2seq.luong_attention.config import LuongAttentionConfig
from zoo_seq2seq.translating import draw_alignment, translate

_DIM = 24


def _layer(window: str, half_width: int = 10, score: str = "general", sigma: float | None = None) -> LuongAttention:
    torch.manual_seed(0)
    layer = LuongAttention(LuongAttentionConfig(_DIM, score, window, half_width, sigma)).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(4)
    return layer


def _inputs(source: int = 11, targets: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    memory = torch.randn(3, source, _DIM, generator=generator)
    mask = torch.arange(source) < torch.tensor([source, source - 4, 3])[:, None]
    return torch.randn(3, targets, _DIM, generator=generator), memory, mask


def _filled(window: str, like: LuongAttention, **options: float) -> LuongAttention:
    layer = _layer(window, **options)  # type: ignore[arg-type]
    layer.load_state_dict(like.state_dict(), strict=False)
    return layer


def check_local_is_global() -> Measurement:
    """Local-m with windows as wide as the source, and one word narrower, beside global attention."""
    query, memory, mask = _inputs()
    plain = _layer("global")
    expected = plain(query, memory, mask)
    wide, narrow = (_filled("local-m", plain, half_width=width)(query, memory, mask) for width in (11, 2))
    equal = torch.equal(wide.weights, expected.weights) and torch.equal(wide.attentional, expected.attentional)
    moved = float((narrow.weights - expected.weights).abs().max())
    return Measurement(
        f"D = S = 11: {'bit for bit equal' if equal else 'different'}; D = 2: weights differ by up to {moved:.2f}",
        equal and moved > 0.01,
    )


def check_predictive_tends_to_global() -> Measurement:
    """Local-p with D = 10,000, and with D = 2, beside global attention."""
    query, memory, mask = _inputs()
    plain = _layer("global")
    expected = plain(query, memory, mask).weights
    wide, narrow = (
        float((_filled("local-p", plain, half_width=width)(query, memory, mask).weights - expected).abs().max())
        for width in (10_000, 2)
    )
    return Measurement(f"largest difference {wide:.1e} at D = 1e4, {narrow:.2f} at D = 2", wide < 1e-4 < narrow)


def check_weights_sum_to_less() -> Measurement:
    """Sums of local-p's weights over the source."""
    query, memory, mask = _inputs(40, 30)
    sums = _layer("local-p", 4)(query, memory, mask).weights.sum(-1)
    low, high = float(sums.min()), float(sums.max())
    return Measurement(f"sums from {low:.3f} to {high:.3f}", low > 0 and high <= 1 + 1e-6 and low < 0.99)


def check_scored_positions() -> Measurement:
    """Places that scores and contexts are computed for, from the counted operations of one step."""
    counts: dict[str, list[float]] = {}
    for window in ("local-m", "local-p", "global"):
        layer = _layer(window)
        for source in (100, 2000):
            query, memory, _ = _inputs(source, 1)
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                layer(query, memory)
            # W_a, W_c (twice as wide) and local-p's W_p stay the same; two products of dim a place.
            fixed = 2 * 3 * _DIM * (3 * _DIM + (_DIM if window == "local-p" else 0))
            counts.setdefault(window, []).append((counter.get_total_flops() - fixed) / (2 * 2 * 3 * _DIM))
    text = "; ".join(f"{window} {a:.0f} and {b:.0f}" for window, (a, b) in counts.items())
    local = counts["local-m"] + counts["local-p"]
    holds = set(local) == {21} and counts["global"] == [100, 2000]
    return Measurement(f"{text} places at S = 100 and 2000", holds)


def check_position_gradient() -> Measurement:
    """Gradients of the parameters that predict the position."""
    layer = _layer("local-p", 3)
    query, memory, mask = _inputs()
    layer(query, memory, mask).attentional.square().sum().backward()
    assert layer.W_p is not None
    assert layer.v_p is not None
    norms = [float(p.grad.norm()) if p.grad is not None else 0.0 for p in (layer.W_p.weight, layer.v_p)]
    return Measurement(f"norms {norms[0]:.3f} (W_p) and {norms[1]:.3f} (v_p)", min(norms) > 0)


def check_beats_no_attention() -> Measurement:
    """BLEU on held-out verses of the bundled translator, and of the one that reads nothing but the last state."""
    with_, without = (
        bible.translation_bleu(zoo.load(f"luong-attention-nmt/{preset}")) for preset in ("bible", "bible-no-attention")
    )
    return Measurement(
        f"BLEU {with_:.1f} with attention, {without:.1f} without",
        with_ > 1.2 * without,
        "Greek to English, clauses of the New Testament; not the paper's data",
    )


def check_alignments() -> Measurement:
    """Alignment error of the bundled translator's attention against alignments by hand."""
    ours, diagonal = bible.alignment_error(zoo.load("luong-attention-nmt/bible"), 805)
    return Measurement(
        f"AER {ours:.2f}; the diagonal {diagonal:.2f}",
        ours < diagonal,
        "Greek to English, clauses of the New Testament; not the paper's data",
    )


SHOWN = "Σὺ πιστεύεις εἰς τὸν υἱὸν τοῦ ἀνθρώπου"


def picture(path: str) -> None:
    """A Greek clause of a held-out verse, translated: what each English piece looked at."""
    draw_alignment(translate(zoo.load("luong-attention-nmt/bible"), bible.vocabularies(), [SHOWN])[0], path)
