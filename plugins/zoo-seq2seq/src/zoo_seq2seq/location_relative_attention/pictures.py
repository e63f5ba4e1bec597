"""The pictures of the cards: what the trained networks say, and how their attention gets there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo_seq2seq.location_relative_attention.convolution import DynamicConvolutionAttention
from zoo_seq2seq.location_relative_attention.mixture import GMMAttention
from zoo_seq2seq.location_relative_attention.network import Tacotron
from zoo_seq2seq.location_relative_attention.speaking import ANALYSIS, FRAMES_A_STEP, Spoken, random_texts, say

_SENTENCE = "monday september friday july"
_SECONDS_A_STEP = FRAMES_A_STEP * ANALYSIS.hop


def _words(length: int) -> str:
    return " ".join(random_texts(1, length, length, torch.Generator().manual_seed(5))[0])


def _letters(axis: Any, spoken: Spoken) -> None:
    """Words of a text as labels of the axis over its symbols, at their first letters."""
    words = spoken.text.removesuffix(".").split()
    starts = [sum(len(word) + 1 for word in words[:place]) for place in range(len(words))]
    axis.set_yticks(starts, words, fontsize=8 if len(words) < 8 else 6)


def _alignment(axis: Any, spoken: Spoken) -> Any:
    end = spoken.alignment.shape[1] * _SECONDS_A_STEP
    drawn = axis.imshow(
        spoken.alignment.numpy(),
        aspect="auto",
        origin="lower",
        cmap="Blues",
        interpolation="nearest",
        extent=(0, end, -0.5, len(spoken.text) - 0.5),
        vmin=0,
        vmax=max(float(spoken.alignment.max()), 1e-6),
    )
    _letters(axis, spoken)
    axis.set_xlabel("seconds")
    return drawn


def draw_spoken(spoken: Spoken, path: str | Path | None = None) -> Any:
    """The spectrogram that a network said, and above which letters its attention was; a matplotlib figure."""
    figure = new_figure(figsize=(9, 5.4))
    above, below = figure.subplots(2, 1, sharex=True)
    end = max(spoken.mels.shape[1], 1) * ANALYSIS.hop
    heard = above.imshow(
        spoken.mels.numpy() if spoken.mels.numel() else torch.zeros(ANALYSIS.num_mels, 1).numpy(),
        aspect="auto",
        origin="lower",
        cmap="magma",
        extent=(0, end, -0.5, ANALYSIS.num_mels - 0.5),
    )
    above.set(title=f"said: {spoken.text}", ylabel="mel band")
    figure.colorbar(heard, ax=above, label="log energy / 4")
    figure.colorbar(_alignment(below, spoken), ax=below, label="attention weight")
    below.set_ylabel("letters")
    return saved(figure, path)


def sentence(path: str) -> None:
    """Four words as the bundled network with GMM attention says them: its spectrogram, and the alignment it goes by."""
    draw_spoken(say(zoo.load("location-relative-attention-gmm/words"), [_SENTENCE])[0], path)


def long_texts(path: str) -> None:
    """Texts of 4 words, as long as any in training, and of 20, said by the bundled networks: DCA, and content-based."""
    figure = new_figure(figsize=(10, 6.4))
    axes = figure.subplots(2, 2, width_ratios=(1, 2))
    rows = (
        ("DCA", "location-relative-attention/words"),
        ("content-based", "location-relative-attention/words-content"),
    )
    for row, (title, name) in zip(axes, rows, strict=True):
        for axis, length in zip(row, (4, 20), strict=True):
            spoken = say(zoo.load(name), [_words(length)])[0]
            _alignment(axis, spoken)
            wrong = round(spoken.attention_error() * length)
            axis.set_title(f"{title}: {length} words, {wrong} missed", fontsize=10)
    return saved(figure, path)


@torch.no_grad()
def _steps(model: Tacotron, text: str) -> tuple[Spoken, Tensor]:
    """A text as a network says it, and the queries (steps, query) of its attention."""
    queries: list[Tensor] = []
    handle = model.decoder.attention_rnn.register_forward_hook(lambda module, given, found: queries.append(found[0][0]))
    try:
        spoken = say(model, [text])[0]
    finally:
        handle.remove()
    return spoken, torch.stack(queries)


def moving(path: str) -> None:
    """One step of DCA as the bundled network says four words: weights before, what filters and prior add, and after."""
    model: Any = zoo.load("location-relative-attention/words")
    spoken, queries = _steps(model, _SENTENCE)
    layer: DynamicConvolutionAttention = model.decoder.attention
    step = spoken.alignment.shape[1] // 2
    before = spoken.alignment[:, step - 1][None]
    with torch.no_grad():
        after = layer(queries[step][None, None], before)[0, 0]
        prior = layer.log_prior(before)[0]
        filters = layer.filters(layer.query(queries[step]).tanh()).unflatten(-1, (layer.config.dynamic_channels, -1))
    energies = after.clamp(min=1e-12).log() - prior
    figure = new_figure(figsize=(6.8, 4.6))
    weights, terms, taps = figure.subplots(3, 1)
    places = torch.arange(len(spoken.text)).numpy()
    weights.bar(places - 0.2, before[0].numpy(), 0.4, label=f"weights at step {step - 1}")
    weights.bar(places + 0.2, after.numpy(), 0.4, label=f"weights at step {step}")
    weights.set(title="one step of dynamic convolution attention", ylabel="weight")
    terms.plot(places, prior.numpy(), label="log prior: moving on by 0 to 10 letters")
    terms.plot(
        places, (energies - energies.max()).numpy(), label="energies of static and dynamic filters, less the largest"
    )
    terms.set(ylabel="nats", ylim=(-16, 7))
    for axis in (weights, terms):
        axis.set_xticks(places, [character.replace(" ", "_") for character in spoken.text], fontsize=8)
        axis.legend(fontsize=8)
    reach = layer.config.dynamic_kernel_size // 2
    for filter_ in filters[:4]:
        taps.plot(range(-reach, reach + 1), filter_.numpy(), linewidth=1)
    taps.set(xlabel="letters before (negative) and after", ylabel="tap")
    taps.set_xticks(range(-reach, reach + 1, 2))
    taps.set_title(f"four of the {len(filters)} filters that the query at step {step} made", fontsize=10)
    return saved(figure, path)


def mixtures(path: str) -> None:
    """The five Gaussians of GMM attention as the bundled network says four words: means, and widths around them."""
    model: Any = zoo.load("location-relative-attention-gmm/words")
    spoken, queries = _steps(model, _SENTENCE)
    layer: GMMAttention = model.decoder.attention
    steps = spoken.alignment.shape[1]
    with torch.no_grad():
        output = layer(queries[None, :steps], torch.ones(1, len(spoken.text), dtype=torch.bool))
        weights, _, widths = layer.parameters_of(queries[:steps])
    shares = weights * widths
    shares = shares / shares.sum(-1, keepdim=True)
    figure = new_figure(figsize=(9, 4.8))
    axis = figure.subplots()
    seconds = (torch.arange(steps) * _SECONDS_A_STEP).numpy()
    for index in range(layer.config.num_mixtures):
        mean, width = output.means[0, :, index], widths[:, index]
        label = f"Gaussian {index}: {float(shares[:, index].mean()):.0%} of the weight"
        (line,) = axis.plot(seconds, mean.numpy(), label=label)
        low, high = (mean - width).numpy(), (mean + width).numpy()
        axis.fill_between(seconds, low, high, color=line.get_color(), alpha=0.15)
    _letters(axis, spoken)
    axis.set(title=f"said: {spoken.text}", xlabel="seconds", ylabel="letters", ylim=(-2, len(spoken.text) + 2))
    axis.legend(fontsize=8, loc="upper left")
    return saved(figure, path)
