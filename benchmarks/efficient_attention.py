"""Efficient attention on one CPU core: how time and memory grow with the number of positions.

The exponents are the slopes of straight lines through log(length) and log(figure). Every figure comes from a process
of its own. Time is that of the processor; memory is what the call adds to the inputs at its peak, its output included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.measuring import run, table

DIM = 32
LENGTHS = (16_384, 32_768, 65_536, 131_072, 262_144, 524_288)
# Shorter sequences stay in the processor's caches, where everything is quicker.
FIT_FROM = 32_768
# Dense attention of longer sequences would take minutes.
DENSE_UP_TO = 32_768

_CODE = """
import time
import torch
from torch.nn.functional import scaled_dot_product_attention
from zoo_sequence.efficient_attention.layer import efficient_attention

torch.set_num_threads(1)
kind, length, dim = sys.argv[1], *map(int, sys.argv[2:])
attend = efficient_attention if kind == "efficient" else scaled_dot_product_attention

torch.manual_seed(0)
with torch.no_grad():
    attend(*torch.randn(3, 1, 1, 256, dim).unbind())
    tensors = torch.randn(3, 1, 1, length, dim).unbind()
    before = peak_bytes()
    attend(*tensors)
    memory = peak_bytes() - before
    times = []
    for _ in range(5 if kind == "efficient" else 1):
        start = time.process_time()
        attend(*tensors)
        times.append(time.process_time() - start)
report(seconds=min(times), bytes=memory)
"""


def slope(lengths: Sequence[int], figures: Sequence[float]) -> float:
    """Exponent p of the least-squares fit figure = c * length^p."""
    x, y = [math.log(length) for length in lengths], [math.log(figure) for figure in figures]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    products = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return products / sum((a - mean_x) ** 2 for a in x)


def main() -> None:
    efficient = [run(_CODE, "efficient", str(length), str(DIM)) for length in LENGTHS]
    dense = {length: run(_CODE, "dense", str(length), str(DIM)) for length in LENGTHS if length <= DENSE_UP_TO}
    rows = []
    for length, ours in zip(LENGTHS, efficient, strict=True):
        theirs = dense.get(length)
        rows.append(
            (
                length,
                f"{1e3 * ours['seconds']:.1f} ms",
                f"{theirs['seconds'] / ours['seconds']:.0f}x" if theirs else "",
                f"{ours['bytes'] / 2**20:.1f} MiB",
                f"{length**2 * 4 / ours['bytes']:.0f}x",
            )
        )
    print(f"One core, float32, one head, d_k = d_v = {DIM}; dense is torch's fused scaled_dot_product_attention.\n")
    print(table(("positions", "time", "dense takes", "memory", "an n x n matrix takes"), rows))
    fitted = [(length, result) for length, result in zip(LENGTHS, efficient, strict=True) if length >= FIT_FROM]
    lengths = [length for length, _ in fitted]
    time, memory = (slope(lengths, [result[name] for _, result in fitted]) for name in ("seconds", "bytes"))
    print(f"\nFrom {FIT_FROM} positions on, time grows with n^{time:.2f} and memory with n^{memory:.2f}.")


if __name__ == "__main__":
    main()
