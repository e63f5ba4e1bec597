"""A toy of code-switching: two languages that sound alike but for an accent, in turns."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from zoo.nn.descent import descend
from zoo_seq2seq.camel_asr.config import FIRST, CamelConfig
from zoo_seq2seq.camel_asr.losses import losses
from zoo_seq2seq.camel_asr.network import Camel
from zoo_seq2seq.edits import error_rate as edits_per_token
from zoo_seq2seq.search import greedy_search
from zoo_seq2seq.teaching import following, previous

WORDS, MELS, FRAMES, TOKENS, ACCENT, NOISE = 6, 8, 10, 6, 0.35, 0.7


def utterances(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Features (count, 60, 8) and labels (count, 6).

    Word k of either language has the same sound, and the speaker's accent, over all words of a language in a row, is
    a third of a sound's strength: one word alone hardly tells its language. Speakers switch with probability 0.3.
    """
    fixed = torch.Generator().manual_seed(7)
    sounds, accent = torch.randn(WORDS, MELS, generator=fixed), torch.randn(MELS, generator=fixed)
    words = torch.randint(WORDS, (count, TOKENS), generator=generator)
    first = torch.rand(count, 1, generator=generator) < 0.5
    switches = (torch.rand(count, TOKENS, generator=generator) < 0.3).long()
    mandarin = (switches.cumsum(1) + first) % 2
    clean = sounds[words] + ACCENT * accent * (2 * mandarin[..., None] - 1)
    frames = clean.repeat_interleave(FRAMES, 1)
    return frames + NOISE * torch.randn(frames.shape, generator=generator), words + FIRST + WORDS * mandarin


def learn(ld_layers: int, *, steps: int = 300, seed: int = 0) -> Camel:
    """A small network that was taught the toy, with the language decoder or without."""
    torch.manual_seed(seed)
    config = CamelConfig(
        vocab_size=FIRST + 2 * WORDS,
        num_english=WORDS,
        num_mels=MELS,
        dim=32,
        num_layers=1,
        num_moe_layers=1,
        num_heads=4,
        hidden_dim=64,
        cgmlp_dim=64,
        cgmlp_kernel=7,
        merge_kernel=7,
        adapter_dim=16,
        decoder_layers=1,
        decoder_hidden_dim=64,
        ld_layers=ld_layers,
        dropout=0.0,
    )
    model = Camel(config)
    generator = torch.Generator().manual_seed(seed)

    def loss_of(step: int) -> Tensor:
        features, labels = utterances(32, generator)
        return losses(model(features, previous(labels)), labels, config).total

    def rate(step: int) -> float:
        return 3e-3 * min(1.0, (step + 1) / 30) * (1 - step / steps)

    optimizer = torch.optim.Adam(model.parameters(), 1.0)
    descend(model, range(steps), loss_of, optimizer, rates=LambdaLR(optimizer, rate), clip=5.0)
    return model


def error_rate(model: Camel, count: int = 300) -> float:
    """Edits per token of new utterances, recognised greedily."""
    features, labels = utterances(count, torch.Generator().manual_seed(99))
    found = greedy_search(model, features, max_lengths=TOKENS + 3)
    return edits_per_token((found.ids(row), label) for row, label in enumerate(labels.tolist()))


def forced_error_rate(model: Camel, count: int = 300) -> float:
    """Share of next tokens that are wrong where all previous ones, and their languages, are given."""
    features, labels = utterances(count, torch.Generator().manual_seed(99))
    with torch.no_grad():
        found = model(features, previous(labels)).logits.argmax(-1)
    return float((found != following(labels))[:, :-1].float().mean())
