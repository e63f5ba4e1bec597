"""The authors' names, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_vision.sketch2saliency.config import SketchDecoderConfig
from zoo_vision.sketch2saliency.decoder import SketchDecoder
from zoo_vision.sketch2saliency.losses import sketch_loss
from zoo_vision.sketch2saliency.network import saliency_of

_FIELDS = {
    "z_size": "latent_dim",
    "dec_rnn_size": "hidden_dim",
    "feature_channels": "feature_channels",
    "attention_embedding": "attention_dim",
    "num_mixture": "num_mixtures",
}
_RULES = (
    (r"^Image_Encoder\.", "image_encoder."),
    (r"^Sketch_Decoder\.", "sketch_decoder."),
    (r"(^|\.)lstm\.(weight|bias)_(ih|hh)_l0$", r"\1lstm.\2_\3"),
)


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Official names to ours; of the whole network or of the decoder alone."""
    return renamed(state, _RULES)


def _decoder(run: Run) -> dict[str, Tensor]:
    config = SketchDecoderConfig(**run.fields(_FIELDS))
    decoder = SketchDecoder(config).eval()
    zoo.fill(decoder, convert(run.state, config))
    features, latent = run.inputs["backbone_feature"], run.inputs["z_vector"]
    strokes = run.inputs["sketch_vector"].transpose(0, 1)
    hidden, _ = decoder.along(features, latent, strokes)
    rows = run.config.get("max_seq_len", strokes.shape[1]) + 1
    # Rows beyond the sketch are those of a state of zeros.
    mixture = decoder.mixture(functional.pad(hidden, (0, 0, 0, rows - hidden.shape[1])))
    names = {"pi": "pi", "mu1": "mu_x", "mu2": "mu_y", "sigma1": "sigma_x", "sigma2": "sigma_y", "rho": "rho"}
    names["pen_logits"] = "pen_logits"
    outputs = {name: getattr(mixture, own).flatten(0, 1) for name, own in names.items()}
    if rows == strokes.shape[1] + 1:
        outputs["loss"] = sketch_loss(mixture, strokes)
    with torch.no_grad():
        points, attention = decoder.draw(features, latent, strokes.shape[1] + 1)
    return {**outputs, "generated": points, "attention": attention, "saliency_8x8": saliency_of(attention)}


replay = replay_of({"decoder": _decoder})
