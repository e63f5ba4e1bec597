"""Global relevance: how much of a head's attention lies on a pattern, and whether that sets it apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from scipy.stats import ttest_ind
from torch import Tensor, nn

from zoo.bridges.transformers.inputs import Inputs, batches
from zoo.bridges.transformers.progress import Log
from zoo.bridges.transformers.sites import Group
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo.evidence.attention_plots import head_tables
from zoo_interpret.attention_pattern_injection.config import RelevanceConfig
from zoo_interpret.attention_pattern_injection.patterns import all_patterns
from zoo_interpret.by_layer import by_layer
from zoo_interpret.named_arrays import NamedArrays, array
from zoo_interpret.padding import real_ids

NAMES = {
    "summary": ("matching", "intra-sentence", "next", "previous"),
    "segmentation": ("matching", "intra-context", "previous", "next"),
}


@dataclass(frozen=True)
class Relevance(NamedArrays):
    """Relevance of patterns for heads.

    Args:
        relevance: (pattern, layer, head), mean share of attention that lies on the pattern.
        p_value: (pattern, layer, head), one-sided, that a head's shares are no larger than those of all other heads;
            1 for heads that were not tested.
        significant: (pattern, layer, head) boolean, after Bonferroni's correction.
        names: of the patterns.
        documents: how many.
    """

    relevance: Tensor = array("pattern", "layer", "head")
    p_value: Tensor = array("pattern", "layer", "head")
    significant: Tensor = array("pattern", "layer", "head")
    names: tuple[str, ...] = ()
    documents: int = 0

    def place_names(self) -> dict[str, tuple[str, ...]]:
        """Patterns by their names."""
        return {**super().place_names(), "pattern": self.names}

    def plot(self, path: str | Path | None = None) -> Any:
        """Relevance of every pattern by layer and head; a matplotlib figure."""
        return head_tables(dict(zip(self.names, self.relevance, strict=True)), path=path)


class PatternRelevance:
    """``probe(model, inputs)``: which heads have which patterns."""

    def __init__(self, config: RelevanceConfig) -> None:
        self.config = config

    def __call__(
        self,
        model: nn.Module,
        inputs: Inputs | Iterable[Mapping[str, Any]],
        tokenizer: Any = None,
        *,
        importance: Tensor | None = None,
        group: Group | None = None,
        batch_size: int = 8,
        log: Log | None = None,
    ) -> Relevance:
        """Measure documents, batch after batch.

        Args:
            model: of transformers.
            inputs: texts; or keyword arguments of its forward, or many of them.
            tokenizer: for texts.
            importance: (layers, heads), of which ``keep`` takes the top share; any measure, that of sixteen-heads too.
            group: "E" or "D", where the model has both.
            batch_size, log: as of other probes.

        Raises:
            InputError: fewer than two documents, which leave nothing to test.
        """
        config, rows = self.config, []
        for arguments in batches(model, inputs, tokenizer, batch_size=batch_size, ids=True, log=log):
            patterns = [
                all_patterns(ids[None], task=config.task, cls_id=config.cls_id, sep_id=config.sep_id)[0]
                for ids in real_ids(arguments)
            ]

            def share(maps: Tensor, row: int, patterns: list[Tensor] = patterns) -> dict[str, Tensor]:
                on = torch.einsum("hij,pij->ph", maps.double(), patterns[row].double())
                return {"share": on / maps.shape[-1]}

            rows += [text.tables["share"].transpose(0, 1) for text in by_layer(model, arguments, share, group=group)]
        if len(rows) < 2:
            raise InputError(f"{len(rows)} documents; a test needs two or more")
        shares = torch.stack(rows)
        tested = self._tested(shares.shape[2:], importance)
        p_value = torch.ones(shares.shape[1:], dtype=torch.float64)
        for pattern in range(len(p_value)):
            flat = shares[:, pattern].flatten(1)
            for head in tested.flatten().nonzero().flatten().tolist():
                others = torch.cat((flat[:, :head], flat[:, head + 1 :]), 1).flatten()
                found = ttest_ind(flat[:, head], others, equal_var=False, alternative="greater").pvalue
                p_value[pattern].view(-1)[head] = 1.0 if found != found else float(found)
        tests = int(tested.sum()) * len(p_value)
        return Relevance(
            shares.mean(0).float(), p_value.float(), p_value < config.level / tests, NAMES[config.task], len(rows)
        )

    def _tested(self, shape: torch.Size, importance: Tensor | None) -> Tensor:
        if importance is None or self.config.keep is None:
            return torch.ones(shape, dtype=torch.bool)
        if importance.shape != shape:
            raise InputError(f"importance of shape {tuple(importance.shape)}; expected {tuple(shape)}: layers, heads")
        count = max(1, round(importance.numel() * self.config.keep))
        least = importance.flatten().topk(count).values[-1]
        return importance >= least


def example(config: RelevanceConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny BERT and random sentences."""
    generator = torch.Generator().manual_seed(seed)
    size = max(66, config.cls_id, config.sep_id) + 1
    ids = torch.randint(3, 67, (max(batch_size, 3), 12), generator=generator)
    ids[:, [0, 6]], ids[:, [5, 11]] = config.cls_id, config.sep_id
    return {"model": tiny_model("bert", seed=seed, vocab_size=size), "inputs": {"input_ids": ids}}
