"""Pictures of the cards."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.packaged import packaged_model
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.attention_pattern_injection.claims import TEXTS, sentence_by_sentence
from zoo_interpret.attention_pattern_injection.config import EncoderConfig, InjectionConfig, RelevanceConfig
from zoo_interpret.attention_pattern_injection.injection import PatternInjection
from zoo_interpret.attention_pattern_injection.networks import SegmentationNetwork
from zoo_interpret.attention_pattern_injection.patterns import all_patterns
from zoo_interpret.attention_pattern_injection.relevance import NAMES, PatternRelevance
from zoo_interpret.attention_pattern_injection.synthetic import shared_word, tiny_config
from zoo_interpret.attention_pattern_injection.training import fit


def patterns(path: Path) -> None:
    """Which tokens the four kinds of heads of the summary network may see, on two sentences about a harbour."""
    _, tokenizer = packaged_model("minilm")
    ids = sentence_by_sentence(TEXTS[0], tokenizer)["input_ids"]
    config = EncoderConfig()
    masks = all_patterns(ids, task="summary", cls_id=config.cls_id, sep_id=config.sep_id)[0]
    tokens = tokenizer.convert_ids_to_tokens(ids[0].tolist())
    figure = new_figure(figsize=(9, 8.6))
    for axis, mask, name in zip(
        figure.subplots(2, 2, sharex=True, sharey=True).flat, masks, NAMES["summary"], strict=True
    ):
        axis.imshow(mask.numpy(), cmap="Blues", vmin=0, vmax=1)
        axis.set_title(name.replace("_", " "), fontsize=10)
        axis.set_xticks(range(len(tokens)), tokens, rotation=90, fontsize=6.5)
        axis.set_yticks(range(len(tokens)), tokens, fontsize=6.5)
    figure.supxlabel("may be seen (dark)", fontsize=9)
    figure.supylabel("by the query", fontsize=9)
    saved(figure, path)


def segmentation(path: Path) -> None:
    """Tiny networks that learn whether two synthetic contexts share a word, with patterns in four heads and without."""
    figure = new_figure(figsize=(7.5, 3.8))
    axis = figure.subplots()
    for count, name in ((1, "one head for each pattern"), (0, "no patterns")):
        steps, means = _learning(count)
        axis.plot(steps, [100 * value for value in means], marker="o", label=name)
    axis.axhline(50, color="grey", linestyle="--", label="chance")
    axis.set(
        xlabel="steps of training", ylabel="right on new contexts, %", title="2 layers of 4 heads, synthetic contexts"
    )
    axis.legend()
    saved(figure, path)


def _learning(heads_per_pattern: int) -> tuple[list[int], list[float]]:
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SegmentationNetwork(tiny_config(heads_per_pattern=heads_per_pattern))
    test = shared_word(400, torch.Generator().manual_seed(1))
    steps, found = [0], [_accuracy(network, test)]
    for _ in range(6):
        fit(network, (shared_word(64, generator) for _ in range(40)), learning_rate=2e-3)
        steps.append(steps[-1] + 40)
        found.append(_accuracy(network.eval(), test))
    return steps, found


def _accuracy(network: SegmentationNetwork, test: dict[str, Tensor]) -> float:
    with torch.no_grad():
        found = network(test["input_ids"], token_type_ids=test["token_type_ids"]) > 0
    return float((found == test["labels"].bool()).float().mean())


def injection(path: Path) -> None:
    """The first four heads of MiniLM's layer 3 on two sentences, as they are and with the four patterns injected."""
    model, tokenizer = packaged_model("minilm")
    inputs = sentence_by_sentence(TEXTS[1], tokenizer)
    tokens = tokenizer.convert_ids_to_tokens(inputs["input_ids"][0].tolist())
    before = attention_maps(model, inputs, layers=[3])[0][0, :4]
    with PatternInjection(InjectionConfig()).attach(model):
        after = attention_maps(model, inputs, layers=[3])[0][0, :4]
    figure = new_figure(figsize=(9.5, 5.4))
    for row, (maps, name) in enumerate(((before, "as it is"), (after, "with patterns"))):
        for head in range(4):
            axis = figure.add_subplot(2, 4, 4 * row + head + 1)
            picture = axis.imshow(maps[head].numpy(), cmap="Blues", vmin=0, vmax=1)
            axis.set_title(f"head {head}" if not row else NAMES["summary"][head].replace("_", " "), fontsize=9)
            axis.set_xticks(range(len(tokens)), tokens if row else [], rotation=90, fontsize=5.5)
            axis.set_yticks(range(len(tokens)), tokens if not head else [], fontsize=5.5)
            if not head:
                axis.set_ylabel(name)
    figure.colorbar(picture, ax=figure.axes, label="attention weight", shrink=0.8)
    saved(figure, path)


def relevance(path: Path) -> None:
    """How much of the attention of MiniLM's heads lies on each pattern, on eight texts of two sentences."""
    model, tokenizer = packaged_model("minilm")
    found = PatternRelevance(RelevanceConfig())(model, [sentence_by_sentence(text, tokenizer) for text in TEXTS])
    figure = new_figure(figsize=(9, 5))
    for axis, table, name in zip(figure.subplots(2, 2).flat, found.relevance, found.names, strict=True):
        picture = axis.imshow(table.numpy(), aspect="auto", interpolation="nearest", cmap="viridis", vmin=0, vmax=1)
        axis.set(title=name, xlabel="head", ylabel="layer", yticks=range(len(table)), xticks=range(table.shape[1]))
    figure.colorbar(picture, ax=figure.axes, label="share of attention on the pattern")
    figure.suptitle("all-MiniLM-L6-v2")
    saved(figure, path)
