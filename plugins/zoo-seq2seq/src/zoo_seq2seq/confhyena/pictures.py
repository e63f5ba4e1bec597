"""The pictures of the cards: an utterance as it is recognised, what filters look like, and what length costs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.evidence.measuring import PeakMemory, quickest
from zoo.evidence.plots import new_figure, saved
from zoo_seq2seq.confhyena.config import ConfHyenaConfig
from zoo_seq2seq.confhyena.encoder import ConfHyenaEncoder
from zoo_seq2seq.confhyena.hyena import HyenaOperator
from zoo_seq2seq.confhyena.training import recognise, task_of

_SHOWN = 3
"""Of the held-out reader's utterances."""
FRAMES = (500, 1000, 2000, 4000)


def transcript(path: str) -> None:
    """Italian words of a real reader who was not heard in training: spectrogram, CTC's labels, and the transcript."""
    model: Any = zoo.load("confhyena/words")
    task = task_of(model.config)
    batch = task.utterances(_SHOWN, task.held_out(), torch.Generator().manual_seed(11))
    row = int((batch.labels > 0).sum(1).argmax())
    length = int(batch.lengths[row])
    features = batch.features[row : row + 1, :length]
    found = recognise(model, features, torch.tensor([length]))[0]
    with torch.no_grad():
        heard = model.encoder(features).ctc_logits[0].softmax(-1)
    figure = new_figure(figsize=(9, 5))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1.4))
    end = length * model.config.analysis().hop
    above.imshow(features[0].T.numpy(), aspect="auto", origin="lower", cmap="magma", extent=(0, end, -0.5, 39.5))
    above.set_title(f"said: {task.text(batch.labels[row].tolist())}\nrecognised: {task.text(found)}", fontsize=10)
    above.set_ylabel("mel band")
    likely = heard[:, 1:].amax(0).topk(5).indices + 1
    seconds = (torch.arange(len(heard)) + 0.5) * end / len(heard)
    for index in (0, *likely.tolist()):
        name = "blank" if index == 0 else task.text([index]) or "mark"
        below.plot(seconds.numpy(), heard[:, index].numpy(), label=name, color="silver" if index == 0 else None)
    below.set(xlabel="seconds", ylabel="CTC's probability", ylim=(0, 1.02))
    below.legend(fontsize=7, ncol=3, loc="upper right")
    return saved(figure, path)


def filters(path: str) -> None:
    """The long filters of the first and the last Hyena operator of the network that learnt Italian words, over time."""
    model: Any = zoo.load("confhyena/words")
    length = 60
    figure = new_figure(figsize=(9, 4.4))
    axes = figure.subplots(1, 2, sharey=True)
    seconds = (torch.arange(length) * 4 * model.config.analysis().hop).numpy()
    for axis, number in zip(axes, (0, len(model.encoder.layers) - 1), strict=True):
        operator: HyenaOperator = model.encoder.layers[number].attention
        with torch.no_grad():
            taps: Tensor = operator.filter_fn(length)
        for channel in taps.T[:12]:
            axis.plot(seconds, channel.numpy(), linewidth=1)
        axis.axvline(seconds[length // 2], color="grey", linestyle=":", linewidth=1)
        axis.set(title=f"layer {number}: taps of {min(taps.shape[1], 12)} channels", xlabel="seconds of an utterance")
    axes[0].set_ylabel("tap (dotted: the frame itself)")
    return saved(figure, path)


def encoder_costs(
    frames: tuple[int, ...] = FRAMES, *, dim: int = 64, layers: int = 4
) -> dict[str, list[tuple[float, float]]]:
    """Seconds and megabytes of a forward pass of encoders of equal width, over frames of features; no compression.

    Returns:
        Of "hyena", "hybrid" and "attention" (a Conformer) a pair per length.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for mixing in ("hyena", "hybrid", "attention"):
        torch.manual_seed(0)
        config = ConfHyenaConfig(
            ctc_vocab_size=100,
            dim=dim,
            num_layers=layers,
            num_heads=4,
            subsample_dim=dim,
            ctc_layer=layers // 2,
            compress=False,
            mixing=mixing,
        )
        model = ConfHyenaEncoder(config).eval()
        found[mixing] = []
        for length in frames:
            x = torch.randn(1, length, 80)
            with torch.no_grad():
                time = quickest(lambda model=model, x=x: model(x))  # type: ignore[misc]
                with PeakMemory() as memory:
                    model(x)
            found[mixing].append((time, memory.peak / 1e6))
    return found


def costs(path: str) -> None:
    """Time and memory of untrained encoders over the length of speech: Hyena operators, the hybrid, and a Conformer."""
    names = {"hyena": "ConfHyena", "hybrid": "hybrid: half of the layers", "attention": "Conformer"}
    figure = new_figure(figsize=(9, 4))
    axes = figure.subplots(1, 2)
    for mixing, pairs in encoder_costs().items():
        for axis, values in zip(axes, zip(*pairs, strict=True), strict=True):
            axis.plot([each / 100 for each in FRAMES], values, marker="o", label=names[mixing])
    axes[0].set(title="time of a forward pass (one thread)", ylabel="seconds", xlabel="seconds of speech")
    axes[1].set(title="peak memory", ylabel="MB", xlabel="seconds of speech")
    axes[0].legend(fontsize=8)
    figure.suptitle("four encoder layers of width 64, untrained, without compression", fontsize=10)
    return saved(figure, path)
