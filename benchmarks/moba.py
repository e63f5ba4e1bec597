"""MoBA against dense causal attention of the same heads on one CPU core: time and memory, 8k to 32k tokens.

Dense attention is torch's ``scaled_dot_product_attention(is_causal=True)``: its fused kernel, which like MoBA forms
no square matrix, and the plain form, which does. Every figure comes from a process of its own. Time is that of the
processor; memory is what the call adds to the inputs at its peak, its output included.
"""

from __future__ import annotations

from benchmarks.measuring import run, table

HEADS, DIM, BLOCK_SIZE, TOPK = 8, 64, 512, 3
LENGTHS = (8_192, 16_384, 32_768)
# The plain form needs length^2 numbers per head, several times over.
PLAIN_UP_TO = 8_192

_CODE = """
import time
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from zoo_sequence.moba.config import Routing
from zoo_sequence.moba.layer import moba_attention

torch.set_num_threads(1)
kind, heads, length, dim, block_size, topk, backward = sys.argv[1], *map(int, sys.argv[2:])

def attend(query, key, value):
    if kind == "moba":
        return moba_attention(query, key, value, Routing(block_size, topk))
    if kind == "plain":
        with sdpa_kernel(SDPBackend.MATH):
            return scaled_dot_product_attention(query, key, value, is_causal=True)
    return scaled_dot_product_attention(query, key, value, is_causal=True)

def inputs(length):
    torch.manual_seed(0)
    return [torch.randn(1, heads, length, dim, requires_grad=bool(backward)) for _ in range(3)]

def step(tensors):
    output = attend(*tensors)
    if backward:
        output.backward(torch.ones_like(output))

step(inputs(2 * block_size))
tensors = inputs(length)
before = peak_bytes()
with torch.set_grad_enabled(bool(backward)):
    start = time.process_time()
    step(tensors)
    seconds = time.process_time() - start
report(seconds=seconds, mebibytes=(peak_bytes() - before) / 2**20)
"""


def measure(kind: str, length: int, *, backward: bool, repeat: int = 2) -> dict[str, float]:
    """The least time and the least memory of some runs."""
    arguments = (kind, HEADS, length, DIM, BLOCK_SIZE, TOPK, int(backward))
    runs = [run(_CODE, *map(str, arguments)) for _ in range(repeat)]
    return {name: min(result[name] for result in runs) for name in ("seconds", "mebibytes")}


def main() -> None:
    print(f"One core, float32, {HEADS} heads of {DIM} features; MoBA with blocks of {BLOCK_SIZE}, topk {TOPK}.\n")
    for backward in (False, True):
        rows = []
        for length in LENGTHS:
            moba, fused = (measure(kind, length, backward=backward) for kind in ("moba", "fused"))
            affordable = length <= PLAIN_UP_TO and not backward
            plain = measure("plain", length, backward=backward, repeat=1) if affordable else None
            rows.append(
                (
                    f"{length // 1024}k",
                    f"{moba['seconds']:.2f} s",
                    f"{fused['seconds'] / moba['seconds']:.1f}x",
                    f"{plain['seconds'] / moba['seconds']:.1f}x" if plain else "",
                    f"{moba['mebibytes']:.0f} MiB",
                    f"{fused['mebibytes'] / moba['mebibytes']:.2f}x",
                    f"{plain['mebibytes'] / moba['mebibytes']:.0f}x" if plain else "",
                )
            )
        columns = ("tokens", "MoBA", "fused dense", "plain dense", "MoBA memory", "fused dense", "plain dense")
        print(f"{'Forward and backward' if backward else 'Forward'}; dense as a multiple of MoBA:\n")
        print(table(columns, rows), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
