"""The pictures on the cards."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from torch import nn

from zoo.datasets import handwritten_digits
from zoo.evidence.plots import new_figure, saved
from zoo_sequence.learning_curves import draw_curves
from zoo_sequence.marginal_attention.config import IterativeAttentionConfig, StructuralLanguageModelConfig
from zoo_sequence.marginal_attention.iterative import IterativeAttention, hopfield_energy
from zoo_sequence.marginal_attention.language_model import StructuralLanguageModel


def iterative(path: Path) -> None:
    """Hopfield retrieval of handwritten digits: fifty stored, one half covered, and each step of inference moves the
    state to what the stored ones make likely, down in energy."""
    stored = handwritten_digits()[0][:50].flatten(1)
    centre = stored.mean(0)
    patterns = stored - centre
    states = patterns[[3, 12, 27]].clone()
    states[:, 32:] = 0.0
    beta, steps = 3.0, 4
    model = IterativeAttention(IterativeAttentionConfig(dim=64, hopfield_beta=beta, iterations=1))
    shown = [states]
    for _ in range(steps):
        shown.append(model(patterns.expand(3, -1, -1), shown[-1]))
    figure = new_figure(figsize=(8.4, 4.8))
    for line, index in zip(figure.subplots(3, steps + 2), range(3), strict=True):
        line[0].imshow(stored[[3, 12, 27]][index].view(8, 8).numpy(), cmap="gray_r", vmin=0, vmax=1)
        line[0].set_title("stored" if not index else "", fontsize=9)
        for step, axis in enumerate(line[1:]):
            axis.imshow((shown[step][index] + centre).view(8, 8).numpy(), cmap="gray_r", vmin=0, vmax=1)
            axis.set_title(("start, half covered" if not step else f"step {step}") if not index else "", fontsize=9)
            axis.set_xlabel(f"energy {float(hopfield_energy(shown[step][index], patterns, beta)):.2f}", fontsize=8)
        for axis in line:
            axis.set_xticks([])
            axis.set_yticks([])
    saved(figure, path)


def language_model(path: Path) -> None:
    """Loss of small models with three priors over the parent of a token, while they learn the source of Python's
    argparse from nothing for 150 steps; "uniform" is softmax attention."""
    builders = {prior: partial(_build, prior) for prior in ("uniform", "alibi", "t5")}
    draw_curves(builders, path, title="characters of argparse.py")


def _build(prior: str, vocab_size: int) -> nn.Module:
    return StructuralLanguageModel(StructuralLanguageModelConfig(vocab_size=vocab_size, dim=48, prior=prior))
