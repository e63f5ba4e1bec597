"""The facts of Circuit Component Reuse Across Tasks in Transformer Language Models."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="circuit-reuse",
    title="Circuit Component Reuse Across Tasks in Transformer Language Models",
    arxiv="2310.08744",
    year=2024,
    code=__package__,
    license="MIT",
    repo="jmerullo/circuit_reuse",
    commit="e7cc30e",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "The scripts report -100 times the effect, averaged over batches of 25; here effects are shares of the "
        "difference between the runs.",
        "The reference folds layer norms and centres the unembedding; effects do not depend on it.",
    ),
    ours=(
        "The sentences with indirect objects: the generator that the authors import is not in their repository; ours "
        "has as many templates, names, places and objects.",
        "Objects of the two examples of Colored Objects are disjoint, as their colours are.",
        "Where only the last token is patched, what stands before it is computed once and cached.",
        "`direct_effects`: all paths to the logits without feed-forward networks from two runs.",
        "The default threshold of 2% for heads in a circuit.",
    ),
    entries=(
        Entry(
            id="circuit-reuse",
            kind="method",
            summary="path patching, circuits of two tasks and their overlap, and heads steered to chosen tokens",
            tags=(
                "interpretability",
                "path-patching",
                "training-free",
                "mover-head",
                "name-mover-head",
                "inhibition-head",
                "induction-head",
                "duplicate-head",
                "previous-head",
                "content-gatherer-head",
                "negative-name-mover-head",
            ),
            build="method:CircuitReuse",
            config="config:CircuitReuseConfig",
            example="method:example",
            picture="pictures:effects",
            presets={
                "gpt2-medium": {"steered": ["12.3", "13.4", "13.13", "19.1"]},
                "tiny": {"steered": ["0.1", "1.2"]},
            },
            claims=(
                Claim(
                    "path patching a sender with identical clean and corrupt runs changes nothing",
                    figure="effect exactly 0",
                    check="claims:check_identical_sender",
                ),
                Claim(
                    "patching every path at once reproduces the corrupt run",
                    figure="normalised effect 1",
                    check="claims:check_every_path",
                ),
                Claim(
                    "the keys of a planted induction head come from the previous-token head alone",
                    figure="by construction 1 and 0",
                    check="claims:check_planted_path",
                ),
                Claim(
                    "a planted induction head that is steered to a token makes the model answer that token",
                    figure="by construction always",
                    check="claims:check_steered_head",
                ),
                Claim(
                    "the overlap metric of given circuits",
                    figure="by construction 0.7, 7/9, 7/8",
                    check="claims:check_overlap",
                ),
                Claim(
                    "mover heads look at the indirect object",
                    figure="in GPT-2; no share stated",
                    check="claims:check_name_movers",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "heads that write the answer are reused between the two tasks",
                    figure="about 78% of in-circuit heads on GPT-2 medium, all roles",
                    check="claims:check_shared_movers",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "indirect-object and Colored Objects circuits overlap",
                    figure="about 78% of in-circuit heads",
                    needs="the pre-trained gpt2-medium, and the paper's thresholds, which are in its figures only",
                ),
                Claim(
                    "steering four middle-layer heads repairs Colored Objects",
                    figure="49.6% -> 93.7% accuracy",
                    needs="the pre-trained gpt2-medium",
                ),
            ),
        ),
    ),
)
