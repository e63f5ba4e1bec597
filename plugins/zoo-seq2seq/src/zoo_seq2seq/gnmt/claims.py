"""Checks of the paper's claims."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import zoo
from zoo import Measurement
from zoo_seq2seq import bible
from zoo_seq2seq.decoding import START
from zoo_seq2seq.gnmt.config import BeamSearchConfig, GNMTConfig
from zoo_seq2seq.gnmt.network import GNMT, GNMTState, example
from zoo_seq2seq.gnmt.quantised import with_quantised_matrices
from zoo_seq2seq.gnmt.rewards import gleu
from zoo_seq2seq.search import coverage_penalty, length_penalty


def _tiny(**options: Any) -> GNMT:
    torch.manual_seed(0)
    return GNMT(GNMTConfig(**{"vocab_size": 17, "dim": 12, "num_layers": 4, "init_range": 0.5, **options})).eval()


def check_bottom_attention() -> Measurement:
    """Gradients of one step's attention with respect to every layer's state before it."""
    reached: dict[str, list[float]] = {}
    for variant in ("v1", "v2"):
        model = _tiny(variant=variant)
        inputs = example(model.config)
        memory, state = model.encode(inputs["source_ids"])
        for token in inputs["target_ids"].unbind(1)[:-1]:
            state = model.step(token, memory, state).state
        before = GNMTState(*(each.detach().requires_grad_() for each in (state.hidden, state.cell)))
        weights = model.step(inputs["target_ids"][:, -1], memory, before).attention
        gradients = torch.autograd.grad(weights.square().sum(), (before.hidden, before.cell), allow_unused=True)
        norms = sum(each.abs().sum((0, 2)) for each in gradients if each is not None)
        assert isinstance(norms, Tensor)
        reached[variant] = norms.tolist()
    text = "; ".join(
        f"{name}: {norms[0]:.2e} of layer 0, {max(norms[1:]):.0e} of all others" for name, norms in reached.items()
    )
    return Measurement(text, all(norms[0] > 0 and not any(norms[1:]) for norms in reached.values()))


def check_length_penalty() -> Measurement:
    """The score of one hypothesis at alpha 0 and 1, and the penalty's ratio to the length."""
    length, log_p = torch.tensor([1.0, 10.0, 100.0]), torch.tensor([-2.0, -20.0, -200.0])
    plain = bool((log_p / length_penalty(length, 0.0) == log_p).all())
    mean = (log_p / length_penalty(length, 1.0)).tolist()
    expected = [6 * value / (5 + n) for value, n in zip(log_p.tolist(), length.tolist(), strict=True)]
    close = max(abs(a - b) for a, b in zip(mean, expected, strict=True)) < 1e-4
    half = math.isclose(float(length_penalty(13.0, 0.5)), math.sqrt(3), rel_tol=1e-6)
    return Measurement(
        f"alpha 0: log P {'itself' if plain else 'changed'}; alpha 1: -2 a word over 1, 10 and 100 words gives "
        f"{', '.join(f'{value:.1f}' for value in mean)}",
        plain and close and half,
        "tends to 6 times the mean per word",
    )


def check_coverage_penalty() -> Measurement:
    """cp where every word got mass of 1 and more, and where one got half."""
    full, half = torch.tensor([1.0, 2.5, 1.0]), torch.tensor([1.0, 2.5, 0.5])
    covered, missing = (float(coverage_penalty(mass, 0.2)) for mass in (full, half))
    holds = covered == 0 and math.isclose(missing, 0.2 * math.log(0.5), rel_tol=1e-6)
    return Measurement(f"{covered:g} where all are covered, {missing:.4f} where one word got 0.5", holds)


