"""What the paper promises and a machine can check."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters
from zoo_vision import panels
from zoo_vision.msi_net import saliency, training
from zoo_vision.msi_net.config import MSINetConfig
from zoo_vision.msi_net.network import Encoder, MSINet


def _small(seed: int) -> MSINet:
    torch.manual_seed(seed)
    return MSINet(
        MSINetConfig(encoder_channels=[4, 8, 12, 16, 16], context_channels=8, decoder_channels=[8, 6, 4])
    ).eval()


def check_resolution() -> Measurement:
    """Shape of the encoder's answer at full widths, on the meta device."""
    with torch.device("meta"):
        features = Encoder(MSINetConfig().encoder_channels)(torch.empty(1, 3, 240, 320))
    channels, height, width = features.shape[1:]
    return Measurement(
        f"{channels} channels at {height} x {width} for 240 x 320", (channels, height, width) == (1280, 30, 40)
    )


def check_parameters() -> Measurement:
    """Count the network and its encoder."""
    with torch.device("meta"):
        model = MSINet(MSINetConfig())
    whole, encoder = count_parameters(model), count_parameters(model.encoder)
    return Measurement(
        f"{whole:,} parameters, {encoder:,} of them the encoder", (whole, encoder) == (24_934_209, 14_714_688)
    )


def check_range() -> Measurement:
    """Lowest and highest value of maps of random networks whose raw map spans more than 0.1."""
    low, off, seen = 0.0, 0.0, 0
    with torch.no_grad():
        for seed in range(6):
            model, image = _small(seed), torch.rand(2, 3, 40, 56) * 255
            raw, found = model.raw(image).flatten(1), model(image).flatten(1)
            wide = raw.amax(1) - raw.amin(1) > 0.1
            low = max(low, float(found.amin(1).abs().max()))
            seen += int(wide.sum())
            off = max(off, float((found.amax(1)[wide] - 1).abs().max())) if wide.any() else off
    return Measurement(
        f"minimum {low:g}; maximum within {off:.1e} of 1 in the {seen} of 12 maps that span more than 0.1",
        low == 0 and off < 1e-6 and seen > 0,
    )


def check_scale_of_truth() -> Measurement:
    """The loss of a map against itself times 0.01 to 100, at 240 x 320."""
    truth = torch.rand(2, 1, 240, 320, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
    found = [float(saliency.loss(truth, truth * scale)) for scale in (0.01, 0.1, 1.0, 10.0, 100.0)]
    spread, largest = max(found) - min(found), max(map(abs, found))
    return Measurement(f"between {min(found):.2e} and {max(found):.2e}", spread < 1e-5 and largest < 1e-7 * 240 * 320)


def check_finds_what_was_pasted() -> Measurement:
    """The bundled network and the mean map, by their correlation with masks of cut-outs kept for tests."""
    model = zoo.load("msi-net/scenes")
    ours, mean_map = training.evaluate(model)
    chosen, _ = training.evaluate(model, "held-out")
    return Measurement(
        f"correlation {ours:.3f}, mean map {mean_map:.3f} (96 scenes of pictures kept for tests; {chosen:.3f} with "
        "those that were watched while the recipe was chosen)",
        ours > mean_map,
        "a small network; the truth is where a cut-out was pasted, not recorded gaze",
    )


def picture(path: Path) -> None:
    """Held-out cut-outs on held-out photographs, and where the bundled network says that one looks (bright)."""
    model = zoo.load("msi-net/scenes")
    scenes, _ = next(training.batches("held-out", 1, 3, seed=5))
    with torch.no_grad():
        maps = model(scenes)
    panels.save_columns({"scene": scenes / 255, "saliency": maps[:, 0]}, path)
