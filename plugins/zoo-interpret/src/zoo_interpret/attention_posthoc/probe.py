"""All three explanations of any classifier: the paper's own, or an encoder of transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.inputs import Inputs, batches, logits_of, real_tokens, token_texts, tokenizer_of
from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.progress import Log
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.attention_posthoc.classifier import MultiHeadClassifier
from zoo_interpret.attention_posthoc.config import PosthocConfig
from zoo_interpret.attention_posthoc.lime import lime
from zoo_interpret.embeddings import token_embeddings
from zoo_interpret.named_arrays import NamedArrays, array
from zoo_interpret.padding import nth_real

Target = Callable[[Any], Tensor]
"""What a model returned for a batch to the explained scores (batch,)."""

EXPLANATIONS = (
    "attention_mean",
    "attention_max",
    "gradient_mean",
    "gradient_l1",
    "gradient_l2",
    "gradient_x_input",
    "lime",
)


@dataclass(frozen=True)
class Explanations(NamedArrays):
    """How much every token matters to a score, by several methods; zero at padding.

    Args:
        score: (document,) the explained scores.
        attention: (document, head, token), of the query in question.
        attention_mean, attention_max: (document, token), over heads.
        gradient_mean, gradient_l1, gradient_l2, gradient_x_input: (document, token), of the gradient with respect to
            the token's embedding: the mean of its coordinates, its norms, its product with the embedding.
        lime: (document, token), the coefficient of the token's word; equal at all its occurrences.
        real: (document, token) boolean, where a token is no padding.
        tokens: texts of the tokens, by document; empty without a tokenizer.
    """

    score: Tensor = array("document")
    attention: Tensor = array("document", "head", "token")
    attention_mean: Tensor = array("document", "token")
    attention_max: Tensor = array("document", "token")
    gradient_mean: Tensor = array("document", "token")
    gradient_l1: Tensor = array("document", "token")
    gradient_l2: Tensor = array("document", "token")
    gradient_x_input: Tensor = array("document", "token")
    lime: Tensor = array("document", "token")
    real: Tensor = array("document", "token")
    tokens: tuple[tuple[str, ...], ...] = ()

    def plot(self, path: str | Path | None = None, *, document: int = 0) -> Any:
        """Every explanation of one document, token by token, each on a scale of its own; a matplotlib figure."""
        kept = self.real[document].nonzero().flatten()
        texts = [self.tokens[document][int(place)] if self.tokens else str(int(place)) for place in kept]
        figure = new_figure(figsize=(max(6.0, 0.32 * len(kept) + 2), 0.85 * len(EXPLANATIONS) + 1))
        panels = figure.subplots(len(EXPLANATIONS), 1, sharex=True)
        for axis, name in zip(panels, EXPLANATIONS, strict=True):
            values = getattr(self, name)[document][kept].float().tolist()
            axis.bar(range(len(kept)), values, color=["tab:blue" if value >= 0 else "tab:red" for value in values])
            axis.axhline(0, color="black", linewidth=0.5)
            axis.set_ylabel(name.replace("_", "\n"), rotation=0, ha="right", va="center", fontsize=8)
            axis.set_yticks([])
        if len(kept) <= 60:
            panels[-1].set_xticks(range(len(kept)), texts, rotation=90, fontsize=8)
        panels[0].set_title(f"score {float(self.score[document]):.3g}; red lowers it")
        return saved(figure, path)


class AttentionPosthoc:
    """``probe(model, inputs)``: explanations of every document of the inputs."""

    def __init__(self, config: PosthocConfig) -> None:
        self.config = config

    def __call__(
        self,
        model: nn.Module,
        inputs: Inputs | Iterable[Mapping[str, Any]],
        tokenizer: Any = None,
        *,
        target: Target | None = None,
        batch_size: int = 8,
        log: Log | None = None,
    ) -> Explanations:
        """Explain documents, one batch after the other.

        Args:
            model: the paper's classifier, or a model of transformers with attention maps.
            inputs: texts; or keyword arguments of its forward with ``input_ids``, or many of them.
            tokenizer: for texts; its special tokens are never removed.
            target: what the model returned to (batch,) scores; by default the logit of the explained class, of the
                configured position where every token has logits.
            batch_size: texts of one batch.
            log: takes a line per batch.

        Raises:
            InputError: no documents, no ids, no such class, or no id to put in place of removed words.
        """
        rows: list[dict[str, Tensor]] = []
        texts: list[tuple[str, ...]] = []
        tokenizer = tokenizer_of(model, tokenizer)
        for arguments in batches(model, inputs, tokenizer, batch_size=batch_size, ids=True, log=log):
            found = self._explain(model, arguments, tokenizer, target)
            rows += [{name: values[row] for name, values in found.items()} for row in range(len(found["score"]))]
            if tokenizer is not None:
                texts += [tuple(token_texts(tokenizer, ids)) for ids in arguments["input_ids"]]
        longest = max(row["real"].shape[-1] for row in rows)
        stacked = {
            name: torch.stack([_padded(row[name], longest) if row[name].ndim else row[name] for row in rows])
            for name in rows[0]
        }
        return Explanations(**stacked, tokens=tuple(texts))

    def _logit(self, places: Tensor) -> Target:
        """The explained class's logit of documents whose explaining token stands at ``places`` (documents,)."""

        def logit(output: Any) -> Tensor:
            logits = logits_of(output)
            if logits.ndim == 3:
                logits = logits[torch.arange(len(logits), device=logits.device), places.expand(len(logits))]
            if self.config.explained_class >= logits.shape[-1]:
                raise InputError(f"explained_class={self.config.explained_class}: there are {logits.shape[-1]} classes")
            return logits[:, self.config.explained_class]

        return logit

    def _explain(
        self, model: nn.Module, arguments: dict[str, Any], tokenizer: Any, target: Target | None
    ) -> dict[str, Tensor]:
        ids = arguments["input_ids"]
        padding = real_tokens(arguments)
        real = torch.ones_like(ids, dtype=torch.bool) if padding is None else padding
        places = nth_real(real, self.config.query)
        attention = self._attention(model, arguments, places) * real[:, None]
        values, embedded, gradient = embedding_gradient(model, arguments, target or self._logit(places))
        by_token = {
            "gradient_mean": gradient.mean(-1),
            "gradient_l1": gradient.abs().sum(-1),
            "gradient_l2": gradient.square().sum(-1).sqrt(),
            "gradient_x_input": (gradient * embedded).sum(-1),
        }
        return {
            "score": values.detach().cpu(),
            "attention": attention.cpu(),
            "attention_mean": attention.mean(1).cpu(),
            "attention_max": attention.amax(1).cpu(),
            **{name: (table * real).cpu() for name, table in by_token.items()},
            "lime": torch.stack(
                [
                    self._lime(model, arguments, row, real, tokenizer, target or self._logit(place), int(place))
                    for row, place in enumerate(places)
                ]
            ),
            "real": real.cpu(),
        }

    def _attention(self, model: nn.Module, arguments: dict[str, Any], places: Tensor) -> Tensor:
        """(N, heads, T), what the tokens at ``places`` (N,) attend to."""
        if isinstance(model, MultiHeadClassifier):
            if bool(places.any()) or self.config.layer not in (0, -1):
                raise InputError("the classifier has one layer, where [CLS] alone attends: query=0, layer=-1")
            with torch.no_grad():
                embedded = model.embedding(arguments["input_ids"])
                return model.parts(embedded, arguments.get("attn_mask")).attention
        (maps,) = attention_maps(model, arguments, layers=[self.config.layer])
        if maps.shape[-1] != arguments["input_ids"].shape[1]:
            raise InputError(
                f"layer {self.config.layer} of {type(model).__name__} attends to {maps.shape[-1]} keys, not to the "
                f"{arguments['input_ids'].shape[1]} tokens; choose another layer"
            )
        return maps[torch.arange(len(maps), device=maps.device), :, places]

    def _lime(
        self,
        model: nn.Module,
        arguments: dict[str, Any],
        row: int,
        real: Tensor,
        tokenizer: Any,
        score: Target,
        place: int,
    ) -> Tensor:
        ids, config = arguments["input_ids"][row], self.config
        removable = real[row].clone()
        removable[place] = False
        special = [index for index in getattr(tokenizer, "all_special_ids", ()) if index is not None]
        if special:
            removable &= ~torch.isin(ids, torch.tensor(special, device=ids.device))
        rest = {name: value[row : row + 1] for name, value in arguments.items() if _is_per_document(value, real)}

        def scores(documents: Tensor) -> Tensor:
            others = {name: value.expand(len(documents), *value.shape[1:]) for name, value in rest.items()}
            return score(model(**{**arguments, **others, "input_ids": documents}))

        found = lime(
            scores,
            ids,
            removable,
            self._mask_id(model, tokenizer),
            samples=config.samples,
            kernel_width=config.kernel_width,
            penalty=config.ridge,
            seed=config.seed,
            batch_size=config.batch_size,
        )
        by_token = torch.zeros(len(ids), dtype=torch.float64)
        places = removable.cpu()
        by_token[places] = found.coefficients[torch.searchsorted(found.tokens, ids[removable]).cpu()]
        return by_token

    def _mask_id(self, model: nn.Module, tokenizer: Any) -> int:
        known = (
            self.config.mask_id,
            getattr(tokenizer, "mask_token_id", None),
            getattr(tokenizer, "unk_token_id", None),
        )
        found = next((index for index in known if index is not None), None)
        if found is None and isinstance(model, MultiHeadClassifier):
            return 1
        if found is None:
            raise InputError("LIME needs an id to put in place of removed words: mask_id=, or a tokenizer that has one")
        return int(found)


