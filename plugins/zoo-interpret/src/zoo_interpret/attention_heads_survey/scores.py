"""Scores of every head, and the classes that they speak for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.circuits import head_weights
from zoo.bridges.transformers.decomposition import linear_head
from zoo.bridges.transformers.inputs import Inputs, as_inputs, token_ids
from zoo.bridges.transformers.maps import as_distributions
from zoo.bridges.transformers.progress import Log, patient
from zoo.bridges.transformers.sites import Group, Site, find_blocks, find_sites, in_order, require_equal_heads
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo.evidence.attention_plots import head_tables
from zoo_interpret.attention_heads_survey.config import HeadScoresConfig
from zoo_interpret.embeddings import token_embeddings
from zoo_interpret.named_arrays import NamedArrays, array

# Classes by score; "sink" is a label outside of the survey.
LABELS = {
    "previous_token": "Previous Head",
    "duplicate_token": "Duplicate Head",
    "induction": "Induction Head",
    "retrieval": "Retrieval Head",
    "ov_copy": "Name Mover Head",
    "first_token": "sink",
}


@dataclass(frozen=True)
class HeadScores(NamedArrays):
    """Scores (layers, heads) of all heads; see the package's text. ``ov_copy`` is None without a linear head.

    Args:
        thresholds: score -> the value above which it speaks for a class.
        ov_targets: (target, layer, head), the OV circuit's score of every class that tokens and targets were given for;
            None without any.
        targets: those classes.
    """

    thresholds: Mapping[str, float]
    previous_token: Tensor = array("layer", "head")
    duplicate_token: Tensor = array("layer", "head")
    induction: Tensor = array("layer", "head")
    first_token: Tensor = array("layer", "head")
    self_attention: Tensor = array("layer", "head")
    entropy: Tensor = array("layer", "head")
    retrieval: Tensor = array("layer", "head")
    ov_copy: Tensor | None = array("layer", "head")
    ov_targets: Tensor | None = array("target", "layer", "head", default=None)
    targets: tuple[str, ...] = ()

    def place_names(self) -> dict[str, tuple[str, ...]]:
        """Classes of targets by their names."""
        return {**super().place_names(), "target": self.targets}

    def classes(self) -> dict[str, list[tuple[int, int]]]:
        """Class -> (layer, head) of the heads whose score exceeds its threshold, the highest first."""
        scores = self.arrays()
        known = [(LABELS[name], name, scores[name]) for name in LABELS if name in scores and name in self.thresholds]
        if self.ov_targets is not None:
            known += [(name, "ov_copy", table) for name, table in zip(self.targets, self.ov_targets, strict=True)]
        found = {}
        for label, score, table in known:
            width = table.shape[1]
            order = table.flatten().argsort(descending=True, stable=True)
            above = order[table.flatten()[order] > self.thresholds[score]].tolist()
            found[label] = [(index // width, index % width) for index in above]
        return found

    def to_dict(self) -> dict[str, Any]:
        """The arrays and the classes."""
        return {
            **super().to_dict(),
            "classes": {name: list(map(list, places)) for name, places in self.classes().items()},
        }

    def plot(self, path: str | Path | None = None) -> Any:
        """A heat map per score; a matplotlib figure."""
        tables = {name.replace("_", " "): table for name, table in self.arrays().items() if table.ndim == 2}
        others = {} if self.ov_targets is None else dict(zip(self.targets, self.ov_targets, strict=True))
        return head_tables({**tables, **others}, path=path)


class HeadScorer:
    """``probe(model)``: scores of all heads on repeated random tokens, and of their OV circuits."""

    def __init__(self, config: HeadScoresConfig) -> None:
        self.config = config

    def __call__(
        self,
        model: nn.Module,
        inputs: Inputs | None = None,
        *,
        needles: Tensor | None = None,
        queries: Tensor | None = None,
        begin: int | None = None,
        targets: Mapping[str, Tensor] | None = None,
        group: Group | None = None,
        log: Log | None = None,
    ) -> HeadScores:
        """Score all heads.

        Args:
            model: of transformers or of the zoo, in eval mode.
            inputs: (prompts, 2 R + 1) ids, a first token and R tokens twice; random by default.
            needles: positions of the needle; by default all of the first copy.
            queries: positions that read the needle again; by default R later.
            begin: the first token of random sequences; the model's by default.
            targets: class of heads -> (n, 2) tokens and what a head of the class makes of each: successors for
                "Successor Head", words' first letters for "Letter Mover Head"; scored as copying is.
            group: see ``sites.find_sites``.
            log: takes a line per layer whose OV circuits are scored; see ``progress``.

        Raises:
            InputError: inputs that do not repeat, too few tokens to choose from, or targets without a linear head.
        """
        config, targets = self.config, targets or {}
        ids = self.sequences(model, begin) if inputs is None else token_ids(model, inputs)
        found = pattern_scores(model, ids, needles=needles, queries=queries, group=group)
        thresholds = {
            **dict.fromkeys(("previous_token", "duplicate_token", "induction"), config.matching),
            "first_token": config.sink,
            "retrieval": config.retrieval,
            "ov_copy": config.copy,
        }
        copy = None
        if linear_head(model) is not None:
            vocabulary = token_embeddings(model).get_parameter("weight").shape[0]
            tokens = torch.arange(vocabulary)
            if 0 < config.copy_tokens < vocabulary:
                generator = torch.Generator().manual_seed(config.seed)
                tokens = torch.randperm(vocabulary, generator=generator)[: config.copy_tokens]
            copy = ov_scores(model, tokens, tokens, top=config.copy_top, group=group, log=log)
        others = [
            ov_scores(model, *pairs.unbind(1), top=config.copy_top, group=group, log=log) for pairs in targets.values()
        ]
        made = torch.stack(others) if others else None
        return HeadScores(thresholds=thresholds, **found, ov_copy=copy, ov_targets=made, targets=tuple(targets))

    def sequences(self, model: nn.Module, begin: int | None = None) -> Tensor:
        """Random sequences (prompts, 2 R + 1) of distinct tokens, repeated, behind a first token."""
        config, settings = self.config, getattr(model, "config", None)
        vocabulary = getattr(settings, "vocab_size", None)
        if vocabulary is None or vocabulary <= config.repeat_length:
            raise InputError(
                f"{type(model).__name__} has {vocabulary} tokens; {config.repeat_length} distinct ones and a first are "
                "needed: lower repeat_length, or give inputs"
            )
        start = begin if begin is not None else getattr(settings, "bos_token_id", None) or 0
        others = torch.tensor([token for token in range(vocabulary) if token != start])
        generator = torch.Generator().manual_seed(config.seed)
        rows = [
            others[torch.randperm(len(others), generator=generator)][: config.repeat_length]
            for _ in range(config.prompts)
        ]
        copies = torch.stack(rows)
        return torch.cat((torch.full((config.prompts, 1), start), copies, copies), 1)


@torch.no_grad()
def pattern_scores(
    model: nn.Module,
    ids: Tensor,
    *,
    needles: Tensor | None = None,
    queries: Tensor | None = None,
    group: Group | None = None,
) -> dict[str, Tensor]:
    """Scores of attention weights, tables (layers, heads), one layer's weights at a time.

    Args: see ``HeadScorer``.
    """
    length = (ids.shape[1] - 1) // 2
    if ids.ndim != 2 or not length or not torch.equal(ids[:, 1 : length + 1], ids[:, length + 1 :]):
        raise InputError(f"ids of shape {tuple(ids.shape)} are no first token and a sequence twice")
    needles = torch.arange(1, length + 1) if needles is None else needles
    queries = needles + length if queries is None else queries
    sites = find_sites(model, group=group)
    require_equal_heads(sites)
    found: dict[str, dict[str, list[Tensor]]] = {}

    def look(site: Site, weights: Tensor) -> None:
        for name, table in scores_of(weights, length, needles, queries).items():
            found.setdefault(name, {}).setdefault(site.name, []).append(table.cpu())

    with attending(model, sites=sites, weights=look):
        model(**as_inputs(model, ids))
    return {name: torch.stack(in_order(sites, tables)) for name, tables in found.items()}


def scores_of(weights: Tensor, length: int, needles: Tensor, queries: Tensor) -> dict[str, Tensor]:
    """Scores (heads,) of weights (batch, heads, 2 length + 1, 2 length + 1)."""
    second = torch.arange(length + 1, 2 * length + 1)
    largest = weights[:, :, queries].argmax(-1)
    found = {
        "previous_token": weights.diagonal(-1, 2, 3).mean(-1),
        "duplicate_token": weights[:, :, second, second - length].mean(-1),
        "induction": weights[:, :, second, second - length + 1].mean(-1),
        "first_token": weights[:, :, 1:, 0].mean(-1),
        "self_attention": weights.diagonal(0, 2, 3)[..., 1:].mean(-1),
        "entropy": torch.special.entr(as_distributions(weights)).sum(-1).mean(-1),
        "retrieval": (largest == needles.to(largest.device)).float().mean(-1),
    }
    return {name: table.mean(0).float() for name, table in found.items()}


@torch.no_grad()
def ov_scores(
    model: nn.Module,
    tokens: Tensor,
    targets: Tensor,
    *,
    top: int = 5,
    group: Group | None = None,
    log: Log | None = None,
) -> Tensor:
    """Share of tokens whose target is among the first logits of ln_1(W_E[token]) W_V W_O W_U: (layers, heads).

    With targets that are the tokens themselves it finds heads that copy; with each token's successor, successor heads;
    with a word's first letter, letter movers.

    Args:
        model: with token embeddings and a linear head.
        tokens, targets: (n,) int64.
        top: fewer than so many logits may be larger.
        group: see ``sites.find_sites``.
        log: takes a line per layer.

    Raises:
        InputError: another number of targets, or no linear head.
    """
    head = linear_head(model)
    if head is None or tokens.shape != targets.shape:
        raise InputError(
            f"{type(model).__name__} has no language-modelling head"
            if head is None
            else f"{len(targets)} targets for {len(tokens)} tokens"
        )
    embedded = token_embeddings(model)(tokens)
    unembed = head.get_parameter("weight").T
    rows, log = [], patient(log)
    for block in find_blocks(model):
        for site in block.sites:
            if group not in (None, site.group):
                continue
            norm = next((part for part in block.module.children() if "norm" in type(part).__name__.lower()), None)
            states = embedded if norm is None else norm(embedded)
            weights = head_weights(site)
            shares = []
            for index in range(site.num_heads):
                logits = states @ weights.value[index] @ weights.output[index] @ unembed
                own = logits.gather(1, targets[:, None])
                shares.append(((logits > own).sum(1) < top).float().mean())
            rows.append(torch.stack(shares))
            log(f"OV circuits of {len(rows)} {'layer' if len(rows) == 1 else 'layers'}")
    return torch.stack(rows)


def example(config: HeadScoresConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny Llama and random sequences."""
    model = tiny_model("llama", seed=seed, vocab_size=max(97, config.repeat_length + 2))
    sequences = HeadScorer(HeadScoresConfig(repeat_length=config.repeat_length, prompts=batch_size, seed=seed))
    return {"model": model, "inputs": {"input_ids": sequences.sequences(model)}}
