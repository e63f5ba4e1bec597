"""The facts of FAST: Factorizable Attention for Speeding up Transformers."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Traits

_LONG_RANGE_ARENA = {
    f"lra-{task}": {
        "num_layers": layers,
        "dim": dim,
        "num_heads": heads,
        "max_length": length,
        "vocab_size": vocabulary,
        "num_classes": classes,
        "num_documents": documents,
    }
    for task, layers, dim, heads, length, vocabulary, classes, documents in (
        ("listops", 6, 512, 8, 2_000, 18, 10, 1),
        ("text", 4, 256, 4, 4_000, 257, 2, 1),
        ("retrieval", 4, 128, 4, 4_000, 257, 2, 2),
        ("image", 3, 64, 4, 1_024, 256, 10, 1),
        ("pathfinder", 4, 128, 8, 1_024, 256, 2, 1),
    )
}

_FASTMAX_TINY = {"num_layers": 1, "dim": 16, "num_heads": 2}

PAPER = Paper(
    id="fast-attention",
    title="FAST: Factorizable Attention for Speeding up Transformers",
    arxiv="2402.07901",
    year=2024,
    code=__package__,
    repo="armingerami/fastmax",
    commit="28eb11a",
    license="MIT",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The paper standardises queries and keys (normalize=standardize); the reproduction code divides the scores of "
        "plain ones by 8 sqrt(D), which is the default here; the CUDA package divides by the largest norm "
        "(normalize=maxnorm).",
        "Without normalisation the package sets a temperature and then overwrites it by 1: taken as a mistake.",
        "With maxnorm the package takes the largest norm of the whole sequence in causal order, too, so that later "
        "tokens move earlier outputs; here a token counts the largest norms up to itself.",
        "The package's explicit-matrix branch ignores the normalisation; here there is one meaning.",
    ),
    ours=(
        "The divisor of standardised scores (temperature, default 1): no recording covers that mode.",
        "k x k is symmetric, so D (D + 1) / 2 products serve in place of D^2: the same numbers at half the cost. "
        "Quadratic dropout therefore drops k_a k_b and k_b k_a together.",
        "Hidden keys and values are zero and leave the denominators; hidden tokens count for no largest norm.",
        "Where a denominator is exactly 0 the output is 0.",
    ),
    entries=(
        Entry(
            id="fast-attention",
            aliases=("fastmax",),
            kind="attention",
            summary="fastmax: a polynomial in place of the exponential; every token sees every token in linear time",
            tags=("self", "single-level", "soft", "single", "scaled-dot", "linear", "polynomial", "causal"),
            traits=Traits(causal="optional", time="n", memory="n", decoding="state"),
            build="attention:Fastmax",
            config="config:FastmaxConfig",
            example="attention:example",
            functional="attention:functional",
            presets={"tiny": {"dim": 16, "num_heads": 2}},
            claims=(
                Claim(
                    "the factorised evaluation equals the explicit N x N polynomial attention",
                    figure="max abs difference < 1e-5 (float32)",
                    check="claims:check_factorised",
                ),
                Claim(
                    "every token attends to every token: for p = 2 all weights are strictly positive",
                    figure="min weight > 0, rows sum to 1",
                    check="claims:check_every_token_attends",
                ),
                Claim(
                    "linear in N: cost O(N D^(p+1)), memory O(N D^p + D^(p+1))",
                    figure="time ratio about 2 per doubling of N, softmax about 4",
                    check="claims:check_linear",
                    slow=True,
                ),
                Claim(
                    "break-even with softmax at N about D (p = 1) and D^2 (p = 2)",
                    figure="multiply-adds about 2ND^2 (p = 1), 2ND^3 (p = 2) against 2N^2 D; one core, D = 16: p = 1 "
                    "6 ms, p = 2 67 ms, softmax 1.49 s at N = 8192; 0.1, 14.5, 84 ms at N = 2048",
                    check="claims:check_break_even",
                    slow=True,
                ),
                Claim(
                    "fastmax tends to softmax for small scores",
                    figure="scores halved from scale 0.05: error falls by 3.9 to 4.1 (p = 1), 7.3 to 8.2 (p = 2)",
                    check="claims:check_taylor",
                ),
                Claim(
                    "gradient with respect to the scores is bounded by a constant times max |v|, independent of N",
                    figure="|d o / d s| <= 2 |f'(s)| / sum f * max |v|",
                    check="claims:check_gradient_bound",
                ),
                Claim(
                    "the own gradient agrees with autograd and keeps O(N D^(p-1)) numbers instead of O(N D^p)",
                    figure="q, k, v, outputs and denominators: about 4 D numbers per token for p = 2",
                    check="claims:check_memory_of_gradient",
                ),
                Claim(
                    "forward time of the CUDA package on an RTX A6000",
                    figure="batch 64, 8 heads, p = 2: D = 32 0.11 s at N = 1000, 1.09 s at N = 10000; D = 64 0.32 s at "
                    "N = 1000",
                    needs="that GPU; growth with N is measured above",
                ),
            ),
        ),
        Entry(
            id="fast-attention-encoder",
            aliases=("fastmax-encoder",),
            kind="model",
            summary="encoder of long sequences with fastmax heads, in the shapes of the Long Range Arena",
            tags=("self", "linear", "transformer", "classification", "long-context"),
            build="networks:FastmaxEncoder",
            config="config:FastmaxEncoderConfig",
            example="networks:encoder_example",
            picture="pictures:encoder",
            ours=(
                "Vocabularies and classes of the Long Range Arena presets, and their documents, encoded one by one.",
            ),
            presets={
                **_LONG_RANGE_ARENA,
                "tiny": {**_FASTMAX_TINY, "max_length": 13, "vocab_size": 18, "num_classes": 10},
            },
            claims=(
                Claim(
                    "on the Long Range Arena fastmax with p = 2 is on a par with softmax",
                    figure="average close to 57 against 58; p = 1 slightly lower",
                    needs="the Long Range Arena's data and days of training on a GPU",
                ),
            ),
        ),
        Entry(
            id="fast-attention-gpt",
            aliases=("fastmax-gpt",),
            kind="model",
            summary="nanoGPT-style language model with fastmax heads; generates from a state of constant size",
            tags=("self", "linear", "causal", "transformer", "language-model"),
            build="networks:FastmaxGPT",
            config="config:FastmaxGPTConfig",
            example="networks:gpt_example",
            picture="pictures:gpt",
            presets={
                "nanogpt-char": {
                    "num_layers": 6,
                    "dim": 384,
                    "num_heads": 6,
                    "max_length": 256,
                    "vocab_size": 65,
                },
                "tiny": {**_FASTMAX_TINY, "max_length": 13, "vocab_size": 18},
            },
        ),
        Entry(
            id="fast-attention-vit",
            aliases=("fastmax-vit",),
            kind="model",
            summary="vision transformer with fastmax heads for small images, by patch or by pixel",
            tags=("self", "linear", "transformer", "vision", "classification"),
            build="networks:FastmaxViT",
            config="config:FastmaxViTConfig",
            example="networks:vit_example",
            picture="pictures:vit",
            ours=(
                "Sizes where the table has choices: width 32 and 49 patches.",
                "The row of 13 patches that the tiny preset reads.",
            ),
            presets={
                "mnist-vit": {"num_layers": 3, "dim": 32, "num_heads": 4, "image_size": 28, "patch_size": 4},
                "tiny": {**_FASTMAX_TINY, "image_size": 4, "image_width": 52, "patch_size": 4},
            },
            claims=(
                Claim(
                    "on MNIST fastmax with p = 2 is on a par with softmax",
                    figure="equal accuracy; p = 1 slightly lower",
                    needs="MNIST",
                ),
            ),
        ),
    ),
)
