"""What the paper promises and a machine can check; of trained models, on SmolLM2."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from zoo import Measurement
from zoo.bridges.transformers.packaged import packaged_model
from zoo.bridges.transformers.tiny import tiny_model
from zoo.evidence.measuring import quickest
from zoo.targets import require
from zoo_interpret.adaptive_long_context_heads.calibration import moments_of
from zoo_interpret.adaptive_long_context_heads.config import AdaptiveLongContextHeadsConfig
from zoo_interpret.adaptive_long_context_heads.masses import masses, windows
from zoo_interpret.adaptive_long_context_heads.method import AdaptiveLongContextHeads
from zoo_interpret.adaptive_long_context_heads.results import errors
from zoo_interpret.adaptive_long_context_heads.skipping import skipping_attention


def check_gaussian_keys() -> Measurement:
    """Relative error of the estimated mass of 20,000 Gaussian keys, and of the exact moments' prediction."""
    generator = torch.Generator().manual_seed(0)
    count, dim = 20_000, 16
    mixing = torch.randn(dim, dim, generator=generator, dtype=torch.double) / dim**0.5
    key = torch.randn(count, dim, generator=generator, dtype=torch.double) @ mixing + 0.3
    query = torch.randn(1, 1, 1, dim, generator=generator, dtype=torch.double)
    config = AdaptiveLongContextHeadsConfig(sink=0, local=1)
    found = masses(query, key[None, None], config, scale=dim**-0.5, moments=moments_of(key[None]))
    error = abs(float((found.log_bulk_estimate - found.log_bulk).double().expm1()))
    variance = float(found.score_variance)
    return Measurement(
        f"relative error {error:.2%} at a score variance of {variance:.2f}", error < 0.01 and variance > 0.1
    )


def check_cost() -> Measurement:
    """Seconds of the decision from given moments, and of the exact share, at 1,024 and at 65,536 keys."""
    config, dim = AdaptiveLongContextHeadsConfig(sink=16, local=256), 64
    generator = torch.Generator().manual_seed(0)
    covariance, mean = torch.eye(dim), torch.zeros(dim)
    seconds: dict[str, list[float]] = {"decision": [], "exact": []}
    for length in (1_024, 65_536):
        key = torch.randn(length, dim, generator=generator)
        query = torch.randn(dim, generator=generator)
        near = torch.cat((torch.arange(config.sink), torch.arange(length - config.local, length)))

        def decision(query: Tensor = query, key: Tensor = key, near: Tensor = near, length: int = length) -> Tensor:
            window = (key[near] @ query / dim**0.5).logsumexp(0)
            bulk = length - len(near)
            return torch.sigmoid(
                window - torch.tensor(bulk).log() - query @ mean / dim**0.5 - query @ covariance @ query / (2 * dim)
            )

        def exact(query: Tensor = query, key: Tensor = key) -> Tensor:
            return (key @ query / dim**0.5).logsumexp(0)

        seconds["decision"].append(_fastest(decision))
        seconds["exact"].append(_fastest(exact))
    ratios = {name: values[1] / values[0] for name, values in seconds.items()}
    return Measurement(
        f"64 times the keys take {ratios['decision']:.1f} times as long to decide, {ratios['exact']:.1f} times as long "
        "to sum exactly",
        ratios["decision"] < 2 and ratios["exact"] > 2 * ratios["decision"],
        "precomputed moments, one query, a window of 272 keys",
    )


