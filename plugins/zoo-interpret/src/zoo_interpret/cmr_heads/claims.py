"""What the paper promises and a machine can check; of trained models, on SmolLM2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from zoo import Measurement
from zoo.bridges.transformers.packaged import packaged_model
from zoo.targets import require
from zoo_interpret.cmr_heads.ablation import compare_ablations
from zoo_interpret.cmr_heads.config import CmrHeadsConfig
from zoo_interpret.cmr_heads.heads import CmrHeads, HeadRecall
from zoo_interpret.cmr_heads.recall import associations, closed_crp, crp, simulate, simulated_crp
from zoo_interpret.planted import COPYING, DUPLICATE, INDUCTION, planted_model, repeated_tokens

ITEMS, START, MAX_LAG = 30, 10, 8
RATES = (0.2, 0.5, 0.8, 1.0)


def check_forward() -> Measurement:
    """Backward and zero lags of the closed form, and of simulated recalls."""
    backward, farthest = 0.0, 0.0
    for encoding in RATES:
        matrix = associations(ITEMS, encoding)
        curve = closed_crp(matrix, 1.0, START, MAX_LAG)
        uniforms = np.random.RandomState(0).random_sample((4000, 40))
        recalls = simulate(matrix, 1.0, 0.0, np.full(4000, START), uniforms)
        simulated = simulated_crp(recalls, START, MAX_LAG)
        backward = max(backward, curve[: MAX_LAG + 1].max(), simulated[: MAX_LAG + 1].max())
        farthest = max(farthest, float(np.abs(curve - simulated).max()))
    return Measurement(
        f"largest CRP at lags <= 0 {backward:g}; simulated and closed curves differ by {farthest:.3f}",
        bool(backward == 0.0) and farthest < 0.08,
        "the simulation averages over runs, the closed form over steps",
    )


def check_symmetric() -> Measurement:
    """Difference of forward and backward lags of the closed form, and of simulated recalls."""
    exact, simulated = 0.0, 0.0
    for encoding in RATES:
        matrix = associations(ITEMS, encoding)
        curve = closed_crp(matrix, 0.0, START, MAX_LAG)
        exact = max(exact, float(np.abs(curve - curve[::-1]).max()))
        recalls = simulate(matrix, 0.0, 0.0, np.full(4000, START), np.random.RandomState(0).random_sample((4000, 40)))
        # Without drift every recall is drawn anew from one distribution: the first step of a run is another thing.
        pairs = recalls[:, 1:] - recalls[:, :-1]
        real = (recalls[:, 1:] >= 0) & (recalls[:, :-1] >= 0)
        forward, backward = ((pairs[real] == sign).mean() for sign in (1, -1))
        simulated = max(simulated, abs(float(forward - backward)))
    return Measurement(
        f"closed form {exact:g}; simulated transitions by one step {simulated:.3f}", exact == 0.0 and simulated < 0.01
    )


def check_ideal() -> Measurement:
    """CRP at lag +1 for b_enc = b_rec = 1, g = 0."""
    curve = closed_crp(associations(ITEMS, 1.0), 1.0, START, MAX_LAG)
    return Measurement(f"{curve[MAX_LAG + 1]:g} at lag +1", bool(curve[MAX_LAG + 1] == 1.0))


def check_published_curve() -> Measurement:
    """The curve at b_enc = 0.55, b_rec = 0.5, g = 0, averaged over the first 20 starts."""
    generator = np.random.RandomState(0)
    curve = crp(100, 0.55, 0.5, 0.0, range(20), max_lag=8, runs=300, samples=100, generator=generator)
    wanted = {0: 0.105, 1: 0.281, 2: 0.148, 8: 0.0094}
    found = {lag: float(curve[8 + lag]) for lag in wanted}
    words = ", ".join(f"{value:.4f} at {lag:+d}" for lag, value in found.items())
    return Measurement(words, all(abs(found[lag] - wanted[lag]) < 0.01 for lag in wanted), "300 runs of each start")


def _planted(curve: str) -> HeadRecall:
    config = CmrHeadsConfig(curve=curve, fit_lags=5, max_lag=8, encoding_steps=4, retrieval_steps=4)
    return CmrHeads(config)(planted_model(), repeated_tokens())


def check_planted_heads() -> Measurement:
    """Distances of a planted induction head, a duplicate-token head, and a head without scores."""
    found = {curve: _planted(curve) for curve in ("scores", "weights")}
    nearest = {name: max(float(each.distance[place]) for each in found.values())
               for name, place in (("induction", INDUCTION), ("duplicate-token", DUPLICATE))}  # fmt: skip
    uniform = float(found["scores"].distance[1, 3])
    parameters = found["weights"].parameters[INDUCTION].tolist()
    copying = found["weights"].copying_score
    assert copying is not None
    words = ", ".join(f"{name} head {value:.4f}" for name, value in nearest.items())
    return Measurement(
        f"{words}, uniform head {uniform:g}; the induction head's b_enc, b_rec, g: {parameters}; copying scores of the "
        f"planted copying heads {float(copying[INDUCTION]):.2f} and {float(copying[COPYING]):.2f}",
        max(nearest.values()) < 0.01 and uniform > 0.5 and parameters == [1.0, 1.0, 0.0]
        and min(float(copying[INDUCTION]), float(copying[COPYING])) > 0.99,
    )  # fmt: skip


def _smollm2() -> tuple[torch.nn.Module, object, HeadRecall]:
    model, tokenizer = packaged_model("smollm2")
    return model, tokenizer, CmrHeads(CmrHeadsConfig(repeat_length=40, prompts=4))(model)


def check_depth() -> Measurement:
    """Share of SmolLM2's heads with distance below 0.5, by thirds of its layers."""
    _, _, found = _smollm2()
    first, middle, last = found.share_by_depth()
    heads = found.distance.shape[1]
    best = int(found.induction_matching.argmax())
    place = divmod(best, heads)
    return Measurement(
        f"SmolLM2-135M: {first:.0%}, {middle:.0%}, {last:.0%} of heads in the first, middle and last third",
        middle > max(first, last),
        f"another model than the paper's; its strongest induction head {place[0]}.{place[1]} has matching score "
        f"{float(found.induction_matching[place]):.2f} and distance {float(found.distance[place]):.2f}",
    )


def check_ablation() -> Measurement:
    """In-context learning scores of SmolLM2 without its 27 most CMR-like heads, and without 27 random ones."""
    model, tokenizer, found = _smollm2()
    folder = Path(require("sklearn", needed_by="texts to read").__file__).parent / "datasets" / "descr"
    texts = [file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.rst"))]
    rows = [tokenizer(text, return_tensors="pt")["input_ids"][:, :501] for text in texts]  # type: ignore[operator]
    rows = [ids for ids in rows if ids.shape[1] == 501]
    count, heads = round(0.1 * found.distance.numel()), found.distance.shape[1]
    chosen = [divmod(index, heads) for index in found.distance.flatten().argsort()[:count].tolist()]
    scores = compare_ablations(model, rows, chosen)
    means = [float(values.mean()) for values in scores.arrays().values()]
    return Measurement(
        f"SmolLM2-135M, late minus early loss: whole {means[0]:+.2f}, without the {count} most CMR-like heads "
        f"{means[1]:+.2f}, without random ones {means[2]:+.2f}; p = {scores.p_value:.3f}",
        means[1] > means[2] and scores.p_value < 0.05,
        f"{len(rows)} descriptions of scikit-learn's data sets instead of 1000 C4 texts; not the paper's model",
    )
