"""What skipping heads saves: MoH with a part of the heads on, against dense attention with all of them.

Heads alone (``gated_heads`` against the fused dense kernel), then whole layers (projections and router included)
against plain multi-head attention of the same shape, and against the same layer computing every head.
"""

from __future__ import annotations

from functools import partial

import torch

from benchmarks.measuring import table
from zoo.evidence.measuring import quickest
from zoo_sequence.moh.attention import MoHAttention
from zoo_sequence.moh.claims import head_time_ratio
from zoo_sequence.moh.config import MoHConfig

HEADS, HEAD_DIM = 16, 64
LENGTHS = (512, 1024, 2048, 4096)
ACTIVE = (4, 8, 12)


def layer_ratios(length: int, causal: bool) -> tuple[float, float, float]:
    """Seconds of plain attention, and of MoH over it: skipping, and computing all heads."""
    torch.manual_seed(0)
    x = torch.randn(1, length, HEADS * HEAD_DIM)
    shape = {"dim": HEADS * HEAD_DIM, "num_heads": HEADS, "causal": causal}
    layers = [
        MoHAttention(MoHConfig(**shape, **options)) for options in ({"gated": False}, {"skip": True}, {"skip": False})
    ]
    plain, skipping, whole = (quickest(torch.no_grad()(partial(layer, x)), 5) for layer in layers)
    return plain, skipping / plain, whole / plain


def main() -> None:
    for causal in (False, True):
        kind = "causal" if causal else "bidirectional"
        rows = [
            [length, *(f"{head_time_ratio(length, active=active, causal=causal):.2f}" for active in ACTIVE)]
            for length in LENGTHS
        ]
        print(f"\nTime of the heads over dense attention, {kind}, {HEADS} heads of {HEAD_DIM}, one thread:\n")
        print(table(["tokens", *(f"{active} heads on ({active / HEADS:.0%})" for active in ACTIVE)], rows))
    rows = []
    for causal in (False, True):
        for length in LENGTHS:
            plain, skipping, whole = layer_ratios(length, causal)
            kind = "causal" if causal else "bidirectional"
            rows.append([kind, length, f"{plain * 1e3:.0f} ms", f"{skipping:.2f}", f"{whole:.2f}"])
    print("\nWhole layers, 8 of 16 heads on, over plain multi-head attention:\n")
    print(table(["attention", "tokens", "plain", "MoH, skipping", "MoH, all heads computed"], rows))


if __name__ == "__main__":
    main()
