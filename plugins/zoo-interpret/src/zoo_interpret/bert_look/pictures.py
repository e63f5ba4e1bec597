"""Pictures of the cards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.bridges.transformers.packaged import packaged_model
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.alice import SENTENCES
from zoo_interpret.bert_look.config import AttentionProbeConfig, BertLookConfig, DistanceProbeConfig, WordsProbeConfig
from zoo_interpret.bert_look.parsing import Sentence, synthetic_treebank
from zoo_interpret.bert_look.probes import AttentionProbe, DistanceProbe, WordsProbe, train_probe
from zoo_interpret.bert_look.statistics import BertLook

# Which of four planted maps points to heads: of words 0 to 24 the third, of words 25 to 49 the fourth.
LAST_WORD = 50


def statistics(path: Path) -> None:
    """Where MiniLM's 72 heads look by layer, and which are alike, on the first sentences of Alice in Wonderland."""
    model, tokenizer = packaged_model("minilm")
    figure = BertLook(BertLookConfig(js=True))(model, list(SENTENCES), tokenizer).plot()
    figure.suptitle("all-MiniLM-L6-v2")
    saved(figure, path)


def attention_probe(path: Path) -> None:
    """What the attention-only probe learns on a synthetic treebank in which map 3 of 4 is planted to point to heads."""
    data = _treebank(lambda word: 3)
    torch.manual_seed(0)
    probe = AttentionProbe(AttentionProbeConfig(4))
    train_probe(probe, [((maps,), gold) for maps, _, gold in data] * 3, learning_rate=0.02)
    maps, _, gold = data[-1]
    figure = new_figure(figsize=(9, 3.6))
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.3])
    weights = probe.attn_map_weights.detach()
    for row, (name, part) in enumerate((("a(word, head)", weights[:4]), ("a(head, word)", weights[4:]))):
        left.bar([place + 0.4 * row - 0.2 for place in range(4)], part.tolist(), width=0.38, label=name)
    left.set(title="learned weights of the maps", xlabel="attention map", ylabel="weight", xticks=range(4))
    left.legend()
    _predicted(right, probe(maps[None])[0], gold)
    saved(figure, path)


def words_probe(path: Path) -> None:
    """What the words probe learns on made-up sentences: map 2 is planted for one half of words, map 3 for the other."""
    data = _treebank(lambda word: 2 if word < LAST_WORD // 2 else 3)
    torch.manual_seed(0)
    probe = WordsProbe(WordsProbeConfig(4, 8, align_words=True))
    train_probe(
        probe,
        [((maps, vectors), gold) for maps, vectors, gold in data] * 6,
        learning_rate=0.01,
    )
    words = _vectors(torch.arange(LAST_WORD))
    with torch.no_grad():
        weights = probe.dense(torch.cat((words, words.mean(0).expand_as(words)), -1))[:, :4]
    figure = new_figure(figsize=(9, 3.6))
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.3])
    for name, kept in (("words 0 to 24", slice(0, 25)), ("words 25 to 49", slice(25, 50))):
        left.plot(range(4), weights[kept].mean(0).tolist(), marker="o", label=name)
    left.set(title="weights depend on the word", xlabel="attention map", ylabel="mean weight", xticks=range(4))
    left.legend()
    maps, vectors, gold = data[-1]
    _predicted(right, probe(maps[None], vectors[None])[0], gold)
    saved(figure, path)


def distance_probe(path: Path) -> None:
    """The baseline without attention on a synthetic treebank whose heads are one or two words on, either by chance."""
    data = _treebank(lambda word: 3)
    torch.manual_seed(0)
    probe = DistanceProbe(DistanceProbeConfig(8, 64, align_words=True))
    train_probe(
        probe,
        [((vectors,), gold) for _, vectors, gold in data] * 3,
        learning_rate=0.003,
    )
    with torch.no_grad():
        rows = torch.stack([probe(vectors[None])[0].softmax(-1) for _, vectors, _ in data[-100:]]).mean(0)
    figure = new_figure(figsize=(9, 3.6))
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.3])
    steps = range(-3, 4)
    # Candidate j + 1 of word i lies j - i words on.
    means = [float(rows[:, 1:].diagonal(step).mean()) for step in steps]
    left.bar(steps, means)
    left.set(title="where heads are expected", xlabel="words from the word to its head", ylabel="mean probability")
    _, vectors, gold = data[-1]
    _predicted(right, probe(vectors[None])[0], gold)
    saved(figure, path)


def _vectors(words: Tensor) -> Tensor:
    """Word vectors (n, 8): which half of the vocabulary a word is of, and noise that belongs to it."""
    noise = torch.randn(LAST_WORD, 8, generator=torch.Generator().manual_seed(1))[words] * 0.3
    noise[:, 0] = torch.where(words < LAST_WORD // 2, 1.0, -1.0)
    return noise


def _treebank(map_of: Callable[[int], int]) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Maps (1, 4, n + 2, n + 2) of noise in which a word's head is pointed to by the map of the word, word vectors and
    heads, of 300 sentences."""
    generator = torch.Generator().manual_seed(0)
    return [_planted(sentence, map_of, generator) for sentence in synthetic_treebank(300)]


def _planted(
    sentence: Sentence, map_of: Callable[[int], int], generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    size = len(sentence.words) + 2
    words = torch.tensor([int(word[1:]) for word in sentence.words])
    maps = torch.randn(1, 4, size, size, generator=generator).softmax(-1)
    for index, (word, head) in enumerate(zip(words.tolist(), sentence.heads, strict=True)):
        maps[0, map_of(word), index + 1] *= 0.5
        maps[0, map_of(word), index + 1, head] += 0.5
    return maps, _vectors(words), torch.tensor(sentence.heads)


def _predicted(axis: Any, logits: Tensor, gold: Tensor) -> None:
    """Probabilities of heads in a sentence, and the right ones."""
    picture = axis.imshow(logits.detach().softmax(-1).numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axis.scatter(gold.tolist(), range(len(gold)), marker="x", color="tab:red", label="right head")
    axis.set_xticks(range(logits.shape[1]), ["ROOT", *map(str, range(1, logits.shape[1]))])
    axis.set_yticks(range(len(gold)), [str(index + 1) for index in range(len(gold))])
    axis.set(title="heads of one sentence", xlabel="candidate head", ylabel="word")
    axis.figure.colorbar(picture, ax=axis, label="probability")
    axis.legend(loc="lower center", fontsize=8)