def _copy_task(model: nn.Module, steps: int) -> tuple[float, float]:
    """Gradient norm of the encoder's first layer in the first step, and the mean loss of the last ten."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    losses, first = [], 0.0
    for step in range(steps):
        ids = torch.randint(4, 12, (32, 4), generator=generator)
        fed = torch.cat((torch.full((32, 1), START), ids[:, :-1]), 1)
        loss = functional.cross_entropy(model(ids, fed).logits.flatten(0, 1), ids.flatten())
        optimizer.zero_grad()
        loss.backward()
        if not step:
            first = float(model.encoder.forwards.weight_ih_l0.grad.norm())  # type: ignore[union-attr, operator]
        optimizer.step()
        losses.append(float(loss.detach()))
    return first, sum(losses[-10:]) / 10


def check_residuals_train() -> Measurement:
    """Copying four of eight symbols with 8 + 8 layers, with and without residual connections."""
    found = {}
    for residual in (True, False):
        torch.manual_seed(0)
        config = GNMTConfig(12, 32, 8, "v2", residual=residual, dropout=0.0, init_range=0.1)
        found[residual] = _copy_task(GNMT(config), 100)
    (with_norm, with_loss), (norm, loss) = found[True], found[False]
    return Measurement(
        f"gradient norm at layer 1 {with_norm:.1e} with, {norm:.1e} without; loss after 100 steps {with_loss:.3f}, "
        f"{loss:.3f}",
        with_norm > norm and with_loss < loss,
    )


def check_gleu() -> Measurement:
    """GLEU of pairs of sentences both ways."""
    pairs = [("the cat sat on the mat", "the cat sat on a mat"), ("a b", "a b c d"), ("x", "y"), ("a a a", "a")]
    ways = [(gleu(a.split(), b.split()), gleu(b.split(), a.split())) for a, b in pairs]
    symmetric = all(one == other and 0 <= one <= 1 for one, other in ways)
    # Two of two and of four words match, and one pair of one and of three: 3 / 10 of the longer.
    worked = math.isclose(ways[1][0], 3 / 10) and gleu(["a", "b", "c"], ["a", "b", "c"]) == 1
    return Measurement(", ".join(f"{one:.3f} = {other:.3f}" for one, other in ways), symmetric and worked)


def check_quantised() -> Measurement:
    """Log-probabilities with matrices of 8 bits and of 3, states cut at 1 and logits at 25 in both."""
    model = _tiny(clip_state=1.0, clip_logits=25.0)
    inputs = example(model.config, 16)
    with torch.no_grad():
        exact = model(**inputs).logits.log_softmax(-1)
        moved = {
            bits: float((with_quantised_matrices(model, bits)(**inputs).logits.log_softmax(-1) - exact).abs().max())
            for bits in (8, 3)
        }
    return Measurement(
        f"log-probabilities move by up to {moved[8]:.4f} at 8 bits, {moved[3]:.2f} at 3", moved[8] < 0.02 < moved[3]
    )


def check_pieces_come_back() -> Measurement:
    """Decoding what was encoded, of sentences that were not trained on, by every way of learning pieces."""
    from zoo_seq2seq.wordpieces import MODELS, WordPieces

    texts = ["the quick brown fox jumps over the lazy dog", "pack my box with five dozen liquor jugs"] * 4
    found = {}
    for model in MODELS:
        pieces = WordPieces.train(texts, 60, model=model)
        new = ["a  lazy\tquick box", "jugs of brown liquor", "five foxes jump"]
        found[model] = sum(pieces.decode(pieces.encode(text)) == " ".join(text.split()) for text in new)
    return Measurement(", ".join(f"{name} {count} of 3" for name, count in found.items()), set(found.values()) == {3})


def check_beats_no_attention() -> Measurement:
    """BLEU on held-out verses of the bundled translator, and of the one that reads nothing but the last state."""
    search = BeamSearchConfig(beam_size=8).options()
    with_, without = (
        bible.translation_bleu(zoo.load(f"gnmt/{preset}"), options=search) for preset in ("bible", "bible-no-attention")
    )
    aligned, diagonal = bible.alignment_error(zoo.load("gnmt/bible"), 805)
    return Measurement(
        f"BLEU {with_:.1f} with attention, {without:.1f} without; alignment error {aligned:.2f}, diagonal "
        f"{diagonal:.2f}",
        with_ > without,
        "Greek to English, clauses of the New Testament; not the paper's data",
    )
