"""The pictures of the cards: a code-switched utterance as it is recognised, and what the two experts make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.evidence.plots import new_figure, saved_small
from zoo_seq2seq.camel_asr.config import FIRST
from zoo_seq2seq.camel_asr.experts import LanguageExperts
from zoo_seq2seq.camel_asr.network import Camel, languages_of
from zoo_seq2seq.camel_asr.rescoring import transcribe
from zoo_seq2seq.camel_asr.training import LANGUAGES, task_of
from zoo_seq2seq.spoken_words import SpokenWords
from zoo_seq2seq.teaching import previous

_NAMES = {"fr": "French", "it": "Italian"}
_COLOURS = ("tab:blue", "tab:red")


def _utterance(model: Camel) -> tuple[SpokenWords, Tensor, Tensor]:
    """Words that take turns, by two readers who were not heard in training: the task, features and labels of one."""
    task = task_of(model.config)
    batch = task.utterances(30, task.held_out(), torch.Generator().manual_seed(3))
    languages = languages_of(batch.labels, model.config)
    switches = ((languages[:, 1:] != languages[:, :-1]) & (batch.labels[:, 1:] > 0)).sum(1)
    row = int(switches.argmax())
    return task, batch.features[row : row + 1, : int(batch.lengths[row])], batch.labels[row : row + 1]


def _spectrogram(axis: Any, features: Tensor, hop: float) -> float:
    end = features.shape[1] * hop
    axis.imshow(features[0].T.numpy(), aspect="auto", origin="lower", cmap="magma", extent=(0, end, -0.5, 39.5))
    axis.set_ylabel("mel band")
    return end


def transcript(path: Path) -> None:
    """French and Italian numbers in turn, by two readers who were not heard in training: spectrogram, what the bundled
    network recognises, and what its language decoder says of every token."""
    model: Any = zoo.load("camel-asr/words")
    task, features, labels = _utterance(model)
    best = transcribe(model, features)[0][0]
    with torch.no_grad():
        output = model(features, previous(torch.tensor([best.tokens], dtype=torch.long).view(1, -1)))
    shares = output.language_logits[0].softmax(-1)
    figure = new_figure(figsize=(9, 5))
    above, below = figure.subplots(2, 1, height_ratios=(1.6, 1))
    _spectrogram(above, features, model.config.analysis().hop)
    true = [index for index in labels[0].tolist() if index]
    above.set_title(f"said: {task.text(true)}\nrecognised: {task.text(best.tokens)}", fontsize=10)
    above.set_xlabel("seconds")
    places = torch.arange(len(shares)).numpy()
    for offset, (kind, colour) in enumerate((("end", "silver"), *zip(LANGUAGES, _COLOURS, strict=True))):
        label = _NAMES.get(kind, "a mark: the end")
        below.bar(places + 0.25 * (offset - 1), shares[:, offset].numpy(), 0.25, label=label, color=colour)
    below.set_xticks(places, [*(task.text([index]) or "-" for index in best.tokens), "(end)"])
    below.set(ylabel="probability", ylim=(0, 1.02), title="the language decoder, token by token")
    below.legend(fontsize=8)
    saved_small(figure, path)


def experts(path: Path) -> None:
    """What both experts of the bundled network hear in every frame of French and Italian numbers, by two readers who
    were not heard in training, and how far their gates opened."""
    model: Any = zoo.load("camel-asr/words")
    task, features, labels = _utterance(model)
    with torch.no_grad():
        output = model(features, previous(labels))
    figure = new_figure(figsize=(9, 5.6))
    above, middle, below = figure.subplots(3, 1, height_ratios=(1.5, 1, 1))
    end = _spectrogram(above, features, model.config.analysis().hop)
    above.set_title(f"said: {task.text(labels[0].tolist())}", fontsize=10)
    first = FIRST + model.config.num_english
    spans = {"fr": slice(FIRST, first), "it": slice(first, None)}
    for name, colour, logits in zip(LANGUAGES, _COLOURS, (output.english_logits, output.mandarin_logits), strict=True):
        shares = logits[0].softmax(-1)
        seconds = ((torch.arange(len(shares)) + 0.5) * end / len(shares)).numpy()
        own, other = shares[:, spans[name]].sum(-1), shares[:, 1]
        middle.plot(seconds, own.numpy(), color=colour, label=f"{_NAMES[name]} expert: a word of its language")
        middle.plot(seconds, other.numpy(), color=colour, linestyle=":", label=f"{_NAMES[name]} expert: the other's")
    middle.set(ylabel="CTC", ylim=(0, 1.02), xlabel="seconds", xlim=(0, end))
    middle.legend(fontsize=7, ncol=2)
    above.set_xlim(0, end)
    layer: LanguageExperts = model.encoder.moe[-1]
    gates = [
        (f"{_NAMES[name]}: {what}", float(getattr(expert, gate).detach().tanh()))
        for name, expert in zip(LANGUAGES, layer.experts, strict=True)
        for what, gate in (("to itself", "intra_gate"), ("to the other", "inter_gate"))
    ]
    colours = [each for each in _COLOURS for _ in range(2)]
    below.barh([name for name, _ in gates], [value for _, value in gates], color=colours)
    below.axvline(0, color="black", linewidth=0.8)
    below.set(xlabel="tanh of the gate after training (0: closed, as at the start)")
    saved_small(figure, path)
