"""Checks of the paper's claims."""

from __future__ import annotations

import torch

import zoo
from zoo import Measurement
from zoo.nn.heads import split_heads
from zoo_seq2seq.ripo_transformer.attention import relative_term
from zoo_seq2seq.ripo_transformer.config import FMEConfig, RipoConfig
from zoo_seq2seq.ripo_transformer.embedding import FundamentalMusicEmbedding
from zoo_seq2seq.ripo_transformer.intervals import FIRST_PITCH, intervals
from zoo_seq2seq.ripo_transformer.network import RipoTransformer, example


def _pitches(seed: int = 0, base: float = 9919.0) -> FundamentalMusicEmbedding:
    torch.manual_seed(seed)
    return FundamentalMusicEmbedding(FMEConfig(base=base))


def check_equal_intervals() -> Measurement:
    """Distances over 1 to 12 semitones from every pitch of a piano, beside a table of random vectors."""
    embedding, lows = _pitches(), torch.arange(21.0, 109.0)
    table = torch.nn.Embedding(128, 256)
    spreads, others = [], []
    with torch.no_grad():
        for semitones in range(1, 13):
            distances = (embedding(lows) - embedding(lows + semitones)).norm(dim=-1)
            spreads.append(float((distances - distances.mean()).abs().max()))
            random = (table(lows.long()) - table(lows.long() + semitones)).norm(dim=-1)
            others.append(float((random - random.mean()).abs().max()))
    return Measurement(
        f"distances differ by {max(spreads):.0e} at most (a random table's by {max(others):.1f})", max(spreads) < 1e-5
    )


def check_rotation() -> Measurement:
    """Random numbers moved by random differences, in double precision and in single."""
    errors, apart = {}, 0.0
    for dtype in (torch.float64, torch.float32):
        embedding, generator = _pitches().to(dtype), torch.Generator().manual_seed(0)
        numbers = torch.rand(1000, generator=generator, dtype=dtype) * 127
        differences = torch.rand(1000, generator=generator, dtype=dtype) * 48 - 24
        with torch.no_grad():
            start, goal = embedding(numbers), embedding(numbers + differences)
            errors[dtype] = float((embedding.transposed(start, differences) - goal).abs().max())
            apart = float((start - goal).abs().max())
    return Measurement(
        f"largest error {errors[torch.float64]:.1e} in double precision, {errors[torch.float32]:.1e} in single, of "
        f"movements up to {apart:.1f}",
        errors[torch.float64] < 1e-6,
        "single precision keeps angles of 127 radians to about 1e-5",
    )


def check_types_are_separable() -> Measurement:
    """The same numbers as pitches and as durations: with one base and one b they would be equal."""
    numbers = torch.arange(1.0, 17.0)
    with torch.no_grad():
        pitch, duration, same = _pitches(0), _pitches(1, 7920.0), _pitches(0)
        distances = (pitch(numbers) - duration(numbers)).norm(dim=-1)
        none = float((pitch(numbers) - same(numbers)).norm(dim=-1).max())
        bases = pitch.intervals(numbers) - duration.intervals(numbers)
    return Measurement(
        f"distances {float(distances.min()):.2f} to {float(distances.max()):.2f}, by their bases alone at least "
        f"{float(bases.norm(dim=-1).min()):.3f}",
        float(distances.min()) > 0 and float(bases.norm(dim=-1).min()) > 0 and none == 0,
    )


def check_transposing_the_melody() -> Measurement:
    """The relative-pitch term of all logits before and after five semitones more, for the same queries."""
    torch.manual_seed(0)
    config = RipoConfig(dim=32, num_heads=4, hidden_dim=64, num_layers=1, max_length=20)
    model, inputs = RipoTransformer(config).eval(), example(config)
    pitches = inputs["pitch_ids"]
    pitches[0, 2] = 1  # a rest
    higher = torch.where(pitches >= FIRST_PITCH, pitches + 5, pitches)
    query = split_heads(torch.randn(2, 7, 32), 4)
    terms, absolute = [], []
    with torch.no_grad():
        for tokens in (pitches, higher):
            relative = intervals(tokens, inputs["duration_ids"])
            embedded = model._relative_pitch(relative, few=False)
            layer = model.layers[0].self_attn.pitch_proj  # type: ignore[union-attr]
            assert embedded is not None
            terms.append(relative_term(query, embedded, layer))  # type: ignore[arg-type]
            absolute.append(model.pitch_embedding(tokens))
    moved = float((absolute[0] - absolute[1]).abs().max())
    difference = float((terms[0] - terms[1]).abs().max())
    return Measurement(
        f"difference {difference:.0e}, while embeddings of the pitches move by up to {moved:.1f}",
        torch.equal(*terms) and moved > 0.1 and float(terms[0].std()) > 0,
    )


def check_on_chorales() -> Measurement:
    """The four bundled networks on the melodies of held-out tunes."""
    from zoo_seq2seq.ripo_transformer.training import judged

    found = {
        name: judged(zoo.load(f"ripo-transformer/{preset}"))
        for name, preset in (
            ("RIPO", "chorales"),
            ("Music Transformer", "chorales-music-transformer"),
            ("plain attention", "chorales-mha"),
            ("linear attention", "chorales-linear"),
        )
    }
    losses = {
        name: each["cross entropy of pitches"] + each["cross entropy of durations"] for name, each in found.items()
    }
    text = "; ".join(
        f"{name} {losses[name]:.2f} nats, {each['accuracy of pitches']:.1%} of pitches, "
        f"{each['accuracy of durations']:.1%} of durations"
        for name, each in found.items()
    )
    ours = losses.pop("RIPO")
    return Measurement(
        text, ours < min(losses.values()), "melodies of Bach's chorales by tune, one seed; not the paper's data"
    )
