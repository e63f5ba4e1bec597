"""Checks of the paper's claims, and the picture of the card."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from zoo import Measurement
from zoo.errors import InputError
from zoo_seq2seq.s2t_cross_attention import saliency
from zoo_seq2seq.s2t_cross_attention.agreement import pearson
from zoo_seq2seq.s2t_cross_attention.config import CrossAttentionConfig, SpesConfig
from zoo_seq2seq.s2t_cross_attention.probe import CrossAttentionProbe, CrossAttentionReport, Spes
from zoo_seq2seq.s2t_cross_attention.speech import SpeechModel, read_recording

_RECORDINGS = Path("/usr/share/pocketsphinx/test/data/librivox")


def _recording() -> Path:
    recordings = sorted(_RECORDINGS.glob("*.wav"), key=lambda path: path.stat().st_size)
    if not recordings:
        raise InputError(f"no recordings in {_RECORDINGS}: apt-get install pocketsphinx-testdata")
    return recordings[0]


@cache
def _of_whisper() -> CrossAttentionReport:
    """Whisper tiny.en on a LibriVox reader's sentence, with 60 masks of the spectrogram and 600 of encoder states."""
    from zoo.bridges.transformers.packaged import packaged_model

    recording = _recording()
    model, processor = packaged_model("whisper-tiny-en")
    config = CrossAttentionConfig(num_masks=60, num_state_masks=600, num_segments=[100, 200, 300], batch_size=4)
    return CrossAttentionProbe(config)(model, {"recording": recording, "processor": processor})


def check_aggregates_correlate_best() -> Measurement:
    """Correlations of cross-attention with saliency in a real model: all heads together, and the median head."""
    found = _of_whisper()
    median, best = float(found.per_head.median()), float(found.per_head.max())
    encoder = float(found.encoder_per_head.median())
    return Measurement(
        f"input: {found.all_heads:.2f} of all together, {median:.2f} of the median head, {best:.2f} of the best; "
        f"encoder states: {found.encoder_all:.2f} and {encoder:.2f}",
        found.all_heads > median and found.encoder_all > encoder,
        "Whisper tiny.en, one sentence, 60 masks and 600 of states",
    )


def check_half_explanation() -> Measurement:
    """Correlation of all heads together with the saliency of encoder states, and of the input."""
    found = _of_whisper()
    return Measurement(
        f"{found.encoder_all:.2f} with encoder states, {found.all_heads:.2f} with the input; both saliencies "
        f"{found.mixing:.2f}",
        0.52 <= found.encoder_all <= 0.75 and found.all_heads < found.encoder_all,
        "Whisper tiny.en, one sentence, 60 masks and 600 of states; the paper's models are Conformers",
    )


class _FirstHalf:
    """A model of four words that reads the first 20 of 40 frames alone."""

    def encode(self, features: Tensor) -> Tensor:
        return features[:, ::2]

    def probabilities(self, states: Tensor, tokens: Tensor, token_mask: Tensor | None = None) -> Tensor:
        read = states[:, :10].unflatten(1, (5, 2)).mean((2, 3))[:, :4]
        return (3 * read[:, None].expand(-1, tokens.shape[1], -1)).softmax(-1)


def check_ignored_regions() -> Measurement:
    """Relevance of the half that a model does not read, with rectangles that do not cross the middle."""
    config = SpesConfig(num_masks=400, num_segments=[20], segmentation="grid", dynamic=False)
    features = torch.randn(1, 40, 8, generator=torch.Generator().manual_seed(0))
    found = Spes(config).occlude(_FirstHalf(), features, torch.zeros(1, 3, dtype=torch.long), 40)  # type: ignore[arg-type]
    level = float(found.spectrogram[:, 20:].mean())
    contrast = float(found.spectrogram[:, :16].std()) / float(found.spectrogram[:, 20:].std())
    read, ignored = (
        float((found.encoder[:, part] - found.encoder[:, 10:].mean()).abs().max())
        for part in (slice(0, 8), slice(10, 20))
    )
    return Measurement(
        f"input: cells that are read vary {contrast:.1f} times as much as ignored ones, which are all at {level:.3f}; "
        f"encoder states differ from the ignored ones' mean by up to {read:.3f}, those themselves by {ignored:.3f}",
        level < 1e-3,
        "where a cell has no part in the score, its relevance is the mean score of all masks, not 0",
    )


