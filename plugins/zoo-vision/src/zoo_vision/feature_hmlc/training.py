"""Training on textile images with labels on two levels, and how well linear probes then tell both."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.descent import descend, shuffled
from zoo_vision.feature_hmlc import textiles
from zoo_vision.feature_hmlc.config import HMLCConfig
from zoo_vision.feature_hmlc.network import HierarchicalNetwork

EPOCHS = 12
BATCH = 48
_MARGIN = 16
_PROBE_STEPS = 300


def view(images: Tensor, generator: torch.Generator) -> Tensor:
    """(n, 1, 128, 128) to one random view each, (n, 1, 112, 112): a window, turned by half, brighter or darker."""
    side = images.shape[-1] - _MARGIN
    rows, columns = torch.randint(0, _MARGIN + 1, (2, len(images)), generator=generator).tolist()
    cut = [image[:, y : y + side, x : x + side] for image, y, x in zip(images, rows, columns, strict=True)]
    views = torch.stack(cut)
    turned = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    views = torch.where(turned, views.flip(2, 3), views)
    contrast = 0.8 + 0.4 * torch.rand(len(images), 1, 1, 1, generator=generator)
    brightness = 0.2 * torch.rand(len(images), 1, 1, 1, generator=generator) - 0.1
    return views * contrast + brightness


def train(
    config: HMLCConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """AdamW under a cosine (the paper has SGD at 0.5 for batches of 512), then the probes; two minutes on one core."""
    generator = torch.Generator().manual_seed(seed)
    images, labels = textiles.textiles("train")
    model = HierarchicalNetwork(config).train()
    in_epoch = len(images) // BATCH

    def batches() -> Iterator[Tensor]:
        for epoch in range(EPOCHS):
            if config.mask == "gmm" and epoch >= config.warmup and (epoch - config.warmup) % config.gmm_every == 0:
                model.fit_masks(_in_batches(model.embed, images), labels, seed)
            yield from shuffled(len(images), BATCH, 1, generator, drop_last=True)

    def loss_of(batch: Tensor) -> Tensor:
        views = torch.stack([view(images[batch], generator) for _ in range(2)], 1)
        embedding = model.embed(views.flatten(0, 1)).unflatten(0, (-1, 2))
        return model.loss(embedding, labels[batch]).total

    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=1e-4)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * in_epoch)
    descend(model, batches(), loss_of, optimizer, rates=rates, log=log)
    fit_probes(model, images, labels)
    result = evaluate(model)
    return model, {name: round(value, 3) for name, value in result.items()}


def _in_batches(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([function(some) for some in images.split(128)])


def fit_probes(model: HierarchicalNetwork, images: Tensor, labels: Tensor) -> None:
    """Fit the linear probes on the encoder's features, which stay as they are."""
    features = _in_batches(model.encoder, images)
    centre, spread = features.mean(0), features.std(0).clamp(min=1e-6)
    for level, probe in enumerate(model.probes.children()):
        linear = nn.Linear(features.shape[1], probe.out_features)  # type: ignore[arg-type]
        nn.init.zeros_(linear.weight)
        optimizer = torch.optim.Adam(linear.parameters(), 0.05, weight_decay=1e-4)

        def loss_of(step: int, linear: nn.Linear = linear, level: int = level) -> Tensor:
            return functional.cross_entropy(linear((features - centre) / spread), labels[:, level])

        descend(linear, range(_PROBE_STEPS), loss_of, optimizer)
        with torch.no_grad():
            # Centre and spread become part of the layer.
            probe.weight.copy_(linear.weight / spread)  # type: ignore[operator]
            probe.bias.copy_(linear.bias - linear.weight @ (centre / spread))  # type: ignore[operator]


def accuracies(model: HierarchicalNetwork) -> tuple[float, float]:
    """Share of held-out textiles that the probes tell rightly: nominal or defect, and which of three kinds."""
    images, labels = textiles.textiles("held-out")
    found = [_in_batches(lambda some, level=level: model(some)[f"logits_{level}"], images) for level in range(2)]  # type: ignore[misc]
    coarse, fine = (float((logits.argmax(1) == labels[:, level]).float().mean()) for level, logits in enumerate(found))
    return coarse, fine


def evaluate(model: HierarchicalNetwork) -> dict[str, float]:
    """Held-out accuracy of both levels: the network's, an untrained encoder's with probes, the commonest class's."""
    coarse, fine = accuracies(model)
    torch.manual_seed(1)
    untrained = HierarchicalNetwork(model.config).eval()
    fit_probes(untrained, *textiles.textiles("train"))
    plain_coarse, plain_fine = accuracies(untrained)
    labels = textiles.textiles("held-out")[1]
    common = [float(torch.bincount(labels[:, level]).max() / len(labels)) for level in range(2)]
    return {
        "coarse": coarse,
        "fine": fine,
        "untrained_coarse": plain_coarse,
        "untrained_fine": plain_fine,
        "commonest_coarse": common[0],
        "commonest_fine": common[1],
    }
