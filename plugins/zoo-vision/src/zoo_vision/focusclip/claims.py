"""What the paper promises and a machine can check."""

from __future__ import annotations

import torch

import zoo
from zoo import Measurement
from zoo.counting import flops
from zoo.evidence.measuring import count_parameters
from zoo_vision.focusclip import training
from zoo_vision.focusclip.config import FocusCLIPConfig
from zoo_vision.focusclip.network import FocusCLIP, example, zero_shot

_SMALL = FocusCLIPConfig(
    vision_dim=16,
    text_dim=12,
    vision_layers=2,
    text_layers=2,
    vision_heads=2,
    text_heads=2,
    embed_dim=8,
    image_size=16,
    patch_size=4,
    vocab_size=50,
    max_length=12,
)


def _model(**fields: object) -> FocusCLIP:
    torch.manual_seed(0)
    return FocusCLIP(FocusCLIPConfig(**{**vars(_SMALL), **fields})).eval()


def check_inference_costs_nothing_more() -> Measurement:
    """Zero-shot answers of a model with a third tower, and of the two encoders' tensors alone in a model without.

    Beside it the operations of both, and what the third branch adds to a shared encoder's parameters.
    """
    guided, plain = _model(shared_encoder=False), _model(shared_encoder=True)
    kept = {name: tensor for name, tensor in guided.state_dict().items() if not name.startswith("visual_masked")}
    kept.pop("alpha")
    missing = plain.load_state_dict(kept, strict=False).missing_keys
    inputs = example(_SMALL, batch_size=3)
    answers, counts = [], []
    with torch.no_grad():
        for model in (guided, plain):
            image, text = model.encode_image(inputs["images"]), model.encode_text(inputs["input_ids"])
            answers.append(zero_shot(image, text))
            counts.append(flops(model, inputs["images"], inputs["input_ids"]))
        guided_call = flops(guided, inputs["images"], inputs["input_ids"], inputs["mask"])
    difference = float((answers[0] - answers[1]).abs().max())
    parts = (plain.visual, plain.visual_embed, plain.text, plain.text_embed)
    extra = count_parameters(plain) - count_parameters(*parts)
    return Measurement(
        f"answers differ by {difference:g}, operations by {counts[0] - counts[1]}; {extra} parameter (alpha) beyond "
        f"the two encoders; a guided call costs {guided_call / counts[0]:.2f} times as much",
        difference == 0 and counts[0] == counts[1] and missing == ["alpha"] and extra == 1 and guided_call > counts[0],
    )


def check_alpha() -> Measurement:
    """Features through a heat map at alpha 1 and 0: those of the image, and those of the image times the map."""
    model, inputs = _model(), example(_SMALL, batch_size=3)
    images, mask = inputs["images"], inputs["mask"]
    with torch.no_grad():
        image, hard = model.encode_image(images), model.encode_image(images * mask)
        found = {}
        for value in (1.0, 0.5, 0.0):
            model.alpha.fill_(value)
            found[value] = model.encode_masked(images, mask)
    open_gap = float((found[1.0] - image).abs().max())
    hard_gap = float((found[0.0] - hard).abs().max())
    between = float((found[0.5] - image).abs().max())
    return Measurement(
        f"alpha 1: {open_gap:g} from the image; alpha 0: {hard_gap:g} from the masked image; alpha 0.5: {between:.2g} "
        "from the image",
        open_gap == 0 and hard_gap == 0 and between > 1e-4,
    )


def check_parameters() -> Measurement:
    """Count the published model: shared parameters once, BERT's pooler included."""
    with torch.device("meta"):
        count = count_parameters(FocusCLIP(FocusCLIPConfig()))
    return Measurement(f"{count:,} parameters", count == 196_068_353)


def check_zero_shot() -> Measurement:
    """The bundled network's right answers among fifty texts, for pairs of colour and digit trained on and not.

    Whoever sees colours alone and guesses digits is right in a tenth.
    """
    found = training.evaluate(zoo.load("focusclip/digits"))
    return Measurement(
        f"{found['seen']:.1%} of pairs trained on, {found['unseen']:.1%} of others; the colour is right in "
        f"{found['colour']:.1%}, the digit in {found['digit']:.1%}",
        found["seen"] > 0.5 and found["unseen"] > 0.1,
        "handwritten digits in colours on photographs, no people; chance 2%, colours alone 10%",
    )
