"""Training on drawn pages: layout analysis for token classifiers, masked language modelling for the MLM head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import ConfigError
from zoo.nn.descent import descend
from zoo_sequence.skim_attention.config import LayoutAnalysisConfig, SkimformerConfig
from zoo_sequence.skim_attention.heads import build_skimformer
from zoo_sequence.skim_attention.layout_analysis import LayoutAnalysis
from zoo_sequence.skim_attention.pages import LABELS, MASK, SPECIAL, PageBatch, draw_page, encode

_BATCH, STEPS = 16, 1_800
_PAGES = 4_000
# More words than a drawn page has.
_LONGEST = 160
_IGNORED = -100
_HELD_OUT = 1_000_000


def mask_words(
    input_ids: Tensor, attention_mask: Tensor, vocab_size: int, generator: torch.Generator, share: float = 0.15
) -> tuple[Tensor, Tensor]:
    """BERT's masked language modelling: of the chosen words 80% become the mask, 10% another word, 10% stay.

    Args:
        input_ids, attention_mask: (batch, length); padding is never chosen.
        vocab_size: of which other words are drawn.
        generator: source of chance.
        share: of words that are chosen.

    Returns:
        The ids to show, and the labels: the true word where it was chosen, -100 elsewhere.
    """
    shape = input_ids.shape
    chosen = (torch.rand(shape, generator=generator) < share) & attention_mask.bool()
    fate = torch.rand(shape, generator=generator)
    other = torch.randint(SPECIAL, vocab_size, shape, generator=generator)
    shown = torch.where(fate < 0.8, MASK, torch.where(fate < 0.9, other, input_ids))
    return torch.where(chosen, shown, input_ids), input_ids.masked_fill(~chosen, _IGNORED)


def fit(
    config: SkimformerConfig, *, steps: int, seed: int, log: Callable[[str], object] = lambda line: None
) -> nn.Module:
    """A model trained on drawn pages: AdamW at 2e-3 with warm-up and linear decay, batches of 16.

    Args:
        config: its head decides on the task.
        steps: batches.
        seed: of initial weights, batches and masks. Pages drawn for benchmarks have other seeds.
        log: takes lines of progress.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = build_skimformer(config)
    pages = [draw_page(index) for index in range(min(_PAGES, _BATCH * steps))]
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    warmup = max(1, steps // 20)
    rates = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, (steps - step) / (steps - warmup))
    )

    def loss_of(step: int) -> Tensor:
        drawn = torch.randint(len(pages), (_BATCH,), generator=generator).tolist()
        return task_loss(model, config, encode([pages[i] for i in drawn], *_tables(config)), generator)

    descend(model, range(steps), loss_of, optimizer, rates=rates, clip=1.0, log=log, log_every=max(1, steps // 6))
    return model


def _tables(config: SkimformerConfig) -> tuple[int, int]:
    return config.vocab_size, config.max_2d_positions


def task_loss(model: nn.Module, config: SkimformerConfig, batch: PageBatch, generator: torch.Generator) -> Tensor:
    """Mean cross-entropy of a batch, over its words (token classifier) or its masked words (MLM head)."""
    inputs = batch.inputs()
    if config.head == "mlm":
        shown, labels = mask_words(batch.input_ids, batch.attention_mask, config.vocab_size, generator)
        inputs["input_ids"] = shown
    else:
        labels = batch.labels.masked_fill(batch.attention_mask == 0, _IGNORED)
    return functional.cross_entropy(model(**inputs).logits.flatten(0, 1), labels.flatten(), ignore_index=_IGNORED)


def evaluate(model: nn.Module, config: SkimformerConfig) -> dict[str, float]:
    """On pages not trained on: area-weighted macro F1 of a token classifier, or perplexity of masked words."""
    if config.head == "token-classification":
        vocab_size, positions = _tables(config)
        benchmark = LayoutAnalysis(LayoutAnalysisConfig(vocab_size=vocab_size, max_2d_positions=positions))
        return {"macro F1": benchmark.run(model)["macro F1"]}
    generator = torch.Generator().manual_seed(0)
    pages = [draw_page(_HELD_OUT + index) for index in range(160)]
    with torch.no_grad():
        losses = [
            float(task_loss(model, config, encode(pages[start : start + _BATCH], *_tables(config)), generator))
            for start in range(0, len(pages), _BATCH)
        ]
    return {"perplexity": float(torch.tensor(losses).mean().exp())}


def train(
    config: SkimformerConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn the task of the head on drawn pages, and let the ablation with 1-D positions learn it too.

    Returns:
        The model, and what both reach.

    Raises:
        ConfigError: there is no head, or a classifier of other classes.
    """
    if config.head == "none":
        raise ConfigError("nothing to learn without a head: mlm or token-classification", field="head")
    if config.head == "token-classification" and config.num_classes != len(LABELS):
        raise ConfigError(f"layout analysis has {len(LABELS)} classes", field="num_classes")
    metrics: dict[str, float] = {}
    trained = []
    ablation = replace(config, use_1d_positions=True, max_length=max(config.max_length, _LONGEST))
    for name, schema in (("boxes", config), ("1-D positions", ablation)):
        log(f"{name}:")
        trained.append(fit(schema, steps=STEPS, seed=seed, log=log))
        metrics |= {f"{metric}, {name}": value for metric, value in evaluate(trained[-1], schema).items()}
    return trained[0], metrics
