"""The facts of Sketch2Saliency."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_PHOTO2SKETCH_TINY = {
    "encoder_widths": [8, 16, 16],
    "encoder_depths": [1, 1, 1],
    "feature_channels": 16,
    "latent_dim": 10,
    "hidden_dim": 16,
    "attention_dim": 12,
    "max_length": 7,
    "image_size": 64,
}
_SCENES = {
    "encoder_widths": [16, 32, 48],
    "encoder_depths": [2, 2, 2],
    "feature_channels": 48,
    "latent_dim": 2,
    "hidden_dim": 96,
    "attention_dim": 48,
    "num_mixtures": 8,
    "max_length": 33,
    "image_size": 96,
}
_THREE = {"scales": 3}
_WEIGHTS = {
    "scenes": Weights(
        "package://zoo_vision/weights/sketch2saliency-scenes.safetensors",
        sha256="e37a53f8a4016d8f28bd17d54c9f4cdd4a03f82c8876d9608407512130c8636b",
        size=564_328,
        license="Apache-2.0",
        metric="maximum F 0.632 on scenes of pictures kept for tests, the mean mask 0.245; mean absolute error 0.533, "
        "the mean mask 0.265: maps are high where nothing is, too",
        command="zoo train sketch2saliency/scenes",
        note=(
            "Trained to draw outlines of 103 cut-outs of Debian's tuxpaint-stamps-default (GPL-2) pasted on 41 "
            "photographs out of focus (scikit-image, scikit-learn, and Debian's opencv-doc, mate-backgrounds, "
            "lomiri-wallpapers); no mask is in its loss. What it draws alone is a loop, "
            "whatever it sees. The recipe was chosen by 25 other cut-outs on 12 other photographs, "
            "with an eye on the figures of the pictures kept for tests."
        ),
    ),
}

PAPER = Paper(
    id="sketch2saliency",
    title="Sketch2Saliency: Learning to Detect Salient Objects from Human Drawings",
    arxiv="2303.11502",
    year=2023,
    code=__package__,
    license="CC0-1.0",
    repo="AyanKumarBhunia/Sketch2Saliency",
    commit="012357862ef3",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The paper attends to maps of three scales; the released code to one. scales=1 is the code, 3 the paper.",
        "The released code divides the mean attention by its maximum in each picture; the abstract calls the attention "
        "accumulated.",
    ),
    ours=(
        "scales=3 from the paper's text: finer maps go through a 1 x 1 convolution to the channels of the coarsest, "
        "one cell looks at all, and a linear layer joins what it sees; attention of finer places is summed where the "
        "coarse places lie.",
        "The loss of equivariance, from the paper's text: mirrored, turned by up to 30 degrees, scaled by 0.8 to 1.2.",
        "No dense CRF cleans maps up, which the paper does as an option.",
        "Pictures whose sides are no multiple of the stride are padded by their last row and column.",
        "The presets `scenes` and `tiny`: photographs paired with human sketches do not travel with packages, so "
        "`scenes` learns to draw the simplified outlines of cut-outs pasted on photographs out of focus, which our own "
        "code traces from their masks. Its z has two numbers, so that what is drawn must be seen, and the loss of "
        "equivariance has a weight of 0.1: without it attention came to rest on the border, and maps were worse than "
        "the mean mask. On sharp photographs the same recipe, for 1,000 steps, reached F 0.449.",
    ),
    entries=(
        Entry(
            id="sketch2saliency",
            kind="model",
            summary="saliency map of an image: the mean of where a network looks while it draws it",
            tags=("vision", "saliency", "dense-prediction", "recurrent", "weakly-supervised"),
            build="network:Sketch2Saliency",
            config="config:Photo2SketchConfig",
            example="network:saliency_example",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="pictures:looked",
            train="training:train",
            convert="conversion:convert",
            presets={"base": {}, "multi-scale": _THREE, "scenes": _SCENES, "tiny": _PHOTO2SKETCH_TINY},
            weights=_WEIGHTS,
            claims=(
                Claim(
                    "attention that learned to draw finds what stands out, better than the mean mask",
                    figure="competitive with weakly supervised methods",
                    check="claims:check_scenes",
                    slow=True,
                ),
                Claim(
                    "saliency needs no saliency labels: it is the mean of the attention over the drawing steps",
                    figure="in [0, 1], maximum exactly 1",
                    check="claims:check_range",
                ),
                Claim(
                    "a model trained to draw the outline of a bright blob attends to the blob",
                    figure="saliency inside more than twice that outside",
                    check="claims:check_blobs",
                    slow=True,
                ),
                Claim(
                    "competitive with other weakly supervised methods on ECSSD, PASCAL-S, DUT-OMRON, HKU-IS, DUTS",
                    needs="Sketchy and the five saliency sets",
                ),
            ),
        ),
        Entry(
            id="sketch2saliency-photo2sketch",
            kind="model",
            aliases=("photo2sketch",),
            summary="draws a photograph, stroke by stroke, and tells where it looks",
            tags=("vision", "generation", "recurrent", "sketch"),
            build="network:Photo2Sketch",
            config="config:Photo2SketchConfig",
            example="network:example",
            paper_input="network:drawing_input",
            preprocess="network:preprocess",
            predict="network:predict",
            picture="pictures:drawn",
            convert="conversion:convert",
            presets={"base": {}, "multi-scale": _THREE, "scenes": _SCENES, "tiny": _PHOTO2SKETCH_TINY},
            weights=_WEIGHTS,
            claims=(
                Claim(
                    "each step's attention is a distribution over the places of the map",
                    figure="sums to 1",
                    check="claims:check_distribution",
                ),
            ),
        ),
        Entry(
            id="sketch2saliency-decoder",
            kind="model",
            summary="the drawing LSTM with attention over a map of features",
            tags=("recurrent", "generation", "sketch", "co-attention", "single-level", "soft", "additive"),
            build="decoder:SketchDecoder",
            config="config:SketchDecoderConfig",
            example="decoder:example",
            picture="pictures:sequences",
            convert="conversion:convert",
            presets={
                "base": {},
                "tiny": {
                    "feature_channels": 16,
                    "latent_dim": 10,
                    "hidden_dim": 16,
                    "attention_dim": 12,
                    "max_length": 7,
                },
            },
            claims=(
                Claim(
                    "the attended feature is a convex combination of local features",
                    figure="within each channel's range",
                    check="claims:check_convex",
                ),
            ),
        ),
    ),
)
