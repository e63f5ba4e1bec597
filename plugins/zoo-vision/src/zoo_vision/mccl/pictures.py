"""The pictures on the cards of the network's parts."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

import zoo
from zoo.evidence.plots import new_figure, saved_small
from zoo_vision import panels
from zoo_vision.mccl import training
from zoo_vision.mccl.adversary import Discriminator, discriminator_loss, masked_images
from zoo_vision.mccl.config import DiscriminatorConfig, MemoryConfig
from zoo_vision.mccl.memory import MemoryContrast


def consensus(path: Path) -> None:
    """A group of held-out cut-outs of one category on held-out photographs, how much each place counts in the bundled
    network's consensus when they are enlarged threefold (1 would be even), and the map that it answers with.
    """
    model = zoo.load("mccl/stamps")
    group = next(training.groups("held-out", 1, 1, seed=7))
    large = functional.interpolate(group.inputs[0], scale_factor=3, mode="bilinear")[None]
    with torch.no_grad():
        found = model.parts(large)
        weights = model.co_x4.all_attention.aggregate(found.stages[3][None]).weights[0]
        maps = model(group.inputs)[0, :, 0].sigmoid()
    weights = weights * weights[0].numel()
    figure, axes = panels.grid(3, training.GROUP, 1.7, 1.7)
    for column in range(training.GROUP):
        panels.show(axes[0, column], group.pictures[0, column])
        counts = panels.show(axes[1, column], weights[column], low=0.0, high=float(weights.max()))
        panels.show(axes[2, column], maps[column], low=0.0, high=1.0)
    figure.colorbar(counts, ax=axes[1, :], label="weight over even")
    for row, name in enumerate((training.CATEGORIES[int(group.classes[0])], "consensus weight", "answer")):
        axes[row, 0].set_ylabel(name, fontsize=9)
    saved_small(figure, path)


def memory(path: Path) -> None:
    """A memory filled by the bundled network with 96 groups of training cut-outs, and how near its slots are to the
    mean consensus of held-out groups (cosines); categories with fewer than two held-out cut-outs are left out.
    """
    model = zoo.load("mccl/stamps")
    bank = MemoryContrast(MemoryConfig(model.config.widths[-1], len(training.CATEGORIES)))
    sums = torch.zeros_like(bank.slots)
    counts = torch.zeros(len(bank.slots))
    with torch.no_grad():
        for batch in training.groups("train", 12, 8, seed=3):
            bank.update(model.parts(batch.inputs).consensus, batch.classes)
        for batch in training.groups("held-out", 12, 8, seed=4):
            sums.index_add_(0, batch.classes, functional.normalize(model.parts(batch.inputs).consensus, dim=1))
            counts.index_add_(0, batch.classes, torch.ones(len(batch.classes)))
    there, kept = counts.nonzero()[:, 0], bank.seen.nonzero()[:, 0]
    means = functional.normalize(sums[there], dim=1)
    cosines = means @ bank.slots[kept].mT
    figure = new_figure(figsize=(8, 3.4))
    axis = figure.subplots()
    drawn = axis.imshow(cosines, cmap="viridis", aspect="auto")
    axis.set_xticks(range(len(kept)), [training.CATEGORIES[index] for index in kept.tolist()], rotation=40, ha="right")
    axis.set_yticks(range(len(there)), [training.CATEGORIES[index] for index in there.tolist()])
    axis.tick_params(labelsize=8)
    axis.set_xlabel("slot of the memory", fontsize=9)
    axis.set_ylabel("held-out groups", fontsize=9)
    figure.colorbar(drawn, label="cosine")
    saved_small(figure, path)


def adversary(path: Path) -> None:
    """What a discriminator, taught for 60 steps to tell true masks of training scenes from the bundled network's maps,
    says of held-out scenes: the probability that a picture was multiplied by a true mask.
    """
    model = zoo.load("mccl/stamps")
    torch.manual_seed(0)
    judge = Discriminator(DiscriminatorConfig(image_size=training.SIDE, dropout=0.0)).train()
    optimiser = torch.optim.Adam(judge.parameters(), 1e-3)

    def seen(batch: training.Groups) -> tuple[Tensor, Tensor, Tensor]:
        with torch.no_grad():
            logits = model(batch.inputs).flatten(0, 1)
        return batch.inputs.flatten(0, 1), logits, batch.masks.flatten(0, 1).float()

    for batch in training.groups("train", 60, 4, seed=5):
        optimiser.zero_grad()
        discriminator_loss(judge, *seen(batch)).backward()
        optimiser.step()
    pictures, logits, truth = seen(next(training.groups("held-out", 1, 24, seed=6)))
    with torch.no_grad():
        real = judge.eval()(truth * pictures)[:, 0]
        fake = judge(masked_images(pictures, logits))[:, 0]
    figure = new_figure(figsize=(6.5, 3.2))
    axis = figure.subplots()
    bins = torch.linspace(0, 1, 21).tolist()
    axis.hist([real.tolist(), fake.tolist()], bins=bins, label=["true masks", "the network's maps"])
    axis.set_xlabel("probability of a true mask")
    axis.set_ylabel(f"of {len(real)} pictures each")
    axis.yaxis.get_major_locator().set_params(integer=True)
    axis.legend()
    saved_small(figure, path)
