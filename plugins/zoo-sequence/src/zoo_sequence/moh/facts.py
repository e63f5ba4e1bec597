"""The facts of MoH: Multi-Head Attention as Mixture-of-Head Attention."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Traits, Weights

_GATES = (
    "The paper writes plain softmax gates; the code multiplies by the numbers of shared and of chosen heads and by 2 "
    "and renormalises the chosen gates. The weights were trained with the code's form, which is ours."
)
_ONE_SHARED_HEAD = (
    "With one shared head there is nothing to weigh and its gate is 1, in MoH-DiT as in the MoH-ViT code."
)
_BASELINE = "gated=False builds the plain-attention baseline under the same names."
_SKIP = "skip=False computes every head, as the code does."
_UNSEEN = "Published by the authors; the file was not seen here, so its tensor names are those of their code."


def _runs(*runs: tuple[int, int]) -> list[int]:
    """One number per layer, from runs of (number, layers)."""
    return [number for number, layers in runs for _ in range(layers)]


_DIT_XL = {"dim": 1152, "num_layers": 28, "num_heads": _runs((8, 9), (16, 10), (24, 9)), "head_dim": 72}

_DIT_L = {"dim": 1024, "num_layers": 24, "num_heads": _runs((8, 8), (16, 8), (24, 8)), "head_dim": 64}

_DIT_B = {"dim": 768, "num_layers": 12, "num_heads": [12]}

_DIT_S = {"dim": 384, "num_layers": 12, "num_heads": [6]}

_VIT_S = {"dims": [72, 144, 288, 576], "num_heads": [3, 6, 12, 24], "depths": [5, 5, 22, 5], "drop_path": 0.45}

_VIT_B = {"dims": [96, 192, 384, 768], "num_heads": [4, 8, 16, 32], "depths": [5, 5, 23, 5], "drop_path": 0.60}

PAPER = Paper(
    id="moh",
    title="MoH: Multi-Head Attention as Mixture-of-Head Attention",
    arxiv="2410.11842",
    year=2024,
    code=__package__,
    license="Apache-2.0",
    repo="SkyworkAI/MoH",
    commit="2cefd57",
    replay="conversion:replay",
    differences=("The code computes every head and multiplies unchosen ones by zero; here they are left out.",),
    entries=(
        Entry(
            id="moh",
            aliases=("moh-attention",),
            kind="attention",
            summary="multi-head attention in which every token picks and weighs the heads it reads",
            tags=("self", "single-level", "soft", "single", "scaled-dot", "softmax", "multi-head", "sparse", "routing"),
            traits=Traits(
                causal="optional", time="n^2", memory="n^2", decoding="recompute", parameters="a router of heads"
            ),
            build="attention:MoHAttention",
            config="config:MoHConfig",
            example="attention:example",
            differences=(_GATES,),
            ours=(
                _ONE_SHARED_HEAD,
                "The layer's default head counts: a quarter shared, half of all heads on.",
                _BASELINE,
                _SKIP,
            ),
            presets={"tiny": {"dim": 24, "num_heads": 6, "shared_heads": 2, "routed_heads": 2}},
            claims=(
                Claim(
                    "multi-head attention is a sum over heads: concat(H_1..H_h) W_O = sum_i H_i W_O^i",
                    figure="max abs difference < 1e-5",
                    check="claims:check_sum_over_heads",
                ),
                Claim(
                    "MoH with all heads chosen and unit gates equals multi-head attention",
                    figure="< 1e-5",
                    check="claims:check_unit_gates",
                ),
                Claim(
                    "the gates of a token sum to h_s a1 + k a2 with a1 + a2 = 2",
                    figure="exact identity",
                    check="claims:check_gate_sum",
                ),
                Claim(
                    "leaving out unchosen heads gives what computing all of them gives",
                    figure="exact; ours: output and gradients < 1e-5",
                    check="claims:check_skipping_is_exact",
                ),
                Claim(
                    "unchosen heads are work saved: half of the heads take half of the attention time",
                    figure="ratio about 0.5 with 8 of 16 heads on",
                    check="claims:check_head_time",
                    slow=True,
                ),
            ),
        ),
        Entry(
            id="moh-dit",
            kind="model",
            summary="class-conditional latent diffusion transformer with mixture-of-head attention",
            tags=("self", "transformer", "diffusion", "generation", "routing"),
            build="dit:MoHDiT",
            config="config:MoHDiTConfig",
            example="dit:dit_example",
            picture="pictures:dit",
            differences=(_GATES,),
            ours=(_ONE_SHARED_HEAD, _BASELINE),
            presets={
                "tiny": {
                    "input_size": 8,
                    "dim": 24,
                    "num_layers": 2,
                    "num_heads": [2, 4],
                    "head_dim": 6,
                    "shared_heads": [2, 2],
                    "routed_heads": [0, 1],
                    "mlp_ratio": 2.0,
                    "num_classes": 9,
                },
                "XL/2-90": _DIT_XL | {"shared_heads": _runs((8, 9), (16, 19)), "routed_heads": _runs((0, 19), (3, 9))},
                "XL/2-75": _DIT_XL
                | {"shared_heads": _runs((8, 9), (10, 10), (14, 9)), "routed_heads": _runs((0, 9), (2, 19))},
                "L/2-90": _DIT_L | {"shared_heads": _runs((8, 8), (16, 16)), "routed_heads": _runs((0, 16), (3, 8))},
                "L/2-75": _DIT_L | {"shared_heads": _runs((8, 16), (12, 8)), "routed_heads": _runs((0, 8), (4, 16))},
                "B/2-90": _DIT_B
                | {"shared_heads": _runs((6, 5), (7, 5), (12, 2)), "routed_heads": _runs((4, 10), (0, 2))},
                "B/2-75": _DIT_B
                | {"shared_heads": _runs((4, 2), (6, 8), (12, 2)), "routed_heads": _runs((2, 2), (3, 8), (0, 2))},
                "S/2-90": _DIT_S | {"shared_heads": _runs((3, 8), (6, 4)), "routed_heads": _runs((2, 8), (0, 4))},
                "S/2-75": _DIT_S
                | {"shared_heads": _runs((2, 2), (3, 8), (6, 2)), "routed_heads": _runs((1, 6), (2, 4), (0, 2))},
            },
            weights={
                "XL/2-90": Weights(
                    "hf://Chat-UniVi/MoH-DiT-XL-90",
                    convert="conversion:convert",
                    default=False,
                    note=_UNSEEN,
                ),
            },
            claims=(
                Claim(
                    "share of heads that are on",
                    figure="XL/2-90: 403/448 = 90.0%, XL/2-75: 336/448 = 75.0%",
                    check="claims:check_dit_heads",
                ),
                Claim(
                    "image quality: FID 8.56 at 90% of the heads against 9.62 of DiT-XL/2",
                    figure="FID 8.56 (guided 2.94)",
                    needs="ImageNet statistics and the published weights",
                ),
            ),
        ),
        Entry(
            id="moh-llama",
            kind="model",
            summary="Llama whose heads are routed by query norm: 24 of 32 heads, no new parameter",
            tags=("self", "causal", "transformer", "language-model", "routing"),
            build="llama:MoHLlama",
            config="config:MoHLlamaConfig",
            example="llama:llama_example",
            picture="pictures:llama",
            presets={
                "tiny": {
                    "vocab_size": 64,
                    "dim": 32,
                    "num_layers": 2,
                    "num_heads": 8,
                    "num_kv_heads": 4,
                    "hidden_dim": 88,
                    "max_length": 128,
                },
                "llama3-8b": {
                    "vocab_size": 128_256,
                    "dim": 4096,
                    "num_layers": 32,
                    "num_heads": 32,
                    "num_kv_heads": 8,
                    "hidden_dim": 14_336,
                    "max_length": 8192,
                    "rope_theta": 500_000.0,
                },
            },
            weights={
                "llama3-8b": Weights("hf://Chat-UniVi/MoH-LLaMA3-8B", default=False, note=_UNSEEN),
            },
            claims=(
                Claim(
                    "share of heads that are on",
                    figure="24/32 = 75% in every layer",
                    check="claims:check_llama_heads",
                ),
                Claim(
                    "MoH-LLaMA3-8B beats LLaMA3-8B over 14 benchmarks",
                    figure="64.0 on average, +2.4",
                    needs="the published 8B weights and the 14 benchmarks",
                ),
            ),
        ),
        Entry(
            id="moh-llama-attention",
            kind="attention",
            summary="attention whose second half of heads is chosen per token by query norm, without a router",
            tags=("self", "causal", "single-level", "soft", "single", "scaled-dot", "softmax", "sparse", "routing"),
            traits=Traits(causal="optional", time="n^2", memory="n", decoding="cache"),
            build="llama:QueryNormAttention",
            config="config:QueryNormConfig",
            example="llama:layer_example",
            functional="llama:query_norm_attention",
            presets={"tiny": {"dim": 32, "num_heads": 8, "num_kv_heads": 4}},
        ),
        Entry(
            id="moh-vit",
            kind="model",
            summary="image classifier of four stages (TransNeXt) with mixture-of-head attention",
            tags=("self", "transformer", "vision", "classification", "local", "routing"),
            build="vit:MoHViT",
            config="config:MoHViTConfig",
            example="vit:vit_example",
            picture="pictures:vit",
            differences=(_GATES,),
            ours=(_ONE_SHARED_HEAD, _SKIP),
            presets={
                "tiny": {
                    "image_size": 64,
                    "dims": [8, 12, 16, 24],
                    "num_heads": [2, 3, 4, 6],
                    "shared_heads": [2, 1, 2, 2],
                    "routed_heads": [0, 1, 1, 2],
                    "mlp_ratios": [2, 2, 2, 2],
                    "depths": [1, 1, 1, 1],
                    "num_classes": 7,
                },
                "s-80": _VIT_S | {"shared_heads": [3, 6, 3, 8], "routed_heads": [0, 0, 6, 12]},
                "s-75": _VIT_S | {"shared_heads": [3, 6, 3, 4], "routed_heads": [0, 0, 6, 12]},
                "b-75": _VIT_B | {"shared_heads": [4, 8, 4, 5], "routed_heads": [0, 0, 8, 16]},
                "b-50": _VIT_B | {"shared_heads": [2, 2, 2, 4], "routed_heads": [2, 4, 6, 8]},
            },
            weights={
                preset: Weights(
                    f"hf://Chat-UniVi/MoH-ViT-{preset.upper()}",
                    convert="conversion:convert",
                    default=False,
                    note=_UNSEEN,
                )
                for preset in ("b-75", "b-50", "s-80", "s-75")
            },
            claims=(
                Claim(
                    "share of heads that are on",
                    figure="S-80: 343/429 = 80.0%, S-75: 75.3%, B-75: 441/588 = 75.0%, B-50: 50%",
                    check="claims:check_vit_heads",
                ),
                Claim(
                    "nearly no extra parameters: gates cost C (h_s + h_r + 2) per layer",
                    figure="under 0.2% of MoH-ViT-B",
                    check="claims:check_gate_parameters",
                ),
                Claim(
                    "ImageNet-1K accuracy at fewer heads: S 84.7 (80%), B 84.9 (75%) and 84.7 (50%)",
                    figure="TransNeXt-S/B 84.7/84.8",
                    needs="ImageNet-1K and the published weights",
                ),
            ),
        ),
    ),
)
