"""The pictures on the cards."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo_sequence.dual_attention.attention import RelationalAttention
from zoo_sequence.dual_attention.config import GAMES, DATConfig, DATSeq2SeqConfig, RelationalGamesConfig
from zoo_sequence.dual_attention.networks import DATLanguageModel, DATSeq2Seq
from zoo_sequence.dual_attention.relational_games import CELL, GRID, RelationalGames, draw
from zoo_sequence.learning_curves import draw_curves


def _show(axis: Any, image: Tensor, title: str = "") -> None:
    axis.imshow(image.permute(1, 2, 0).numpy(), interpolation="nearest")
    for line in range(1, GRID):
        axis.axhline(line * CELL - 0.5, color="dimgrey", linewidth=0.6)
        axis.axvline(line * CELL - 0.5, color="dimgrey", linewidth=0.6)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_title(title, fontsize=9)


def games(path: Path) -> None:
    """A true and a false image of each of the five games, with the objects of training, and how many of 500 images of
    held-out hexominoes the bundled player of "occurs" judges rightly."""
    model = zoo.load("dual-attention-vit/relational-games")
    figure = new_figure(figsize=(9, 4.4))
    for column, game in zip(figure.subplots(2, len(GAMES)).T, GAMES, strict=True):
        images, truth = draw(game, 2, torch.Generator().manual_seed(4))
        for axis, value in zip(column, (1, 0), strict=True):
            _show(axis, images[int((truth == value).nonzero()[0])], f"{game}: {'true' if value else 'false'}")
        task = RelationalGames(RelationalGamesConfig(game=game, objects=["hexominoes"], count=500))
        column[1].set_xlabel(f"player: {task.run(model)['hexominoes']:.0%}", fontsize=9)
    saved(figure, path)


def player(path: Path) -> None:
    """The bundled player of "occurs" on a true and a false image of hexominoes it was never shown: one of its learned
    relations between all pairs of the nine places, where pairs of equal objects stand out."""
    model = zoo.load("dual-attention-vit/relational-games")
    images, truth = draw("occurs", 64, torch.Generator().manual_seed(2), "hexominoes")
    layer = next(each for each in model.modules() if isinstance(each, RelationalAttention))
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, given, output: seen.append(module.relations(given[0])))
    with torch.no_grad():
        logits = model(images)
    handle.remove()
    relations = seen[0][:, :, 1:, 1:]
    # The relation that tells true images from false ones best: by its largest value between top and bottom row.
    across = relations[:, :, :GRID, 2 * GRID :].flatten(2).amax(-1)
    gap = (across[truth == 1].mean(0) - across[truth == 0].mean(0)) / across.std(0)
    best = int(gap.abs().argmax())
    figure = new_figure(figsize=(8.5, 6.2))
    for line, value in zip(figure.subplots(2, 2), (1, 0), strict=True):
        index = int((truth == value).nonzero()[1])
        says = float(logits[index].softmax(-1)[1])
        _show(line[0], images[index], f"{'true' if value else 'false'}; the player: {says:.0%} true")
        shown = relations[index, best]
        most = float(relations[:, best].abs().max())
        drawn = line[1].imshow(shown.numpy(), cmap="RdBu_r", vmin=-most, vmax=most)
        line[1].set(title=f"relation {best}", xlabel="place", ylabel="place")
        line[1].set_xticks(range(GRID**2))
        line[1].set_yticks(range(GRID**2))
        figure.colorbar(drawn, ax=line[1])
    saved(figure, path)


def language_model(path: Path) -> None:
    """Loss of two small models, with a third of the heads relational and with none, while they learn the source of
    Python's argparse from nothing for 150 steps; both have as many heads."""
    base = DATConfig(dim=48, num_layers=2, num_heads=6, num_relational_heads=2, num_symbols=8, max_length=64)
    configs = {"dual attention, 4 + 2 heads": base, "standard, 6 heads": replace(base, num_relational_heads=0)}
    builders = {label: partial(_language_model, config) for label, config in configs.items()}
    draw_curves(builders, path, title="characters of argparse.py")


def _language_model(config: DATConfig, vocab_size: int) -> nn.Module:
    return DATLanguageModel(replace(config, vocab_size=vocab_size))


def seq2seq(path: Path) -> None:
    """A small encoder-decoder that learned for some seconds to sort eight digits: share of right digits by the place in
    the sorted sequence, on new sequences, as training goes on."""
    torch.manual_seed(0)
    config = DATSeq2SeqConfig(
        source_vocab_size=10, target_vocab_size=11, dim=48, num_heads=4, num_symbols=8, max_length=8, num_layers=1
    )
    model, generator = DATSeq2Seq(config), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    curves = {}
    for step in range(201):
        if step in (25, 50, 100, 200):
            curves[step] = _sorted_rightly(model, generator)
        digits = torch.randint(10, (64, 8), generator=generator)
        logits, wanted = _sort(model, digits)
        loss = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    figure = new_figure(figsize=(7.5, 4.2))
    axis = figure.subplots()
    for step, shares in curves.items():
        axis.plot(range(1, 9), shares, "o-", label=f"{step} steps")
    axis.set(xlabel="place in the sorted sequence", ylabel="right digits", ylim=(0, 1.03), title="sorting eight digits")
    axis.grid(alpha=0.3)
    axis.legend()
    saved(figure, path)


def _sort(model: nn.Module, digits: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of every next digit given those before it, and the digits in order (batch, 8)."""
    wanted = digits.sort(1).values
    begun = torch.cat((torch.full_like(wanted[:, :1], 10), wanted[:, :-1]), 1)
    return model(digits, begun), wanted


@torch.no_grad()
def _sorted_rightly(model: nn.Module, generator: torch.Generator) -> list[float]:
    logits, wanted = _sort(model, torch.randint(10, (500, 8), generator=generator))
    return (logits.argmax(-1) == wanted).float().mean(0).tolist()