def embedding_gradient(model: nn.Module, arguments: Mapping[str, Any], score: Target) -> tuple[Tensor, Tensor, Tensor]:
    """Scores (N,), the tokens' embeddings and the scores' gradients with respect to them, both (N, T, d).

    Embeddings are those of words; see ``embeddings.token_embeddings``.

    Raises:
        InputError: a model without them.
    """
    module = token_embeddings(model)
    found: list[Tensor] = []

    def keep(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        found.append(output.detach().requires_grad_())
        return found[-1]

    handle = module.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            values = score(model(**arguments))
            if len(found) != 1:
                raise InputError(f"{type(model).__name__} embeds its tokens {len(found)} times")
            (gradient,) = torch.autograd.grad(values.sum(), found[0])
    finally:
        handle.remove()
    return values, found[0].detach(), gradient


def _is_per_document(value: Any, real: Tensor) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0 and len(value) == len(real)


def _padded(row: Tensor, length: int) -> Tensor:
    return torch.nn.functional.pad(row, (0, length - row.shape[-1]))


def example(config: PosthocConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny BERT classifier and random ids, some of them padding."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 67, (batch_size, 10), generator=generator)
    mask = torch.ones_like(ids)
    mask[0, 8:] = 0
    model = tiny_model(
        "bert", head="ForSequenceClassification", seed=seed, vocab_size=67, num_labels=config.explained_class + 1
    )
    return {"model": model, "inputs": {"input_ids": ids, "attention_mask": mask}}
