"""Reading a head: what features fire on, what they mean for codes, and what happens without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_seq2seq.dila.head import Dila


@dataclass(frozen=True)
class Context:
    """A place where a feature fires: note, token, its text and those around it, and how much."""

    note: int
    token: int
    text: str
    around: tuple[str, ...]
    activation: float


@dataclass(frozen=True)
class Explanation:
    """Why a note has a code.

    Args:
        tokens: (place, attention) of the code, most first.
        features: (token, feature, f A) with the largest shares of the scores, most first.
    """

    tokens: list[tuple[int, float]]
    features: list[tuple[int, int, float]]


class Reader:
    """A head and some notes.

    Args:
        model: in eval mode, with a dictionary.
        x: (notes, tokens, dim) embeddings.
        mask: boolean (notes, tokens), True for real tokens.
        texts: of the tokens, note by note.

    Raises:
        InputError: the dense baseline, which has no features to read.
    """

    def __init__(
        self, model: Dila, x: Tensor, mask: Tensor | None = None, texts: Sequence[Sequence[str]] | None = None
    ) -> None:
        if model.label_attention is None:
            raise InputError("mode=laat has no dictionary to read")
        self.model, self.x, self.texts = model, x, texts
        self.matrix = model.label_attention.weight.detach()
        self.mask = torch.ones(x.shape[:2], dtype=torch.bool) if mask is None else mask
        with torch.no_grad():
            self.output = model(x, self.mask)

    def top_tokens(self, feature: int, count: int = 10, *, window: int = 3) -> list[Context]:
        """Where a feature fires most; places where it does not are left out."""
        fired = self.output.features[..., feature].masked_fill(~self.mask, 0.0)
        values, places = fired.flatten().topk(min(count, fired.numel()))
        found = []
        for value, place in zip(values.tolist(), places.tolist(), strict=True):
            if value <= 0:
                break
            note, token = divmod(place, fired.shape[1])
            words = self.texts[note] if self.texts is not None else [str(each) for each in range(fired.shape[1])]
            around = tuple(words[max(token - window, 0) : token + window + 1])
            found.append(Context(note, token, words[token], around, value))
        return found

    def features_of(self, code: int, count: int = 10) -> list[tuple[int, float]]:
        """The features that speak most for a code, with their weights."""
        return _largest(self.matrix[:, code], count)

    def codes_of(self, feature: int, count: int = 10) -> list[tuple[int, float]]:
        """The codes that a feature speaks most for, with its weights."""
        return _largest(self.matrix[feature], count)

    def explain(self, note: int, code: int, count: int = 5) -> Explanation:
        """Tokens by attention, and features by their share of the scores."""
        attention = self.output.attention[note, :, code]
        shares = self.output.features[note] * self.matrix[:, code] * self.mask[note, :, None]
        largest = _largest(shares.flatten(), count)
        features = [(*divmod(place, shares.shape[1]), value) for place, value in largest]
        return Explanation(_largest(attention, count), features)

    @torch.no_grad()
    def ablate(self, features: Sequence[int] | Tensor, *, keep: bool = False) -> Tensor:
        """Logits (notes, codes) without some features, or (``keep``) with these alone."""
        chosen = torch.zeros(self.matrix.shape[0], dtype=torch.bool)
        chosen[torch.as_tensor(features, dtype=torch.long)] = True
        left = self.output.features * (chosen if keep else ~chosen)
        return self.model.decide(self.x, self.model.scores(self.x, left), self.mask)[1]

    def comprehensiveness(self, code: int, count: int = 5) -> float:
        """How much a code's probability falls, on average, without the features that speak most for it."""
        return self._change(code, count, keep=False)

    def sufficiency(self, code: int, count: int = 5) -> float:
        """How much a code's probability falls, on average, with nothing but these features."""
        return self._change(code, count, keep=True)

    def _change(self, code: int, count: int, *, keep: bool) -> float:
        chosen = [feature for feature, _ in self.features_of(code, count)]
        before = self.output.logits[:, code].sigmoid()
        return float((before - self.ablate(chosen, keep=keep)[:, code].sigmoid()).mean())

    def active(self) -> float:
        """Mean number of features that fire at a token."""
        return float((self.output.features[self.mask] > 0).float().sum(-1).mean())

    def dead(self) -> float:
        """Share of the features that fire nowhere."""
        return float((self.output.features[self.mask] <= 0).all(0).float().mean())

    def intruder(self, feature: int, generator: torch.Generator, count: int = 4) -> tuple[list[str], int]:
        """A test for people: texts of a feature's strongest tokens and one where it does not fire; and which that is.

        Raises:
            InputError: the feature fires nowhere, or everywhere.
        """
        shown = [each.text for each in self.top_tokens(feature, count)]
        silent = ((self.output.features[..., feature] <= 0) & self.mask).nonzero()
        if not shown or not len(silent):
            raise InputError(f"feature {feature} fires nowhere or everywhere: no token can intrude")
        note, token = silent[int(torch.randint(len(silent), (), generator=generator))].tolist()
        text = self.texts[note][token] if self.texts is not None else str(token)
        place = int(torch.randint(len(shown) + 1, (), generator=generator))
        return [*shown[:place], text, *shown[place:]], place


def _largest(values: Tensor, count: int) -> list[tuple[int, float]]:
    found, places = values.topk(min(count, len(values)))
    return list(zip(places.tolist(), found.tolist(), strict=True))