def check_skipping() -> Measurement:
    """CPU seconds of a token's attention to 65,536 keys, fused and dense, and with QAdA that skips."""
    config, generator = AdaptiveLongContextHeadsConfig(), torch.Generator().manual_seed(0)
    heads, groups, keys, dim = 8, 2, 65_536, 64
    key, value = torch.randn(2, 1, groups, keys, dim, generator=generator)
    key[:, :, :4] = 0
    key[:, :, :4, 0] = 30.0
    moments = moments_of(key[0, :, config.sink :].double())
    times, worst = {}, 0.0
    for far in (0, 2, 8):
        query = 0.3 * torch.randn(1, heads, 1, dim, generator=generator)
        # Local heads look at the first tokens, the others turn away from them.
        query[..., 0] = torch.where(torch.arange(heads) < far, -6.0, 6.0)[None, :, None]

        def dense(query: Tensor = query) -> Tensor:
            return functional.scaled_dot_product_attention(query, key, value, enable_gqa=True)

        def skipping(query: Tensor = query) -> tuple[Tensor, Tensor]:
            return skipping_attention(query, key, value, config, scale=dim**-0.5, moments=moments)

        output, local = skipping()
        if int((~local).sum()) != far:
            return Measurement(f"{int((~local).sum())} heads read everything, {far} have to", False)
        worst = max(worst, float((output - dense()).abs().max()))
        times[far] = quickest(dense, 5) / quickest(skipping, 5)
    return Measurement(
        f"{times[0]:.0f} times as fast as fused dense attention with all of {heads} heads local, {times[2]:.1f} times "
        f"with two that read everything, {times[8]:.1f} times with all; outputs differ by {worst:.1e} at most",
        times[0] > 5 and times[2] > 1.5 and worst < 1e-3,
        f"one token, {keys:,} keys, windows of {config.sink} + {config.local}, precomputed moments, planted sinks",
    )


