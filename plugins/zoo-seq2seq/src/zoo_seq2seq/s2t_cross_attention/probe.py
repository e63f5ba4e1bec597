"""The probes: saliency of a speech model, and its cross-attention beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo.evidence.plots import new_figure, saved
from zoo_seq2seq.s2t_cross_attention import saliency, segments
from zoo_seq2seq.s2t_cross_attention.agreement import correlations, pearson, resized, standardised
from zoo_seq2seq.s2t_cross_attention.config import CrossAttentionConfig, SpesConfig
from zoo_seq2seq.s2t_cross_attention.speech import SpeechModel, read_recording


@dataclass(frozen=True, eq=False)
class Saliency:
    """What SPES found.

    Args:
        spectrogram: (tokens, frames, bins) relevance of cells.
        encoder: (tokens, encoder frames) relevance of encoder states.
        tokens: (tokens, tokens) of earlier tokens, where these were hidden.
        ids: (tokens,) that the decoder was fed.
    """

    spectrogram: Tensor
    encoder: Tensor
    tokens: Tensor | None
    ids: Tensor

    def to_dict(self) -> dict[str, Any]:
        """Shapes, and for every token the frame and encoder frame that matter most."""
        over_time = self.spectrogram.amax(-1)
        return {
            "ids": self.ids.tolist(),
            "frames": over_time.shape[1],
            "encoder frames": self.encoder.shape[1],
            "largest relevance": float(self.spectrogram.max()),
            "most relevant frame": over_time.argmax(1).tolist(),
            "most relevant encoder frame": self.encoder.argmax(1).tolist(),
        }

    def plot(self, path: str | Path | None = None) -> Any:
        """Relevance over time, of the input and of the encoder's states."""
        figure = new_figure(figsize=(9, 3.6))
        axes = figure.subplots(1, 2, sharey=True)
        maps = (("input", self.spectrogram.amax(-1)), ("encoder states", self.encoder))
        for axis, (title, found) in zip(axes, maps, strict=True):
            axis.imshow(found.numpy(), aspect="auto", cmap="Blues", interpolation="nearest")
            axis.set(title=f"relevance of the {title}", xlabel="frame")
        axes[0].set_ylabel("token")
        return saved(figure, path)


class Spes:
    """Saliency by perturbation of spectrogram, encoder states and tokens."""

    def __init__(self, config: SpesConfig) -> None:
        self.config = config

    def __call__(self, model: nn.Module, inputs: Any) -> Saliency:
        """Occlude one utterance.

        Args:
            model: a speech encoder-decoder of transformers.
            inputs: ``input_features`` of one utterance; ``decoder_input_ids`` (1, tokens), by default what the model
                transcribes; ``frames``, how many are not padding, all by default. Or the path of a WAV file with the
                model's processor: ``{"recording": path, "processor": processor}``.

        Raises:
            InputError: no speech model, more than one utterance, or nothing to occlude.
        """
        speech = SpeechModel(model)
        features, tokens, frames = _utterance(speech, inputs)
        return self.occlude(speech, features, tokens, frames)

    @torch.no_grad()
    def occlude(self, speech: SpeechModel, features: Tensor, tokens: Tensor, frames: int) -> Saliency:
        """The same from features (1, frames, bins) and tokens (1, tokens)."""
        config, generator = self.config, torch.Generator().manual_seed(self.config.seed)
        states = speech.encode(features)
        clean = speech.probabilities(states, tokens)[0]
        masks = segments.spectrogram_masks(features[0, :frames], config, generator)
        hiding = config.token_probability > 0
        earlier = segments.token_masks(tokens.shape[1], config, generator) if hiding else None
        fill = features[:, :frames].mean() if config.fill == "mean" else features.new_zeros(())

        def of_input(some: Tensor, of_tokens: Tensor | None) -> Tensor:
            hidden = features.expand(len(some), -1, -1).clone()
            hidden[:, :frames] = torch.where(some > 0, hidden[:, :frames], fill)
            return speech.probabilities(speech.encode(hidden), tokens.expand(len(some), -1), of_tokens)

        scores = self._scores(clean, masks, earlier, of_input)
        # Frames of the encoder that stand for padding are left alone.
        reach = max(round(frames * states.shape[1] / features.shape[1]), 1)
        of_frames = segments.frame_masks(reach, config, generator)

        def of_states(some: Tensor, of_tokens: Tensor | None) -> Tensor:
            kept = torch.nn.functional.pad(some, (0, states.shape[1] - reach), value=1.0)
            return speech.probabilities(states * kept[..., None], tokens.expand(len(some), -1))

        encoder = saliency.relevance(self._scores(clean, of_frames, None, of_states), of_frames)
        of_tokens = None if earlier is None else saliency.causal(saliency.relevance(scores, earlier))
        return Saliency(saliency.relevance(scores, masks), encoder, of_tokens, tokens[0])

    def _scores(
        self, clean: Tensor, masks: Tensor, earlier: Tensor | None, run: Callable[[Tensor, Tensor | None], Tensor]
    ) -> Tensor:
        """(masks, tokens), a few masks at a time."""
        size = self.config.batch_size
        hidden: list[Tensor | None] = [None] * len(masks.split(size)) if earlier is None else [*earlier.split(size)]
        parts = zip(masks.split(size), hidden, strict=True)
        return torch.cat([saliency.divergences(clean, run(some, tokens)) for some, tokens in parts])


