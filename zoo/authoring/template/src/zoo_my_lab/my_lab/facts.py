"""The facts: what can be loaded, under which names. Imports no torch."""

from zoo import Claim, Entry, Paper, Traits, Weights

PAPER = Paper(
    id="my-lab",
    title="MyLab: replace this by the paper's title",
    year=2017,
    code=__package__,
    license="Apache-2.0",
    fidelity="paper",
    replay="conversion:replay",
    entries=(
        Entry(
            id="my-lab",
            kind="attention",
            summary="multi-head attention with one learned temperature per head",
            tags=("self", "single-level", "soft", "single", "scaled-dot", "softmax", "transformer"),
            traits=Traits(
                causal="optional", time="n^2", memory="n^2", decoding="recompute", parameters="a temperature per head"
            ),
            build="layer:MyLabAttention",
            config="config:MyLabConfig",
            example="layer:example",
            convert="conversion:convert",
            presets={"tiny": {"dim": 16, "num_heads": 2}},
            claims=(
                Claim(
                    "at temperature 1 it is scaled dot-product attention",
                    figure="difference < 1e-5",
                    check="claims:check_temperature_one",
                ),
                Claim(
                    "a lower temperature makes attention sharper",
                    figure="entropy grows with the temperature",
                    check="claims:check_sharpness",
                ),
            ),
        ),
        Entry(
            id="my-lab-classifier",
            kind="model",
            summary="a classifier of small pictures, a token per row of pixels",
            tags=("vision", "classification"),
            build="network:MyLabClassifier",
            config="config:MyLabClassifierConfig",
            example="network:example",
            train="training:train",
            presets={"digits": {"rows": 8, "columns": 8, "num_classes": 10}},
            weights={
                "digits": Weights(
                    "package://zoo_my_lab/weights/my-lab-classifier-digits.safetensors",
                    sha256="f090138c07da1229ebd6780f0dcd49ebbe796bc0ede19113904fe88f6d3d7a5d",
                    size=24_072,
                    license="Apache-2.0",
                    metric="98.6% of 360 held-out digits",
                    command="zoo train my-lab-classifier/digits",
                    note="Trained from seed 0 on 1,437 handwritten digits of scikit-learn (UCI).",
                ),
            },
            claims=(
                Claim(
                    "it reads handwritten digits",
                    figure="more than 90% of held-out ones",
                    check="claims:check_digits",
                    slow=True,
                ),
            ),
        ),
    ),
)