def check_affine_images() -> Measurement:
    """Pearson correlation of maps with images of themselves."""
    maps = torch.rand(2, 4, 5, 9, generator=torch.Generator().manual_seed(0))
    same, opposite = pearson(maps, 3 * maps + 2), pearson(maps, -0.5 * maps)
    other = pearson(maps, maps.flip(-1))
    return Measurement(
        f"{float(same.min()):.6f} with 3 x + 2, {float(opposite.max()):.6f} with -x / 2, at most "
        f"{float(other.max()):.2f} with the mirrored map",
        float(same.min()) > 1 - 1e-5 and float(opposite.max()) < -1 + 1e-5 and float(other.max()) < 0.9,
    )


def check_bounded() -> Measurement:
    """The largest relevance beside the largest score, for random probabilities and masks."""
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(4, 9, generator=generator).softmax(-1)
    masked = (5 * torch.rand(40, 4, 9, generator=generator)).softmax(-1)
    masks = (torch.rand(40, 12, 6, generator=generator) < 0.5).float()
    masks[:, 0, 0] = 1
    scores = saliency.divergences(clean, masked)
    maps = saliency.relevance(scores, masks)
    inside = bool((maps <= scores.amax(0)[:, None, None] + 1e-6).all())
    return Measurement(
        f"relevance at most {float(maps.max()):.3f}, scores at most {float(scores.max()):.3f}; "
        f"{float(maps[:, 0, 0].max()):g} where nothing was hidden",
        inside and not maps[:, 0, 0].any() and float(maps.max()) > 0,
    )


def picture(path: str) -> None:
    """Whisper tiny.en on a read sentence: which heads go with the input's saliency, and both maps."""
    _of_whisper().plot(path)


def hidden_speech(path: str) -> None:
    """Whisper tiny.en on a sentence read by a LibriVox volunteer: its spectrogram, and how much the transcript suffers,
    token by token and on average, where 60 random masks hid segments of it."""
    from zoo.bridges.transformers.packaged import packaged_model
    from zoo.evidence.plots import new_figure, saved_small

    model, processor = packaged_model("whisper-tiny-en")
    read, frames = read_recording(_recording(), processor)
    features = SpeechModel(model).features(read)
    # Encoder states are not drawn: the fewest masks of them.
    config = SpesConfig(num_masks=60, num_state_masks=1, num_segments=[100, 200, 300], batch_size=4)
    found = Spes(config)(model, {"input_features": read, "frames": frames})
    seconds = (0.0, frames / 100)
    figure = new_figure(figsize=(9.2, 6.6))
    axes = figure.subplots(3, 1, sharex=True, height_ratios=(1, 1, 2))
    bins = (0, features.shape[-1])
    maps = (
        ("spectrogram (log-mel)", features[0, :frames].T, "magma", bins, "mel filter"),
        ("mean relevance of its cells", found.spectrogram.mean(0).T, "Blues", bins, "mel filter"),
        ("relevance, largest over filters", found.spectrogram.amax(-1).flip(0), "Blues", (0, len(found.ids)), "token"),
    )
    for axis, (title, values, colours, height, label) in zip(axes, maps, strict=True):
        drawn = axis.imshow(
            values.numpy(),
            origin="lower",
            extent=(*seconds, *height),
            aspect="auto",
            cmap=colours,
            interpolation="nearest",
        )
        axis.set_title(title, fontsize=10)
        axis.set_ylabel(label)
        figure.colorbar(drawn, ax=axis)
    pieces = [str(processor.tokenizer.decode([int(each)])).strip() for each in found.ids]
    axes[2].set_yticks([len(pieces) - 0.5 - place for place in range(len(pieces))], pieces, fontsize=9)
    axes[2].set_xlabel("seconds")
    saved_small(figure, path)