@dataclass(frozen=True, eq=False)
class CrossAttentionReport:
    """How cross-attention goes with saliency: Pearson correlations.

    Args:
        per_head: (layers, heads) with the input's saliency.
        per_layer: (layers,) of the mean over heads.
        all_heads: of the mean over all heads and layers.
        encoder_per_head, encoder_per_layer, encoder_all: the same with the saliency of the encoder's states.
        mixing: of both saliencies with one another.
        attention: (layers, heads, tokens, encoder frames), without padding.
        saliency: what was compared with.
    """

    per_head: Tensor
    per_layer: Tensor
    all_heads: float
    encoder_per_head: Tensor
    encoder_per_layer: Tensor
    encoder_all: float
    mixing: float
    attention: Tensor
    saliency: Saliency

    def to_dict(self) -> dict[str, Any]:
        """All correlations as plain numbers."""
        return {
            "input": {
                "heads": self.per_head.tolist(),
                "layers": self.per_layer.tolist(),
                "all": self.all_heads,
            },
            "encoder": {
                "heads": self.encoder_per_head.tolist(),
                "layers": self.encoder_per_layer.tolist(),
                "all": self.encoder_all,
            },
            "input with encoder": self.mixing,
        }

    def plot(self, path: str | Path | None = None) -> Any:
        """Correlations of heads, and the mean attention beside the saliency."""
        figure = new_figure(figsize=(9.2, 5.6))
        places = figure.subplot_mosaic([["heads", "attention"], ["heads", "saliency"]], width_ratios=(1, 2))
        axes = list(places.values())
        size = max(float(self.per_head.abs().max()), 1e-6)
        drawn = axes[0].imshow(self.per_head.numpy(), cmap="RdBu_r", vmin=-size, vmax=size)
        axes[0].set(title="correlation with saliency", xlabel="head", ylabel="layer")
        axes[0].set_xticks(range(self.per_head.shape[1]))
        axes[0].set_yticks(range(self.per_head.shape[0]))
        figure.colorbar(drawn, ax=axes[0], shrink=0.8)
        maps = (
            (f"mean attention (rho {self.all_heads:.2f})", self.attention.mean((0, 1))),
            ("saliency of the input", self.saliency.spectrogram.amax(-1)),
        )
        for axis, (title, found) in zip(axes[1:], maps, strict=True):
            axis.imshow(found.numpy(), aspect="auto", cmap="Blues", interpolation="nearest")
            axis.set(title=title, xlabel="frame", ylabel="token")
            for ticks in (axis.xaxis, axis.yaxis):
                ticks.get_major_locator().set_params(integer=True)
        return saved(figure, path)


class CrossAttentionProbe:
    """Cross-attention beside saliency."""

    def __init__(self, config: CrossAttentionConfig) -> None:
        self.config = config

    def __call__(self, model: nn.Module, inputs: Any) -> CrossAttentionReport:
        """Compare, for one utterance; arguments as for ``Spes``."""
        config, speech = self.config, SpeechModel(model)
        features, tokens, frames = _utterance(speech, inputs)
        found = Spes(config).occlude(speech, features, tokens, frames)
        with torch.no_grad():
            attention = speech.cross_attention(features, tokens)[..., : found.encoder.shape[1]]
        over_time = found.spectrogram.amax(-1) if config.reduce == "max" else found.spectrogram.mean(-1)
        length = found.encoder.shape[1] if config.to == "encoder" else frames
        maps = resized(standardised(attention) if config.standardise else attention, length)
        of_input, of_encoder = resized(over_time, length), resized(found.encoder, length)
        heads, layers, everything = correlations(maps, of_input)
        encoder_heads, encoder_layers, encoder_all = correlations(maps, of_encoder)
        return CrossAttentionReport(
            heads,
            layers,
            float(everything),
            encoder_heads,
            encoder_layers,
            float(encoder_all),
            float(pearson(of_encoder, of_input)),
            attention,
            found,
        )


def _utterance(speech: SpeechModel, inputs: Any) -> tuple[Tensor, Tensor, int]:
    """Features (1, frames, bins), tokens (1, tokens) and the number of frames that are not padding."""
    given = dict(inputs)
    if "recording" in given:
        if given.get("processor") is None:
            raise InputError("a recording needs the model's processor: {'recording': path, 'processor': processor}")
        read, frames = read_recording(given["recording"], given["processor"])
        given |= {"input_features": read, "frames": frames}
    if "input_features" not in given:
        raise InputError(f"inputs have {', '.join(given)}; expected input_features or a recording")
    features = speech.features(given["input_features"])
    if features.ndim != 3 or features.shape[0] != 1:
        raise InputError(f"features of shape {tuple(given['input_features'].shape)}; expected one utterance")
    tokens = given.get("decoder_input_ids")
    if tokens is None:
        with torch.no_grad():
            tokens = speech.transcribe(features)
    frames = int(given.get("frames", features.shape[1]))
    if not 1 <= frames <= features.shape[1] or not tokens.shape[1]:
        raise InputError(f"{frames} of {features.shape[1]} frames, and {tokens.shape[1]} tokens: nothing to occlude")
    return features, tokens, frames


def example(config: SpesConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny Whisper and one random utterance."""
    model = tiny_model("whisper", seed=seed)
    settings: Any = model.config
    generator = torch.Generator().manual_seed(seed)
    frames = 2 * settings.max_source_positions
    features = torch.randn(1, settings.num_mel_bins, frames, generator=generator)
    ids = torch.randint(settings.vocab_size, (1, 5), generator=generator)
    return {"model": model, "inputs": {"input_features": features, "decoder_input_ids": ids}}
