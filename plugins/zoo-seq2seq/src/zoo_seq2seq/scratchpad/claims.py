"""Checks of the paper's claims."""

from __future__ import annotations

from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters
from zoo_seq2seq import bible
from zoo_seq2seq.scratchpad.config import ScratchpadConfig, WriteConfig
from zoo_seq2seq.scratchpad.network import ScratchpadNetwork, example
from zoo_seq2seq.scratchpad.repetition import Naming, learn, naming
from zoo_seq2seq.scratchpad.write import ScratchpadWrite
from zoo_seq2seq.scratchpad.write import example as write_example

_TINY = ScratchpadConfig(40, 40, 12, 8, 1, 16, 1)


def check_open_gate_is_plain() -> Measurement:
    """Logits with a gate of bias 30, of bias 1, and without a scratchpad."""
    torch.manual_seed(0)
    model = ScratchpadNetwork(_TINY).eval()
    plain = ScratchpadNetwork(ScratchpadConfig(40, 40, 12, 8, 1, 16, 1, gate="closed")).eval()
    plain.load_state_dict(model.state_dict(), strict=False)
    inputs = example(_TINY)
    with torch.no_grad():
        expected, writing = plain(**inputs).logits, model(**inputs).logits
        model.write.gate[-1].bias.fill_(30.0)  # type: ignore[index]
        open_ = model(**inputs).logits
    moved = float((writing - expected).abs().max())
    equal = torch.equal(open_, expected)
    return Measurement(
        f"bias 30: {'bit for bit equal' if equal else 'different'}; bias 1: logits differ by up to {moved:.1e}",
        equal and moved > 0,
    )


def check_convex_hull() -> Measurement:
    """Every number of the new memory, beside the old one's and the update's."""
    config = WriteConfig(16, 12, gate_bias=0.0)
    torch.manual_seed(0)
    inputs = write_example(config, 50)
    with torch.no_grad():
        found = ScratchpadWrite(config)(**inputs)
    update = found.update[:, None].expand_as(found.memory)
    low, high = torch.minimum(inputs["memory"], update), torch.maximum(inputs["memory"], update)
    inside = (found.memory >= low - 1e-6) & (found.memory <= high + 1e-6)
    moved = float((found.memory - inputs["memory"]).abs().mean())
    return Measurement(
        f"{float(inside.float().mean()):.0%} inside, moved by {moved:.2f} on average",
        bool(inside.all()) and moved > 0.1,
    )


def check_cost() -> Measurement:
    """Operations of a write of 50 and 200 places, and parameters."""
    config = WriteConfig(64, 48)
    layer = ScratchpadWrite(config)
    flops = []
    for source in (50, 200):
        inputs = write_example(config, 1)
        inputs["memory"] = torch.randn(1, source, 48)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            layer(**inputs)
        flops.append(counter.get_total_flops() - 2 * (64 + 48) * 48)
    return Measurement(
        f"{flops[0]} and {flops[1]} operations at 50 and 200 places, {count_parameters(layer)} parameters at both",
        flops[1] == 4 * flops[0],
    )


@cache
def _both() -> tuple[Naming, Naming]:
    return naming(learn("mlp")), naming(learn("closed"))


def check_covers() -> Measurement:
    """Naming six items once each: with the scratchpad, and with the same network without."""
    ours, plain = _both()
    return Measurement(
        f"{ours.covered:.1%} of the items named, {ours.repeated:.1%} of the words repeated; without "
        f"{plain.covered:.1%} and {plain.repeated:.1%}",
        ours.covered > plain.covered and ours.repeated < plain.repeated,
    )


def check_attention_sharpens() -> Measurement:
    """Entropies of the attention on the same task."""
    ours, plain = _both()
    return Measurement(
        f"a step {ours.step_entropy:.2f} nats with, {plain.step_entropy:.2f} without; all steps together "
        f"{ours.summed_entropy:.2f} with, {plain.summed_entropy:.2f} without",
        ours.step_entropy < plain.step_entropy and ours.summed_entropy > plain.summed_entropy,
    )


def check_translates() -> Measurement:
    """BLEU on held-out verses of the bundled translator, and of the same network without a scratchpad."""
    presets = ("bible", "bible-plain")
    ours, plain = (bible.translation_bleu(zoo.load(f"scratchpad/{preset}")) for preset in presets)
    errors = [bible.alignment_error(zoo.load(f"scratchpad/{preset}"), 805) for preset in presets]
    return Measurement(
        f"BLEU {ours:.2f} with a scratchpad, {plain:.2f} without; alignment error {errors[0][0]:.2f} and "
        f"{errors[1][0]:.2f}, diagonal {errors[0][1]:.2f}",
        ours > plain,
        "Greek to English, clauses of the New Testament, one seed; not the paper's data",
    )
