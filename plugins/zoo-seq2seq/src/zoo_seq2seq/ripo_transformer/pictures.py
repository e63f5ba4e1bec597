"""The pictures of the cards: melodies of chorales whose tunes are held out, and the bundled network."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo_seq2seq.ripo_transformer import chorales
from zoo_seq2seq.ripo_transformer.melody import continued, draw_roll, pitch_name
from zoo_seq2seq.ripo_transformer.notes import encoded

CHORALE = "bwv66.6"
GIVEN = 14


def continuation(path: Path) -> None:
    """The first fourteen notes of the melody of Bach's chorale BWV 66.6, which was held out, and what the bundled
    network adds."""
    given = chorales.melodies("held-out")[CHORALE][:GIVEN]
    whole = continued(zoo.load("ripo-transformer/chorales"), list(given), steps=24, temperature=0.8)
    draw_roll(
        given, whole, f"{CHORALE.upper()}: {GIVEN} notes of Bach's (blue), {len(whole) - GIVEN} added (red)", path
    )


def distances(path: Path) -> None:
    """Distances between embeddings of pitches, of the bundled network and of the table that the Music Transformer
    learnt from the same chorales: with the former, small intervals are equal distances from every pitch, also from
    those that never occur; wide ones nearly, because its frequencies were trained, too."""
    from zoo.evidence.plots import new_figure, saved

    pitches = torch.arange(48, 85)
    figure = new_figure(figsize=(9.5, 4.0))
    axes = figure.subplots(1, 2)
    with torch.no_grad():
        ours = zoo.load("ripo-transformer/chorales").pitch_embedding(pitches + 3)
        table = zoo.load("ripo-transformer/chorales-music-transformer").pitch_embedding(pitches + 3)
    for axis, rows, title in zip(axes, (ours, table), ("fundamental music embedding", "learnt table"), strict=True):
        image = axis.imshow(torch.cdist(rows, rows), cmap="viridis", extent=(47.5, 84.5, 84.5, 47.5))
        ticks = range(48, 85, 6)
        axis.set_xticks(ticks, [pitch_name(each) for each in ticks])
        axis.set_yticks(ticks, [pitch_name(each) for each in ticks])
        axis.set_title(title)
        figure.colorbar(image, ax=axis, label="Euclidean distance", shrink=0.85)
    saved(figure, path)


def attention(path: Path) -> None:
    """Attention of the first layer of the bundled network over the beginning of the chorale BWV 66.6, which was held
    out: each note, named at the left, sees those before it and what intervals lie between."""
    from zoo.evidence.attention_plots import attention_over_tokens

    notes = chorales.melodies("held-out")[CHORALE][:16]
    model = zoo.load("ripo-transformer/chorales")
    layer, seen = model.layers[0].self_attn, []
    handle = layer.register_forward_hook(lambda own, args, found: seen.append(own.weights(*args)))
    with torch.no_grad():
        model(*encoded(list(notes)))
    handle.remove()
    names = ["rest" if note.pitch is None else pitch_name(note.pitch) for note in notes]
    attention_over_tokens(seen[0][0], names, title=f"{CHORALE.upper()}, layer 0", path=path)
