"""The loss inside training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.sites import Site, find_sites
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.cat.config import CatConfig
from zoo_interpret.cat.loss import re_attention_loss, row_means
from zoo_interpret.named_arrays import NamedArrays, array
from zoo_interpret.padding import Padding, seeing_padding


class MeanAttention:
    """The mean of all layers' and heads' maps of the last forward pass, with its gradient."""

    def __init__(self, config: CatConfig, layers: int) -> None:
        self.config, self.layers = config, layers
        self.padding = Padding()
        self.total: Tensor | None = None
        self.seen = 0

    def add(self, weights: Tensor) -> None:
        """Take one layer's maps (B, heads, T, T); the first of a pass begins anew."""
        mean = weights.mean(1)
        self.total = mean if self.total is None or self.seen == self.layers else self.total + mean
        self.seen = 1 if self.seen == self.layers else self.seen + 1

    def maps(self) -> Tensor:
        """(B, T, T).

        Raises:
            InputError: the model has not run.
        """
        if self.total is None or self.seen != self.layers:
            raise InputError("no attention yet: run the model within attach()")
        return self.total / self.layers

    def loss(self, mask: Tensor) -> Tensor:
        """The Re-Attention loss of the last pass, times the amplitude; padding takes no part."""
        config = self.config
        found = re_attention_loss(
            self.maps(),
            mask,
            alpha=config.alpha,
            form=config.form,
            reduction=config.reduction,
            real=self.padding.real,
        )
        return config.amplitude * found

    def ratio(self, mask: Tensor) -> float:
        """Mean over rows that count of attention to causal keys over that to others; NaN without such rows."""
        m1, m0, valid = row_means(self.maps().detach(), mask, self.padding.real)
        return float((m1 / m0.clamp(min=1e-8))[valid].mean())


@dataclass(frozen=True)
class TuningHistory(NamedArrays):
    """What training was like.

    Args:
        lm_loss, re_attention_loss, ratio: (step,).
        gamma: (epoch,).
    """

    lm_loss: Tensor = array("step")
    re_attention_loss: Tensor = array("step")
    ratio: Tensor = array("step")
    gamma: Tensor = array("epoch")

    def plot(self, path: str | Path | None = None) -> Any:
        """Losses and the ratio of attention, step by step; a matplotlib figure."""
        figure = new_figure(figsize=(11, 3))
        names = ("lm_loss", "re_attention_loss", "ratio")
        for axis, name in zip(figure.subplots(1, 3), names, strict=True):
            axis.plot(getattr(self, name).tolist())
            axis.set(title=name.replace("_", " "), xlabel="step")
        return saved(figure, path)


class CausalAttentionTuning:
    """Add the Re-Attention loss to the training of a causal language model."""

    def __init__(self, config: CatConfig) -> None:
        self.config = config

    @contextmanager
    def attach(self, model: nn.Module) -> Iterator[MeanAttention]:
        """Collect attention within the context, with gradients: ``output.loss + gamma * yielded.loss(mask)``.

        Maps are added up layer by layer; those of all layers are never held together, but for the gradient's sake.

        Args:
            model: causal, of transformers.
        """
        sites = find_sites(model, group="D")
        mean = MeanAttention(self.config, len(sites))

        def keep(site: Site, weights: Tensor) -> None:
            mean.add(weights)

        with seeing_padding(model) as mean.padding, attending(model, sites=sites, weights=keep):
            yield mean

    def tune(
        self,
        model: nn.Module,
        batches: Callable[[], Iterable[Mapping[str, Tensor]]],
        *,
        epochs: int = 10,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        log: Callable[[str], object] = lambda line: None,
    ) -> TuningHistory:
        """Train in place, AdamW.

        Args:
            model: causal, of transformers; it is in eval mode afterwards.
            batches: makes an epoch's batches: keyword arguments of the forward with ``labels``, and ``causal_mask``
                (B, T, T); without the latter only the language model's loss counts.
            epochs, learning_rate, weight_decay: as named.
            log: takes a line per epoch.
        """
        optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
        rows: list[tuple[float, float, float]] = []
        gammas: list[float] = []
        model.train()
        for epoch in range(epochs):
            gammas.append(self.config.gamma * self.config.loss_decay_rate**epoch)
            for batch in batches():
                arguments = {name: value for name, value in batch.items() if name != "causal_mask"}
                with self.attach(model) as mean:
                    loss = model(**arguments).loss
                mask = batch.get("causal_mask")
                extra = loss.new_zeros(()) if mask is None else mean.loss(mask)
                optimizer.zero_grad()
                (loss + gammas[-1] * extra).backward()
                optimizer.step()
                rows.append(
                    (float(loss.detach()), float(extra.detach()), float("nan") if mask is None else mean.ratio(mask))
                )
            if not rows:
                raise InputError("no batches to train on")
            log(f"epoch {epoch + 1}: loss {rows[-1][0]:.3f}, attention {rows[-1][1]:.3f}")
        model.eval()
        table = torch.tensor(rows)
        return TuningHistory(table[:, 0], table[:, 1], table[:, 2], torch.tensor(gammas))


def example(config: CatConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny Llama and random ids."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "model": tiny_model("llama", seed=seed),
        "inputs": {"input_ids": torch.randint(3, 97, (batch_size, 12), generator=generator)},
    }
