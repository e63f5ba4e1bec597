"""What the paper promises and a machine can check; of trained models, on SmolLM2, which has rotary positions."""

from __future__ import annotations

import torch

from zoo import Measurement
from zoo.bridges.transformers.packaged import packaged_model
from zoo.bridges.transformers.paths import logit_difference
from zoo_interpret.indirect_objects import indirect_object_batch
from zoo_interpret.planted import INDUCTION, PREVIOUS, planted_model, repeated_tokens
from zoo_interpret.sparse_attention_decomposition.config import SparseAttentionDecompositionConfig
from zoo_interpret.sparse_attention_decomposition.interventions import intervening, signal
from zoo_interpret.sparse_attention_decomposition.running import Running, run
from zoo_interpret.sparse_attention_decomposition.tracing import Edge, SparseAttentionDecomposition, Trace, example


def _traced(most: int = 40) -> tuple[torch.nn.Module, torch.Tensor, Running, Trace]:
    """The example's model with sharp attention, and its trace."""
    config = SparseAttentionDecompositionConfig(most=most)
    case = example(config, batch_size=4)
    model, ids = case["model"], case["inputs"]["input_ids"]
    running = run(model, ids)
    return model, ids, running, SparseAttentionDecomposition(config).trace(running, "GPT2LMHeadModel")


def check_terms_sum() -> Measurement:
    """Largest relative difference of the terms' sum and the score that a tiny GPT-2 computes."""
    _, _, running, trace = _traced()
    worst = 0.0
    for (prompt, layer, head, destination, source), terms in zip(trace.firings.tolist(), trace.terms, strict=True):
        score = float(running.scores[layer][prompt, head, destination, source])
        worst = max(worst, abs(float(terms.sum()) - score) / abs(score))
    return Measurement(f"{worst:.1e} over {len(trace.terms)} firings", worst < 1e-5)


def check_sparse() -> Measurement:
    """Kept terms of the firings of a tiny random GPT-2, which has 8 of them."""
    _, _, _, trace = _traced()
    mean = float(trace.terms_used.sum(1).mean())
    return Measurement(f"{mean:.1f} of {trace.terms.shape[1]} terms on a tiny random GPT-2", 1 <= mean < 4)


def check_planted_source() -> Measurement:
    """Who wrote what a planted induction head finds at its source: contributions of all heads before it."""
    model, ids = planted_model(), repeated_tokens()
    # One term is the whole score, which nothing exceeds: nine tenths of it are asked for.
    trace = SparseAttentionDecomposition(SparseAttentionDecompositionConfig(fraction=0.9))(
        model, ids, heads=[INDUCTION]
    )
    late = trace.firings[:, 3] > 11
    own = trace.contributions_source[late][:, PREVIOUS[0], PREVIOUS[1]]
    kept = trace.kept_source[late]
    alone = (kept[:, PREVIOUS[0], PREVIOUS[1]] == 1) & (kept.sum((1, 2)) == 1)
    others = trace.contributions_source[late].abs().sum((1, 2)) - own.abs()
    share = float((others / own).max())
    return Measurement(
        f"the previous-token head is the only edge of {int(alone.sum())} of {len(alone)} firings; all other heads "
        f"together contribute at most {share:.1e} of what it does",
        bool(alone.all()) and share < 1e-4,
    )


def _changes(control: bool) -> torch.Tensor:
    """Scores (firings, 2) before and after the largest destination signal of each firing is taken away."""
    model, ids, running, trace = _traced(24)
    rows = []
    for row, (prompt, layer, head, destination, source) in enumerate(trace.firings.tolist()):
        place = divmod(int(trace.contributions_destination[row].argmax()), trace.kept_source.shape[2])
        edge = Edge(prompt, place, (layer, head), destination, "destination", 0.0, row)
        kept = int(trace.terms_used[row].sum())
        if 2 * kept > trace.terms.shape[1]:
            continue
        found = signal(running, trace, edge, control=row if control else None)
        with intervening(model, running, found):
            changed = run(model, ids)
        pair = [each.scores[layer][prompt, head, destination, source] for each in (running, changed)]
        rows.append(torch.stack(pair) / running.sites[0].head_dim ** 0.5)
    return torch.stack(rows)


