"""Recognition as the paper does it: CTC's beam of whole transcripts, rescored by the decoder."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_seq2seq.camel_asr.network import Camel
from zoo_seq2seq.decoding import PAD
from zoo_seq2seq.teaching import following, previous


@dataclass(frozen=True)
class Transcript:
    """Tokens without marks, log P of CTC and of the decoder, and their weighted sum."""

    tokens: tuple[int, ...]
    ctc: float
    attention: float
    score: float


def ctc_prefix_beam(log_p: Tensor, beam_size: int) -> list[tuple[tuple[int, ...], float]]:
    """The likeliest transcripts of frames, each the sum of all its alignments that stayed in the beam.

    Args:
        log_p: (T, V) log-probabilities; 0 is the blank.
        beam_size: prefixes kept after every frame, and tokens tried in it.

    Returns:
        Transcripts and log P, the best first.
    """
    # Of every prefix: log P of alignments that end in a blank, and in its last token.
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -math.inf)}
    for frame in log_p:
        values, tokens = frame.topk(min(beam_size, len(frame)))
        grown: defaultdict[tuple[int, ...], list[float]] = defaultdict(lambda: [-math.inf, -math.inf])

        for prefix, (blank, last) in beam.items():
            for value, token in zip(values.tolist(), tokens.tolist(), strict=True):
                either = value + _log_add(blank, last)
                if token == PAD:
                    ways = [(prefix, 0, either)]
                elif prefix and prefix[-1] == token:
                    # Without a blank between them, two equal tokens are one.
                    ways = [(prefix, 1, value + last), ((*prefix, token), 1, value + blank)]
                else:
                    ways = [((*prefix, token), 1, either)]
                for grown_to, ending, total in ways:
                    if total > -math.inf:
                        grown[grown_to][ending] = _log_add(grown[grown_to][ending], total)
        best = sorted(grown.items(), key=lambda item: -_log_add(*item[1]))[:beam_size]
        beam = {prefix: (ends[0], ends[1]) for prefix, ends in best}
    return [(prefix, _log_add(*ends)) for prefix, ends in beam.items()]


def transcribe(
    model: Camel, features: Tensor, lengths: Tensor | None = None, *, beam_size: int = 10
) -> list[list[Transcript]]:
    """Transcripts of every utterance, the best first; CTC's log P counts ``ctc_weight``.

    Args:
        model: in eval mode.
        features: (B, T, mel).
        lengths: (B,) real frames; all by default.
        beam_size: transcripts that CTC offers.

    Raises:
        InputError: a beam of none; see ``CamelEncoder.forward``.
    """
    if beam_size < 1:
        raise InputError(f"beam_size={beam_size}; expected at least 1")
    with torch.no_grad():
        encoded = model.encoder(features, lengths)
        log_p = model.ctc(encoded.states).float().log_softmax(-1)
        found = []
        for row, length in enumerate(encoded.lengths.tolist()):
            offered = ctc_prefix_beam(log_p[row, :length], beam_size)
            memory = encoded.states[row : row + 1, :length].expand(len(offered), -1, -1)
            found.append(_rescored(model, offered, memory))
    return found


def _rescored(model: Camel, offered: list[tuple[tuple[int, ...], float]], memory: Tensor) -> list[Transcript]:
    longest = max(len(tokens) for tokens, _ in offered)
    labels = torch.tensor(
        [[*tokens, *[PAD] * (longest - len(tokens))] for tokens, _ in offered], dtype=torch.long, device=memory.device
    )
    # Languages depend on the memory and on each other, not on tokens: one sequence for all.
    languages = model.own_languages(memory[:1], None, longest + 1).expand(len(offered), -1)
    logits, _ = model.decode(previous(labels), languages, memory, None)
    targets = following(labels)
    each = logits.float().log_softmax(-1).gather(-1, targets[..., None])[..., 0]
    attention = each.masked_fill(targets == PAD, 0.0).sum(1).tolist()
    weight = model.config.ctc_weight
    transcripts = [
        Transcript(tokens, ctc, by_decoder, weight * ctc + (1 - weight) * by_decoder)
        for (tokens, ctc), by_decoder in zip(offered, attention, strict=True)
    ]
    return sorted(transcripts, key=lambda transcript: -transcript.score)


def _log_add(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