def _fastest(run: Callable[[], Tensor]) -> float:
    times = []
    for _ in range(40):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def planted_mixture(queries: int = 200, keys: int = 300, heads: int = 8) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries (1, heads, queries, dim), keys and values (1, heads, keys, dim), and which queries need far keys.

    Keys are Gaussian, but for the first tokens, which local queries find. Half of the heads have local queries alone;
    in the other half one query in five turns away from the first tokens, to all other keys alike.
    """
    generator = torch.Generator().manual_seed(0)
    dim = 16
    key = 0.5 * torch.randn(1, heads, keys, dim, generator=generator)
    value = torch.randn(1, heads, keys, dim, generator=generator)
    rates = torch.tensor([0.0, 0.2]).repeat(heads // 2)[:, None]
    far = torch.rand(1, heads, queries, generator=generator) < rates
    sinks = torch.zeros(dim)
    sinks[0] = 6.0
    key[:, :, :4] = sinks
    query = 0.5 * torch.randn(1, heads, queries, dim, generator=generator)
    query[..., 0] = torch.where(far, -6.0, 6.0)
    return query, key, value, far


def check_planted_mixture() -> Measurement:
    """Share of local decisions of adaptive and of static labels at equal output error, on planted heads."""
    query, key, value, far = planted_mixture()
    scale = query.shape[-1] ** -0.5
    config = AdaptiveLongContextHeadsConfig(sink=4, local=32)
    queries, keys = query.shape[2], key.shape[2]
    places = torch.arange(keys - queries, keys)[:, None]
    visible = torch.arange(keys)[None] <= places
    scores = query @ key.mT * scale
    full = scores.masked_fill(~visible, float("-inf")).softmax(-1) @ value
    inside = windows(queries, keys, config)
    near = scores.masked_fill(~inside, float("-inf")).softmax(-1) @ value
    found = masses(query, key, config, scale=scale)
    error = (near - full).square().sum(-1)
    adaptive = found.share_estimate >= 0.6
    allowed = float((error * adaptive).mean())
    # Static labels may call as many heads local as keep the same error.
    order = found.share.mean(-1)[0].argsort(descending=True).tolist()
    static = 0.0
    for count in range(1, len(order) + 1):
        chosen = torch.zeros(len(order))
        chosen[order[:count]] = 1.0
        if float((error * chosen[None, :, None]).mean()) <= allowed:
            static = count / len(order)
    rates = errors(adaptive, ~far)
    sparsity = float(adaptive.float().mean())
    return Measurement(
        f"at the same error {sparsity:.0%} local with adaptive labels, {static:.0%} with static ones; "
        f"{1 - rates['false_local']:.0%} of the queries that need far keys keep them",
        sparsity > 0.8 and static <= 0.6 and rates["false_local"] < 0.05,
        "8 planted heads; in half of them one query in five needs far keys",
    )


def check_extremes() -> Measurement:
    """Logits at tau = 0 and above 1, against all windows and the whole model."""
    model = tiny_model("llama")
    ids = torch.randint(3, 90, (2, 40), generator=torch.Generator().manual_seed(0))
    differences, sparsities = [], []

    def logits(criterion: str, tau: float) -> Tensor:
        config = AdaptiveLongContextHeadsConfig(criterion, sink=2, local=8, tau=tau)
        method = AdaptiveLongContextHeads(config)
        decisions = method.decide(model, ids)
        sparsities.append(decisions.sparsity(decided=True))
        with torch.no_grad(), method.attach(model, decisions):
            found: Tensor = model(ids).logits
        return found

    with torch.no_grad():
        whole = model(ids).logits
    everything, nothing, windowed = logits("qada", 0.0), logits("qada", 1.01), logits("all-local", 0.5)
    differences = [float((everything - windowed).abs().max()), float((nothing - whole).abs().max())]
    apart = float((windowed - whole).abs().max())
    return Measurement(
        f"tau = 0: {sparsities[0]:.0%} local, differs from all windows by {differences[0]:g}; tau > 1: "
        f"{sparsities[1]:.0%} local, differs from the model by {differences[1]:.1e}; windows and model by {apart:.2f}",
        differences[0] == 0.0 and differences[1] < 1e-5 < apart and sparsities[:2] == [1.0, 0.0],
        "among queries that have a bulk; the model's own attention is the fast one",
    )


def check_smollm2() -> Measurement:
    """SmolLM2 on a real text: loss, sparsity and agreement with the oracle, and static labels at the same sparsity."""
    model, tokenizer = packaged_model("smollm2")
    folder = Path(require("sklearn", needed_by="a text to read").__file__).parent / "datasets" / "descr"
    ids = tokenizer((folder / "breast_cancer.rst").read_text(encoding="utf-8"), return_tensors="pt")["input_ids"][
        :, :448
    ]

    def loss() -> float:
        with torch.no_grad():
            logits = model(ids).logits[0, :-1]
        return float(functional.cross_entropy(logits[128:], ids[0, 129:]))

    def config(criterion: str, tau: float = 0.6) -> AdaptiveLongContextHeads:
        options = {"sink": 8, "local": 64, "tau_static": tau, "tau": tau, "tau_oracle": tau}
        return AdaptiveLongContextHeads(AdaptiveLongContextHeadsConfig(criterion, **options))  # type: ignore[arg-type]

    whole = loss()
    found = config("qada").decide(model, ids)
    oracle = config("oracle").decide(model, ids)
    rates = errors(found.local[found.bulk.bool()[:, None, None].expand_as(found.local)],
                   oracle.local[found.bulk.bool()[:, None, None].expand_as(found.local)])  # fmt: skip
    sparsity = found.sparsity(decided=True)
    # The static threshold that calls as many pairs local.
    share = float(found.static_share.flatten().quantile(1 - sparsity))
    losses = {}
    for name, method, decisions in (("qada", config("qada"), found), ("oracle", config("oracle"), oracle),
                                    ("static", config("static", share), None)):  # fmt: skip
        decided = method.decide(model, ids) if decisions is None else decisions
        with method.attach(model, decided):
            losses[name] = loss()
    return Measurement(
        f"SmolLM2-135M at {sparsity:.0%} local: loss {whole:.3f} whole, {losses['qada']:.3f} QAdA, "
        f"{losses['static']:.3f} static; the oracle {losses['oracle']:.3f} at {oracle.sparsity(decided=True):.0%}; "
        f"QAdA agrees with it on {rates['agreement']:.0%}, wrongly local {rates['false_local']:.0%}, missed "
        f"{rates['missed_local']:.0%}",
        losses["qada"] < losses["static"] and rates["agreement"] > 0.8,
        "448 tokens of one text, 8 sinks and 64 local tokens instead of 16 and 1024; another model than the paper's",
    )
