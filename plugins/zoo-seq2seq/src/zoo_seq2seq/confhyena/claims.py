"""Checks of the paper's claims."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from zoo import Measurement
from zoo.evidence.measuring import PeakMemory, count_parameters, growth_exponent, quickest
from zoo_seq2seq.confhyena.config import ConfHyenaConfig, HyenaConfig
from zoo_seq2seq.confhyena.conformer import ConformerLayer
from zoo_seq2seq.confhyena.encoder import ConfHyenaEncoder
from zoo_seq2seq.confhyena.hyena import HyenaOperator
from zoo_seq2seq.confhyena.relative import ShiftedRelativeAttention

_LENGTHS = (1000, 2000, 4000)


def _tiny(mixing: str) -> ConfHyenaEncoder:
    torch.manual_seed(0)
    config = ConfHyenaConfig(
        ctc_vocab_size=9,
        num_mels=10,
        dim=16,
        num_layers=3,
        num_heads=4,
        subsample_dim=24,
        conv_kernel=7,
        ctc_layer=2,
        max_length=80,
        filter_dim=8,
        mixing=mixing,
    )
    return ConfHyenaEncoder(config).eval()


def check_padding() -> Measurement:
    """Utterances of 12 steps alone and padded to 17, through operator and encoders."""
    generator = torch.Generator().manual_seed(0)
    differences = []
    for causal in (False, True):
        torch.manual_seed(0)
        layer = HyenaOperator(HyenaConfig(16, 4, causal, 40, filter_dim=12))
        x, mask = torch.randn(2, 17, 16, generator=generator), torch.arange(17) < torch.tensor([[17], [12]])
        with torch.no_grad():
            differences.append(float((layer(x, mask)[1:, :12] - layer(x[1:, :12])).abs().max()))
    for mixing in ("hyena", "hybrid"):
        model = _tiny(mixing)
        features = torch.randn(2, 68, 10, generator=generator)
        features[1, 45:] = 0
        with torch.no_grad():
            both, alone = model(features, torch.tensor([68, 45])), model(features[1:, :45])
        length = alone.states.shape[1]
        differences.append(float((both.states[1:, :length] - alone.states).abs().max()))
    return Measurement(f"largest difference {max(differences):.1e}", max(differences) < 1e-5)


def check_directions() -> Measurement:
    """How far frames on both sides of a changed one move."""
    moved = {}
    for causal in (False, True):
        torch.manual_seed(0)
        layer = HyenaOperator(HyenaConfig(16, 4, causal, 40, filter_dim=12)).double()
        x = torch.randn(1, 20, 16, dtype=torch.float64)
        other = x.clone()
        other[:, 12] += 1
        with torch.no_grad():
            change = (layer(other) - layer(x)).abs().amax((0, 2))
        # A convolution by FFT is exact up to rounding.
        moved[causal] = (float(change[:11].max()), float(change[13:].max()))
    return Measurement(
        f"causal: earlier frames move by {moved[True][0]:.0e}, later ones by {moved[True][1]:.1e}; not causal: "
        f"{moved[False][0]:.1e} and {moved[False][1]:.1e}",
        moved[True][0] < 1e-12 and min(moved[True][1], *moved[False]) > 1e-6,
    )


@cache
def _growth() -> dict[str, tuple[list[float], list[int]]]:
    """Seconds and bytes of one forward pass of both mixers, width 64, at three lengths."""
    torch.manual_seed(0)
    hyena = HyenaOperator(HyenaConfig(64, 4, max_length=_LENGTHS[-1])).eval()
    attention = ShiftedRelativeAttention(64, 4).eval()

    def run(mixer: nn.Module, x: Tensor) -> None:
        with torch.no_grad():
            mixer(x, torch.ones(x.shape[:2], dtype=torch.bool))

    found: dict[str, tuple[list[float], list[int]]] = {}
    for name, mixer in (("hyena", hyena), ("attention", attention)):
        times, memories = [], []
        for length in _LENGTHS:
            x = torch.randn(1, length, 64)
            times.append(quickest(lambda mixer=mixer, x=x: run(mixer, x)))  # type: ignore[misc]
            with PeakMemory() as memory:
                run(mixer, x)
            memories.append(memory.peak)
        found[name] = (times, memories)
    return found


def check_subquadratic() -> Measurement:
    """Time at 1000 and 4000 frames, of the operator and of relative attention."""
    ratios = {name: times[-1] / times[0] for name, (times, _) in _growth().items()}
    return Measurement(
        f"4000 frames take {ratios['hyena']:.1f} times as long as 1000; relative attention {ratios['attention']:.1f}",
        ratios["hyena"] < 8 and ratios["hyena"] < ratios["attention"] / 1.5,
        "one thread, width 64",
    )


def check_memory() -> Measurement:
    """Growth of time and peak memory over 1000, 2000 and 4000 frames."""
    parts, exponents = [], {}
    for name, (times, memories) in _growth().items():
        exponents[name] = growth_exponent(_LENGTHS, memories)
        parts.append(
            f"{name}: time ~ L^{growth_exponent(_LENGTHS, times):.2f}, memory ~ L^{exponents[name]:.2f}, "
            f"{memories[-1] / 1e6:.0f} MB at 4000"
        )
    return Measurement("; ".join(parts), exponents["hyena"] < 1.2 and exponents["attention"] > 1.7)


def check_cheaper_encoder() -> Measurement:
    """Whole encoders of equal width, without compression, at 2000 and 6000 frames (500 and 1500 after subsampling)."""
    times: dict[str, list[float]] = {}
    memories: dict[str, list[int]] = {}
    for mixing in ("hyena", "attention"):
        torch.manual_seed(0)
        config = ConfHyenaConfig(
            ctc_vocab_size=100,
            dim=64,
            num_layers=2,
            num_heads=4,
            subsample_dim=64,
            ctc_layer=1,
            compress=False,
            mixing=mixing,
        )
        model = ConfHyenaEncoder(config).eval()
        times[mixing], memories[mixing] = [], []
        for frames in (2000, 6000):
            x = torch.randn(1, frames, 80)
            with torch.no_grad():
                times[mixing].append(quickest(lambda model=model, x=x: model(x)))  # type: ignore[misc]
                with PeakMemory() as memory:
                    model(x)
                memories[mixing].append(memory.peak)
    time = [hyena / attention for hyena, attention in zip(times["hyena"], times["attention"], strict=True)]
    space = [hyena / attention for hyena, attention in zip(memories["hyena"], memories["attention"], strict=True)]
    return Measurement(
        f"{time[0]:.2f} and {time[1]:.2f} of a Conformer's time, {space[0]:.2f} and {space[1]:.2f} of its memory at "
        "2000 and 6000 frames",
        max(time[1], space[1]) < 1 and time[1] < time[0] and space[1] < space[0],
        "two layers of width 64",
    )


def check_parameters() -> Measurement:
    """Parameters of one layer with either mixer, on the meta device."""
    counts = []
    with torch.device("meta"):
        for hyena in (True, False):
            counts.append(count_parameters(ConformerLayer(ConfHyenaConfig(), hyena=hyena)))
    return Measurement(f"{counts[0]:,} vs {counts[1]:,}", counts == [6_077_952, 6_323_200])


def check_hybrid_training() -> Measurement:
    """Forward and backward pass at 1500 frames of the hybrid and of a Conformer, at a quarter of the width."""
    times = {}
    for mixing in ("hybrid", "attention"):
        torch.manual_seed(0)
        # Random logits never repeat a label for long, and so both keep about all frames.
        config = ConfHyenaConfig(
            ctc_vocab_size=100, dim=128, num_heads=2, subsample_dim=128, mixing=mixing, compress=False, dropout=0.0
        )
        model, x = ConfHyenaEncoder(config).train(), torch.randn(1, 1500, 80)

        def step(model: ConfHyenaEncoder = model, x: Tensor = x) -> None:
            found = model(x)
            (found.states.square().mean() + found.ctc_logits.square().mean()).backward()
            model.zero_grad()

        times[mixing] = quickest(step, 2)
    ratio = times["hybrid"] / times["attention"]
    return Measurement(
        f"{ratio - 1:+.0%} time of forward and backward against the Conformer",
        ratio < 1,
        "one thread, 12 layers of width 128, no compression; quality needs MuST-C",
    )
