"""The facts of CAT: Causal Attention Tuning For Injecting Fine-grained Causal Knowledge into LLMs."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="cat",
    title="CAT: Causal Attention Tuning For Injecting Fine-grained Causal Knowledge into Large Language Models",
    arxiv="2509.01535",
    year=2025,
    code=__package__,
    repo="Kairong-Han/CAT",
    commit="f85ae12",
    fidelity="reference",
    replay="conversion:replay",
    entries=(
        Entry(
            id="cat",
            kind="method",
            summary="a loss that turns a language model's attention to tokens that are known to be causal",
            tags=("interpretability", "intervention", "fine-tuning", "causality", "decoder"),
            build="tuning:CausalAttentionTuning",
            config="config:CatConfig",
            example="tuning:example",
            picture="pictures:tuning",
            ours=(
                "The trainer: the repository has none; gamma falls as the paper describes.",
                "Samples without rows that count are left out of `smoothed`, and the loss is 0 where nothing counts.",
                "In `div` the attention to other keys is at least 1e-8.",
            ),
            presets={
                "paper": {},
                "smoothed": {"reduction": "smoothed"},
                "hinge": {"form": "hinge"},
                "tiny": {},
            },
            claims=(
                Claim(
                    "the loss is zero where causal tokens get alpha times the average attention of the others",
                    figure="exact",
                    check="claims:check_zero_loss",
                ),
                Claim(
                    "a gradient step on the loss raises the ratio of attention to causal and other keys",
                    figure="monotone in 20 steps",
                    check="claims:check_gradient_steps",
                ),
                Claim(
                    "a planted spurious token loses its influence",
                    figure="its attention and its effect vanish",
                    check="claims:check_planted_spurious_token",
                ),
                Claim(
                    "accuracy out of distribution rises on STG (here tiny Llamas trained from nothing)",
                    figure="Llama-3.1-8B STG_M 64.5 -> 90.5",
                    check="claims:check_tiny_llama_on_stg",
                    slow=True,
                ),
                Claim(
                    "attention to causal words grows in a trained model (here SmolLM2-135M)",
                    figure="it grows",
                    check="claims:check_trained_model",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "accuracy out of distribution rises for large models",
                    figure="Llama-3.1-8B STG_M 64.5 -> 90.5; Qwen STG_H 25.4 -> 55.9; on average +5.76% on STG",
                    needs="the weights of Llama-3.1-8B and Qwen2.5-1.5B, and a GPU",
                ),
            ),
        ),
        Entry(
            id="cat-stg",
            kind="benchmark",
            summary="the Spurious Token Game: answers that follow causes, and features that stop following them",
            tags=("evaluation", "causality", "out-of-distribution"),
            build="benchmark:SpuriousTokenGame",
            config="config:StgConfig",
            example="benchmark:example",
            picture="pictures:game",
            differences=(
                "In the code Middle Risk is a value of exactly 2.7, which hardly happens; `middle_band` is what was "
                "meant.",
            ),
            presets={
                "stg-l": {},
                "stg-m": {"train_samples": 800},
                "stg-s": {"train_samples": 400},
                "stg-h": {
                    "game": "stg_h",
                    "train_samples": 3000,
                    "iid_samples": 1000,
                    "ood_samples": 1000,
                    "pool": 4000,
                },
                "tiny": {"train_samples": 20, "iid_samples": 10, "ood_samples": 10, "pool": 30},
            },
            claims=(
                Claim(
                    "spurious features stop predicting out of distribution",
                    figure="correlation of Smoking and Yellow fingers about 1 in, about 0 out of distribution",
                    check="claims:check_spurious_features",
                ),
            ),
        ),
    ),
)
