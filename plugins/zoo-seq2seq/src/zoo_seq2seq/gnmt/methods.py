"""Search and word pieces, attached to any translator of this plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_seq2seq.gnmt.config import BeamSearchConfig, GNMTConfig, WordPieceConfig
from zoo_seq2seq.gnmt.network import GNMT
from zoo_seq2seq.gnmt.network import example as network_example
from zoo_seq2seq.search import Hypotheses, beam_search, coverage_penalty, length_penalty
from zoo_seq2seq.translating import Vocabularies, translate
from zoo_seq2seq.wordpieces import WordPieces


class BeamSearch:
    """Beam search with length normalisation, coverage penalty and pruning."""

    def __init__(self, config: BeamSearchConfig) -> None:
        self.config = config

    def score(self, log_prob: Tensor, length: Tensor, attention_sum: Tensor) -> Tensor:
        """s(Y, X) of hypotheses.

        Args:
            log_prob, length: (...,) log P(Y | X) and |Y|.
            attention_sum: (..., source) mass that each source word got over all steps.
        """
        config = self.config
        penalty = length_penalty(length, config.alpha, config.length_constant)
        return log_prob / penalty + coverage_penalty(attention_sum, config.beta)

    def search(self, model: nn.Module, source_ids: Tensor, source_mask: Tensor | None = None) -> Hypotheses:
        """The best hypotheses of each sentence.

        Args:
            model: with ``encode`` and ``step``, see ``zoo_seq2seq.decoding``.
            source_ids: (batch, source).
            source_mask: boolean (batch, source), True for words.

        Raises:
            InputError: a model without them.
        """
        _require_decoder(model)
        width = source_ids.shape[1]
        lengths = torch.full(source_ids.shape[:1], width) if source_mask is None else source_mask.sum(1)
        longest = (lengths * self.config.max_ratio).long() + self.config.max_extra
        return beam_search(model, source_ids, source_mask, max_lengths=longest, options=self.config.options())  # type: ignore[arg-type]

    @contextmanager
    def attach(self, model: nn.Module) -> Iterator[Callable[..., Hypotheses]]:
        """Within the context a call without ``target_ids`` searches; one with them is the model's own.

        Yields:
            ``search`` of this model.

        Raises:
            InputError: a model without ``encode`` and ``step``.
        """
        _require_decoder(model)

        def run(own: Callable[..., Any], *args: Any, **inputs: Any) -> Any:
            if len(args) > 1 or "target_ids" in inputs:
                return own(*args, **inputs)
            return self.search(model, *args, **inputs)

        with _forward(model, run):
            yield lambda *args, **inputs: self.search(model, *args, **inputs)


class WordPieceMethod:
    """Learns word pieces, and lets a translator take and give text."""

    def __init__(self, config: WordPieceConfig) -> None:
        self.config = config

    def train(self, texts: Iterable[str]) -> WordPieces:
        """Learn a vocabulary from texts, one sentence each.

        Raises:
            InputError: there is no text.
        """
        config = self.config
        return WordPieces.train(texts, config.vocab_size, model=config.model, strip_accents=config.strip_accents)

    @contextmanager
    def attach(
        self, model: nn.Module, source: WordPieces | None = None, target: WordPieces | None = None
    ) -> Iterator[None]:
        """Within the context a call with a text, or a list of texts, translates; one with tensors is the model's own.

        Args:
            model: with ``encode`` and ``step``.
            source, target: pieces of both sides; without ``target`` the source's are shared.

        Raises:
            InputError: a model without them, or a text where there are no pieces.
        """
        _require_decoder(model)

        def run(own: Callable[..., Any], *args: Any, **inputs: Any) -> Any:
            if not args or isinstance(args[0], Tensor):
                return own(*args, **inputs)
            if source is None:
                raise InputError("no word pieces for a text: give attach(model, source=pieces)")
            texts = [args[0]] if isinstance(args[0], str) else list(args[0])
            found = [each.text for each in translate(model, Vocabularies(source, target or source), texts, **inputs)]
            return found[0] if isinstance(args[0], str) else found

        with _forward(model, run):
            yield


def _require_decoder(model: nn.Module) -> None:
    if not all(callable(getattr(model, name, None)) for name in ("encode", "step")):
        raise InputError(f"{type(model).__name__} has no encode and step: see zoo_seq2seq.decoding.Decoder")


@contextmanager
def _forward(model: nn.Module, run: Callable[..., Any]) -> Iterator[None]:
    """``run(own forward, ...)`` in the place of a model's forward."""
    before = model.__dict__.get("forward")
    own = model.forward
    model.forward = lambda *args, **inputs: run(own, *args, **inputs)
    try:
        yield
    finally:
        del model.forward
        if before is not None:
            model.forward = before


def example(config: BeamSearchConfig | WordPieceConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny translator and random pieces."""
    torch.manual_seed(seed)
    small = GNMTConfig(17, 12, 4)
    return {"model": GNMT(small).eval(), "inputs": network_example(small, batch_size, seed)}
