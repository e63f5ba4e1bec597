"""What heads are worth for learning in context: the loss late in a text less that of its beginning."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.bridges.transformers.heads import Place, patching
from zoo.bridges.transformers.inputs import Inputs, as_inputs, logits_of
from zoo.bridges.transformers.progress import Log, patient
from zoo.bridges.transformers.sites import find_sites
from zoo.errors import InputError
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.named_arrays import NamedArrays, array

# Where the paper reads the loss: early and late in a text.
EARLY, LATE = 50, 500


@dataclass(frozen=True)
class AblationScores(NamedArrays):
    """In-context learning scores of texts, in nats: late loss minus early loss, lower is better.

    Args:
        p_value: of a paired t-test between the chosen and the random heads.
        whole, without_chosen, without_random: (texts,), of the model, and with heads' values zeroed.
    """

    p_value: float
    whole: Tensor = array("text")
    without_chosen: Tensor = array("text")
    without_random: Tensor = array("text")

    def plot(self, path: str | Path | None = None) -> Any:
        """Boxes of the three scores; a matplotlib figure."""
        figure = new_figure(figsize=(5, 3.5))
        axis = figure.subplots()
        axis.boxplot([values.tolist() for values in self.arrays().values()])
        axis.set_xticks([1, 2, 3], ["whole model", "without chosen", "without random"])
        axis.set(ylabel="late loss minus early loss, nats", title="learning in context")
        return saved(figure, path)


@torch.no_grad()
def token_losses(model: nn.Module, inputs: Inputs, tokenizer: Any = None) -> Tensor:
    """Cross entropy (batch, length - 1) of tokens 1 to length - 1, nats."""
    arguments = as_inputs(model, inputs, tokenizer)
    logits, ids = logits_of(model(**arguments)), arguments["input_ids"]
    return functional.cross_entropy(logits[:, :-1].transpose(1, 2).float(), ids[:, 1:], reduction="none")


def in_context_scores(model: nn.Module, ids: Tensor, *, early: int = EARLY, late: int = LATE) -> Tensor:
    """Loss of token ``late`` minus that of token ``early`` (batch,), counted from 0.

    Raises:
        InputError: shorter texts, or an early token that has nothing before it.
    """
    if not 1 <= early < late < ids.shape[1]:
        raise InputError(f"tokens {early} and {late} of texts of {ids.shape[1]} tokens")
    losses = token_losses(model, ids)
    return losses[:, late - 1] - losses[:, early - 1]


def compare_ablations(
    model: nn.Module,
    texts: Iterable[Tensor],
    chosen: Collection[Place],
    *,
    early: int = EARLY,
    late: int = LATE,
    seed: int = 0,
    log: Log | None = None,
) -> AblationScores:
    """Zero the values of chosen heads, and of as many random others, and compare in-context learning scores.

    Args:
        model: a causal language model.
        texts: ids (batch, length) of texts, some at a time.
        chosen: (layer, head).
        early, late: see ``in_context_scores``.
        seed: of the random heads, none of which is chosen.
        log: takes a line per batch.
    """
    from scipy.stats import ttest_rel

    sites = find_sites(model)
    others = [
        (layer, head)
        for layer, site in enumerate(sites)
        for head in range(site.num_heads)
        if (layer, head) not in chosen
    ]
    order = torch.randperm(len(others), generator=torch.Generator().manual_seed(seed))[: len(chosen)]
    random = [others[index] for index in order.tolist()]
    rows: list[list[Tensor]] = [[], [], []]
    log = patient(log)
    for ids in texts:
        for row, places in zip(rows, ([], list(chosen), random), strict=True):
            # A head whose values are zero puts out zero.
            with patching(model, dict.fromkeys(places, 0.0)):
                row.append(in_context_scores(model, ids, early=early, late=late))
        log(f"{sum(map(len, rows[0]))} texts")
    if not rows[0]:
        raise InputError("no texts to compare on")
    whole, without, control = (torch.cat(row) for row in rows)
    p_value = float(ttest_rel(without.numpy(), control.numpy()).pvalue) if len(whole) > 1 else float("nan")
    return AblationScores(p_value, whole, without, control)