def check_ablated_signal() -> Measurement:
    """Downstream scores of a tiny GPT-2 without the largest kept signal at the destination."""
    scores = _changes(control=False)
    fell = float((scores[:, 1] < scores[:, 0]).float().mean())
    before, after = scores.mean(0).tolist()
    return Measurement(
        f"mean score {before:.2f} -> {after:.2f}, lower at {fell:.0%} of {len(scores)} firings",
        fell > 0.9 and after < before,
        "a tiny random GPT-2 with sharp attention; the figure is of the recording's, which replays",
    )


def check_random_vectors() -> Measurement:
    """The same with as many random singular vectors that were not kept."""
    chosen, control = _changes(control=False), _changes(control=True)
    falls = [float((scores[:, 0] - scores[:, 1]).mean()) for scores in (chosen, control)]
    return Measurement(
        f"mean fall {falls[0]:.2f} with the kept vectors, {falls[1]:.2f} with random ones",
        abs(falls[1]) < 0.25 * falls[0],
    )


def check_smollm2_terms() -> Measurement:
    """Kept terms of the firings of SmolLM2's name movers' layers and those before, on indirect-object sentences."""
    model, tokenizer = packaged_model("smollm2")
    batch = indirect_object_batch(tokenizer, 4)
    config = SparseAttentionDecompositionConfig(most=400)
    trace = SparseAttentionDecomposition(config)(model, batch.clean)
    used = trace.terms_used.sum(1)
    below = float((used <= trace.terms.shape[1] / 4).float().mean())
    return Measurement(
        f"SmolLM2-135M: {float(used.mean()):.1f} of {trace.terms.shape[1]} terms on average, at most a quarter at "
        f"{below:.0%} of {len(used)} firings",
        float(used.mean()) < trace.terms.shape[1] / 4,
        "4 sentences; rotary positions: one decomposition for each offset; another model than the paper's",
    )


# Found by path patching (see circuit-reuse): heads of SmolLM2 that look at the indirect object and write it.
SMOLLM2_MOVERS = ((23, 0), (23, 1), (23, 2), (23, 7))


def check_smollm2_edges() -> Measurement:
    """Change of SmolLM2's logit difference when signals into its name movers at the last token go, or are doubled."""
    model, tokenizer = packaged_model("smollm2")
    batch = indirect_object_batch(tokenizer, 12)
    running = run(model, batch.clean)
    probe = SparseAttentionDecomposition(SparseAttentionDecompositionConfig(attention_threshold=0.4))
    trace = probe.trace(running, "SmolLM2", SMOLLM2_MOVERS)
    end = batch.clean.shape[1] - 1
    rows = [row for row, firing in enumerate(trace.firings.tolist())
            if firing[3] == end and firing[4] == int(batch.positions["IO"][firing[0]])]  # fmt: skip
    effects: dict[str, list[float]] = {"ablate": [], "boost": [], "control": []}
    for row in rows:
        edges = [edge for edge in trace.edges([row]) if edge.side == "destination"]
        edge = max(edges, key=lambda each: each.contribution)
        metric = logit_difference(batch.answers[edge.prompt : edge.prompt + 1])
        ids = batch.clean[edge.prompt : edge.prompt + 1]
        one = run(model, ids)
        alone = Edge(0, edge.upstream, edge.downstream, edge.token, edge.side, edge.contribution, 0)
        single = Trace(*(values[row : row + 1].clone() for values in trace.arrays().values()))
        single.firings[0, 0] = 0
        with torch.no_grad():
            base = float(metric(model(ids)))
            for name, how, control in (
                ("ablate", "ablate", None),
                ("boost", "boost", None),
                ("control", "ablate", row),
            ):
                found = signal(one, single, alone, control=control)
                with intervening(model, one, found, how=how):  # type: ignore[arg-type]
                    effects[name].append(float(metric(model(ids))) - base)
    means = {name: sum(values) / max(len(values), 1) for name, values in effects.items()}
    return Measurement(
        f"SmolLM2-135M, {len(rows)} firings of name movers at the indirect object: logit difference "
        f"{means['ablate']:+.3f} without their largest signal, {means['boost']:+.3f} with it doubled, "
        f"{means['control']:+.3f} without random vectors of it",
        len(rows) > 0 and means["ablate"] * means["boost"] < 0 and abs(means["control"]) < abs(means["ablate"]),
        "12 sentences; another model than the paper's",
    )
