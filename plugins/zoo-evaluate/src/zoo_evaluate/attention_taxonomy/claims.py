"""What the survey promises and a machine can check."""

from __future__ import annotations

from typing import Any

import torch

from zoo import Measurement, catalogue
from zoo.errors import InputError
from zoo.nn.sparse_softmax import sparsemax
from zoo_evaluate.attention_taxonomy.config import AttentionCoreConfig
from zoo_evaluate.attention_taxonomy.core import AttentionCore
from zoo_evaluate.attention_taxonomy.examples import EXAMPLES
from zoo_evaluate.attention_taxonomy.records import classify, from_dict


def check_catalogue() -> Measurement:
    """Classify every attention entry of the installed catalogue."""
    failures, count = [], 0
    for offer in catalogue.current().offers:
        if offer.entry.kind == "attention":
            count += 1
            try:
                classify(offer)
            except InputError as error:
                failures.append(str(error))
    return Measurement(
        f"{count - len(failures)} of {count} attention entries have a value on every axis",
        not failures,
        "; ".join(failures),
    )


def check_examples() -> Measurement:
    """Round trip of the worked examples through the validator."""
    kept = [from_dict(entry.to_dict()) == entry for entry in EXAMPLES]
    return Measurement(f"{sum(kept)} of {len(kept)} worked examples round-trip", all(kept))


def _core(alignment: str, dim: int = 2, **options: Any) -> AttentionCore:
    return AttentionCore(AttentionCoreConfig(alignment, dim_q=dim, dim_k=dim, dim_v=dim, **options)).double()


def check_identities() -> Measurement:
    """Alignments that become one another."""
    torch.manual_seed(0)
    query, key = torch.randn(2, 3, 6, dtype=torch.float64), torch.randn(2, 5, 6, dtype=torch.float64)
    parts: dict[str, Any] = {name: _core(name, 6, act="identity") for name in (
        "dot", "scaled-dot", "general", "biased-general", "activated-general")}  # fmt: skip
    general, biased, activated = (parts[name] for name in ("general", "biased-general", "activated-general"))
    differences = [
        float((parts["scaled-dot"].energies(query, key) - parts["dot"].energies(query, key) / 6**0.5).abs().max())
    ]
    with torch.no_grad():
        general.weight.copy_(torch.randn(6, 6))
        biased.weight.copy_(general.weight)
        biased.bias.zero_()
        differences.append(float((biased.energies(query, key) - general.energies(query, key)).abs().max()))
        biased.bias.copy_(torch.randn(6))
        activated.weight.copy_(biased.weight)
        activated.bias.copy_(biased.bias)
        differences.append(float((activated.energies(query, key) - biased.energies(query, key)).abs().max()))
        general.weight.copy_(torch.eye(6))
        differences.append(float((general.energies(query, key) - parts["dot"].energies(query, key)).abs().max()))
    return Measurement(f"largest difference {max(differences):.1e}", max(differences) < 1e-12)


def check_tiny_cases() -> Measurement:
    """Weights of q = (1, 0) over the keys (1, 0), (0, 1), (1, 1)."""
    query = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64)
    key = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]], dtype=torch.float64)
    expected = {
        "dot": (0.42232, 0.15536, 0.42232),
        "scaled-dot": (0.40111, 0.19778, 0.40111),
        "similarity": (0.47304, 0.17402, 0.35294),
        "additive": (0.20446, 0.35765, 0.43789),
    }
    worst = 0.0
    for name, figures in expected.items():
        core = _core(name)
        with torch.no_grad():
            if name == "additive":
                core.query_map.weight.copy_(torch.eye(2))
                core.key_map.weight.copy_(torch.eye(2))
                core.score.weight.fill_(1.0)
            weights = core(query, key, key)[1][0, 0]
        worst = max(worst, float((weights - torch.tensor(figures, dtype=torch.float64)).abs().max()))
    return Measurement(f"largest difference {worst:.1e}", worst < 1e-5)


def check_sparsemax() -> Measurement:
    """Three projections onto the simplex."""
    cases = (((2.0, 0.5, 0.1), (1.0, 0.0, 0.0)), ((1.0, 0.0, 1.0), (0.5, 0.0, 0.5)), ((0.5, 0.4, 0.1), (0.5, 0.4, 0.1)))
    worst = max(
        float((sparsemax(torch.tensor(given, dtype=torch.float64)) - torch.tensor(wanted)).abs().max())
        for given, wanted in cases
    )
    return Measurement(f"largest difference {worst:.1e}", worst < 1e-7)
