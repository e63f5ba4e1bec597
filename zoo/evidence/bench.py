"""Drop-in attention layers against ``scaled_dot_product_attention``: time and memory over sequence lengths.

Every measurement runs in a process of its own, so that its peak memory is its own: the growth of the process's
high-water mark during forward passes of one layer on one sequence. A layer that takes longer than the limit gets no
longer sequence.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo import catalogue
from zoo.errors import ConfigError, InputError
from zoo.targets import require

BASELINE = "scaled_dot_product_attention"
COLUMNS = ("layer", "causal", "length", "seconds", "ratio to dense", "peak MB", "ratio to dense")


@dataclass(frozen=True)
class Result:
    """One layer at one length; ratios are to the dense layer of the same kind (causal or not)."""

    name: str
    causal: bool
    length: int
    seconds: float
    peak_bytes: int
    time_ratio: float = float("nan")
    memory_ratio: float = float("nan")


def run(
    names: Sequence[str],
    lengths: Sequence[int],
    *,
    dim: int = 256,
    heads: int = 4,
    device: str = "cpu",
    limit: float = 20.0,
) -> list[Result]:
    """Measure.

    Args:
        names: entries of kind ``attention``; all drop-in layers where empty.
        lengths: in tokens, rising.
        dim, heads: of every layer.
        device: where the layers run.
        limit: seconds of one forward pass after which a layer is stopped.
    """
    chosen = list(names) or drop_in_layers()
    kinds = {name: _causal(name, dim, heads, max(lengths)) for name in chosen}
    results: list[Result] = []
    dense: dict[tuple[bool, int], Result] = {}
    for causal in sorted(set(kinds.values())):
        for result in _series(BASELINE, causal, lengths, dim, heads, device, limit):
            dense[causal, result.length] = result
            results.append(_compared(result, result))
    for name, causal in kinds.items():
        for result in _series(name, causal, lengths, dim, heads, device, limit):
            results.append(_compared(result, dense.get((causal, result.length))))
    return results


def drop_in_layers() -> list[str]:
    """Qualified names of the attention entries that take (batch, length, dim)."""
    from zoo import configuration

    found = []
    for offer in catalogue.current().offers:
        if offer.entry.kind == "attention":
            fields = configuration.schema_of(offer.entry).__dataclass_fields__  # type: ignore[attr-defined]
            if {"dim", "causal"} <= set(fields):
                found.append(offer.qualified)
    return found


def _causal(name: str, dim: int, heads: int, length: int) -> bool:
    """Causal where the mechanism allows it, else bidirectional."""
    from zoo.building import attention_layer, on_meta

    for causal in (True, False):
        try:
            with on_meta():
                attention_layer(name, dim=dim, num_heads=heads, causal=causal, max_length=length)
        except ConfigError as error:
            refusal = error
        else:
            return causal
    raise InputError(f"{name} cannot be benched at dim={dim}, num_heads={heads}: {refusal}")


def _series(
    name: str, causal: bool, lengths: Sequence[int], dim: int, heads: int, device: str, limit: float
) -> list[Result]:
    found: list[Result] = []
    for length in lengths:
        job = {"name": name, "causal": causal, "length": length, "dim": dim, "heads": heads, "device": device}
        done = subprocess.run(
            [sys.executable, "-m", "zoo.evidence.bench", json.dumps(job)], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise InputError(f"{name} failed at length {length}: {done.stderr.strip().splitlines()[-1]}")
        measured = json.loads(done.stdout.splitlines()[-1])
        found.append(Result(name, causal, length, measured["seconds"], measured["peak_bytes"]))
        if measured["seconds"] > limit:
            break
    return found


def _compared(result: Result, dense: Result | None) -> Result:
    if dense is None:
        return result
    memory = result.peak_bytes / dense.peak_bytes if dense.peak_bytes else float("nan")
    return Result(
        result.name,
        result.causal,
        result.length,
        result.seconds,
        result.peak_bytes,
        result.seconds / dense.seconds,
        memory,
    )


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Cells under ``COLUMNS``."""
    return [
        (
            result.name,
            "yes" if result.causal else "no",
            str(result.length),
            f"{result.seconds:.4f}",
            f"{result.time_ratio:.2f}",
            f"{result.peak_bytes / 1e6:.1f}",
            f"{result.memory_ratio:.2f}",
        )
        for result in results
    ]


def plot(results: Sequence[Result], path: Path) -> None:
    """Time and memory over length, both axes logarithmic, as a PNG."""
    figure = require("matplotlib.figure", needed_by="plotting").Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    series: dict[tuple[str, bool], list[Result]] = {}
    for result in results:
        series.setdefault((result.name, result.causal), []).append(result)
    for (name, causal), points in series.items():
        label = f"{name}{'' if causal else ' (bidirectional)'}"
        style = {"color": "black", "linewidth": 2.5} if name == BASELINE else {}
        lengths = [point.length for point in points]
        left.loglog(lengths, [point.seconds for point in points], "-o", label=label, markersize=3, **style)
        right.loglog(
            lengths, [max(point.peak_bytes, 1) / 1e6 for point in points], "-o", label=label, markersize=3, **style
        )
    left.set(xlabel="tokens", ylabel="seconds per forward pass")
    right.set(xlabel="tokens", ylabel="peak MB above the inputs")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", fontsize="small")
    figure.savefig(path, dpi=120)


def _measure(job: dict[str, object]) -> dict[str, float]:
    """In a process of its own: the best of three forward passes, and the growth of peak memory."""
    import time

    import torch

    from zoo.building import attention_layer
    from zoo.nn.attention import MultiHeadAttention

    torch.manual_seed(0)
    dim, heads, length = int(str(job["dim"])), int(str(job["heads"])), int(str(job["length"]))
    causal, device = bool(job["causal"]), str(job["device"])
    if job["name"] == BASELINE:
        layer: torch.nn.Module = MultiHeadAttention(dim, heads, causal=causal)
    else:
        layer = attention_layer(str(job["name"]), dim=dim, num_heads=heads, causal=causal, max_length=length)
    layer = layer.to(device).eval()
    small = torch.randn(1, min(length, 64), dim, device=device)
    x = torch.randn(1, length, dim, device=device)
    cuda = x.is_cuda
    seconds = []
    with torch.no_grad():
        if min(length, 64) == length or not hasattr(layer, "max_length"):
            layer(small)
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() if cuda else _high_water()
        for _ in range(3):
            start = time.perf_counter()
            layer(x)
            if cuda:
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
            if seconds[-1] > 5:
                break
    peak = torch.cuda.max_memory_allocated() if cuda else _high_water()
    return {"seconds": min(seconds), "peak_bytes": peak - before}


def _high_water() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    print(json.dumps(_measure(json.loads(sys.argv[1]))))
