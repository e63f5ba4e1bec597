"""What the paper promises and a machine can check."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo import Measurement
from zoo.bridges.transformers.packaged import packaged_model
from zoo_interpret.attention_reference_frames import measures, synthetic
from zoo_interpret.attention_reference_frames.config import ReferenceFramesConfig
from zoo_interpret.attention_reference_frames.frames import frame_type
from zoo_interpret.attention_reference_frames.probe import AttentionReferenceFrames
from zoo_interpret.attention_reference_frames.sinks import loss_without
from zoo_interpret.attention_reference_frames.topology import betti_curves

LENGTHS = (3, 8, 12, 40)


def _far(found: Tensor, expected: float) -> float:
    return abs(float(found) - expected)


def check_star() -> Measurement:
    """All measures of stars of several sizes, with any centre."""
    worst, holes = 0.0, True
    for length in LENGTHS:
        for centre in (0, length - 1):
            weights = synthetic.star(length, centre)
            worst = max(
                worst,
                _far(measures.centralisation(weights), 1.0),
                _far(measures.star_likeness(weights), 1.0),
                _far(measures.gini(weights), 1 - 1 / length),
                _far(measures.fiedler(weights), 0.5),
            )
            betti0, betti1 = betti_curves(weights, [0.0, 0.1, 0.5, 0.99])
            holes &= bool((betti0 == 1).all() and (betti1 == 0).all())
    return Measurement(f"off by {worst:.1e}; one component and no cycle: {holes}", worst < 1e-9 and holes)


def check_two_anchors() -> Measurement:
    """Star-likeness, Fiedler value and cycles of maps with two equal anchors."""
    worst, right = 0.0, True
    for length in LENGTHS[1:]:
        weights = synthetic.two_anchors(length)
        worst = max(worst, _far(measures.star_likeness(weights), 0.5), _far(measures.fiedler(weights), 0.5))
        _, betti1 = betti_curves(weights, [0.01, 0.2, 0.49])
        right &= bool((betti1 == length - 2).all())
    return Measurement(f"off by {worst:.1e}; T - 2 cycles: {right}", worst < 1e-9 and right)


def check_uniform() -> Measurement:
    """Centralisation and Gini of uniform maps, and their divergence from uniform."""
    worst = 0.0
    for length in LENGTHS:
        weights = synthetic.uniform(length)
        worst = max(worst, _far(measures.centralisation(weights), 0.0), _far(measures.gini(weights), 0.0))
        for causal in (False, True):
            weights = synthetic.uniform(length, causal=causal)
            worst = max(worst, _far(measures.kl_to_uniform(weights, causal=causal), 0.0))
    return Measurement(f"off by {worst:.1e}", worst < 1e-9)


def check_frames() -> Measurement:
    """The rule on synthetic models of each kind, and on one without a frame."""
    kinds = {
        "centralised": (synthetic.centralised_model(), True),
        "distributed": (synthetic.distributed_model(), True),
        "bidirectional": (synthetic.bidirectional_model(), False),
        "none": (synthetic.uniform(24)[None, None].expand(4, 4, -1, -1), False),
    }
    found = {name: frame_type(measures.received(maps).mean(1), causal=causal) for name, (maps, causal) in kinds.items()}
    cycles = {name: float(betti_curves(maps[:1, :1], [0.1])[1]) for name, (maps, _) in kinds.items() if name != "none"}
    right = all(name == kind for name, kind in found.items())
    shown = ", ".join(f"{name}: {kind}" for name, kind in found.items())
    return Measurement(
        f"{shown}; cycles beyond weights of 0.1: {', '.join(f'{name} {value:.0f}' for name, value in cycles.items())}",
        right and cycles["centralised"] < min(cycles["distributed"], cycles["bidirectional"]),
    )


TEXTS = (
    "The old clock in the town hall stopped at noon, and nobody noticed until the evening train was late.",
    "Water boils at a lower temperature in the mountains, because the air presses less on it there.",
    "She folded the letter twice, put it into her coat, and walked down to the harbour without a word.",
    "A good recipe for bread needs only flour, water, salt and yeast, but it also needs a lot of time.",
    "The court decided that the contract was void, since neither party had signed the second page.",
    "In the spring the river floods the lower fields, and the farmers move their sheep to the hills.",
)


def check_first_token_in_a_trained_decoder() -> Measurement:
    """Attention to the first token in SmolLM2, its frame, and the loss with that key masked, or the third instead."""
    model, tokenizer = packaged_model("smollm2")
    found = AttentionReferenceFrames(ReferenceFramesConfig())(model, list(TEXTS), tokenizer, batch_size=1)
    share = float(found.first_received.mean())
    losses = {
        position: sum(loss_without(model, text, position, tokenizer) for text in TEXTS) / len(TEXTS)
        for position in (None, 0, 2)
    }
    return Measurement(
        f"{share:.0%} of attention, more than 30% in {float(found.sink_rate_first.mean()):.0%} of heads, {found.frame} "
        f"frame; loss {losses[None]:.2f}, {losses[0]:.2f} without the first key, {losses[2]:.2f} without the third",
        0.3 <= share <= 0.4,
        note="SmolLM2-135M, with standard rotary positions; mean over queries, of which the first sees nothing else",
    )


def check_anchors_in_a_trained_encoder() -> Measurement:
    """Attention to [CLS] and [SEP] by layer in all-MiniLM-L6-v2, and its frame."""
    model, tokenizer = packaged_model("minilm")
    probe = AttentionReferenceFrames(ReferenceFramesConfig())
    results = [probe(model, text, tokenizer) for text in TEXTS]
    start = torch.stack([result.received_layer[:, 0] for result in results]).mean(0)
    end = torch.stack([result.received_layer[:, -1] for result in results]).mean(0)
    kinds = [result.frame for result in results]
    most = max(set(kinds), key=kinds.count)

    def shown(values: Tensor) -> str:
        return " ".join(f"{value:.2f}" for value in values.tolist())

    return Measurement(
        f"[CLS] {shown(start)}; [SEP] {shown(end)} by layer; {most} frame in {kinds.count(most)} of {len(kinds)} texts",
        most == "bidirectional",
        note="all-MiniLM-L6-v2, which is distilled and tuned for similarity; the paper: BERT-base and XLM-RoBERTa",
    )
