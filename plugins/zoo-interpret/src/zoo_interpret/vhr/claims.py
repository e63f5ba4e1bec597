"""What the paper promises and a machine can check."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo import Measurement
from zoo.bridges.transformers.heads import at_heads
from zoo.bridges.transformers.sites import Site
from zoo_interpret.multimodal import language_sites
from zoo_interpret.tiny_multimodal import llava_7b, tiny_llava, tiny_llava_inputs
from zoo_interpret.vhr.config import DivergenceConfig, VhrConfig
from zoo_interpret.vhr.divergence import VisionAwareHeadDivergence
from zoo_interpret.vhr.planted import seeing
from zoo_interpret.vhr.reinforcement import Vhr

# Two heads of the second layer see the image.
PLANTED = {(1, 0), (1, 3)}


def _prompts(model: nn.Module) -> dict[str, Tensor]:
    """Prompts that begin with their image."""
    return tiny_llava_inputs(model, 3, text=(0, 8))


def check_direction() -> Measurement:
    """cos(x + (alpha - 1) y, y) against cos(x, y) for random x, y and alpha from 1 to 10."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 100_000, 16, generator=generator, dtype=torch.float64)
    alpha = 1 + 9 * torch.rand(100_000, 1, generator=generator, dtype=torch.float64)
    change = torch.cosine_similarity(x + (alpha - 1) * y, y) - torch.cosine_similarity(x, y)
    return Measurement(f"the cosine changes by {float(change.min()):.1e} at least", float(change.min()) >= -1e-12)


def check_blind_heads() -> Measurement:
    """VHD of a model whose heads see no image, and of the same model with sight."""
    model = tiny_llava(attn_implementation="eager")
    inputs = _prompts(model)
    probe = VisionAwareHeadDivergence(DivergenceConfig())
    with seeing(model, inputs["input_ids"], ()):
        blind = float(probe(model, inputs).vhd.max())
    sighted = float(probe(model, inputs).vhd.min())
    return Measurement(f"largest {blind:.1e}; {sighted:.1e} at least where heads see the image", blind < 1e-6 < sighted)


def check_planted_heads() -> Measurement:
    """Heads of the second layer, of which two see the image: their VHD, and which are selected."""
    model = tiny_llava(attn_implementation="eager")
    inputs = _prompts(model)
    with seeing(model, inputs["input_ids"], PLANTED):
        vhd = VisionAwareHeadDivergence(DivergenceConfig())(model, inputs).vhd[:, 1]
        with torch.no_grad(), Vhr(VhrConfig(layers=[1], outliers=False)).attach(model) as attached:
            model(**inputs)
        selected = attached.result().selected[:, 1]
    truth = torch.tensor([(1, head) in PLANTED for head in range(4)])
    least, most = float(vhd[:, truth].min()), float(vhd[:, ~truth].max())
    return Measurement(
        f"planted heads at least {least:.1e}, the others at most {most:.1e}; selected "
        f"{'exactly the planted ones' if bool((selected == truth).all()) else selected.int().tolist()}",
        least > 1e3 * most and bool((selected == truth).all()),
    )


def check_reinforced_outputs() -> Measurement:
    """Outputs of planted and of other heads of the reinforced layer, before and after."""
    model = tiny_llava(attn_implementation="eager")
    inputs = _prompts(model)
    truth = torch.tensor([(1, head) in PLANTED for head in range(4)])
    pair: list[Tensor] = []

    def keep(site: Site, outputs: Tensor) -> None:
        pair.append(outputs)

    site = [language_sites(model)[1]]
    with torch.no_grad(), seeing(model, inputs["input_ids"], PLANTED):
        with at_heads(model, keep, sites=site):
            model(**inputs)
        method = Vhr(VhrConfig(layers=[1], outliers=False, alpha=3.0))
        with method.attach(model), at_heads(model, keep, sites=site):
            model(**inputs)
    before, _, after = pair
    worst = float((after[:, :, truth] - 3 * before[:, :, truth]).abs().max())
    others = float((after[:, :, ~truth] - before[:, :, ~truth]).abs().max())
    return Measurement(
        f"planted heads are off 3 times their output by {worst:.1e}, others change by {others:.1e}",
        worst < 1e-6 and others == 0,
    )


def check_alpha_one() -> Measurement:
    """Logits with alpha = 1, and with alpha = 2."""
    model = tiny_llava()
    inputs = _prompts(model)
    changes = []
    with torch.no_grad():
        base = model(**inputs).logits
        for alpha in (1.0, 2.0):
            with Vhr(VhrConfig(alpha=alpha, layers=[1, 2, 3])).attach(model):
                changes.append(float((model(**inputs).logits - base).abs().max()))
    return Measurement(
        f"{changes[0]:.0e} with alpha = 1, {changes[1]:.1e} with 2", changes[0] == 0 and changes[1] > 1e-4
    )


def check_parameters() -> Measurement:
    """Parameters of LLaVA-1.5-7B with the method attached."""
    model = llava_7b()
    with Vhr(VhrConfig()).attach(model):
        count = sum(parameter.numel() for parameter in model.parameters())
    return Measurement(f"{count} parameters", count == 7063427072)
