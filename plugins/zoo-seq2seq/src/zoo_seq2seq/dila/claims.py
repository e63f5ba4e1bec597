"""Checks of the paper's claims."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import zoo
from zoo import Measurement
from zoo_seq2seq.dila.config import DilaConfig
from zoo_seq2seq.dila.fitting import fit_autoencoder, recovery, sparse_mixtures
from zoo_seq2seq.dila.head import Dila, SparseAutoencoder, example


def check_scores_are_linear() -> Measurement:
    """Scores before the softmax with and without single features."""
    config = DilaConfig(16, 32, 10)
    torch.manual_seed(0)
    model = Dila(config).double().eval()
    assert model.label_attention is not None
    with torch.no_grad():
        model.label_attention.weight.normal_()
        x = example(config)["x"].double()
        features = model.sae(x)[0]
        before = model.scores(x, features)
        worst, moved = 0.0, 0.0
        for feature in range(config.num_features):
            left = features.clone()
            left[..., feature] = 0
            change = before - model.scores(x, left)
            expected = features[..., feature, None] * model.label_attention.weight[feature]
            worst, moved = max(worst, float((change - expected).abs().max())), max(moved, float(change.abs().max()))
    return Measurement(f"f A to {worst:.0e} in float64, changes up to {moved:.1f}", worst < 1e-12 and moved > 0.1)


@cache
def _trained() -> tuple[SparseAutoencoder, SparseAutoencoder, Tensor]:
    """Autoencoders of 60 features, trained and fresh, for embeddings (24) made of 40 atoms."""
    config = DilaConfig(24, 60, 1, l1=0.3, l2=0.0)
    atoms = functional.normalize(torch.randn(40, 24, generator=torch.Generator().manual_seed(7)), dim=1)
    torch.manual_seed(0)
    return fit_autoencoder(config, atoms, share=0.05, steps=2000, seed=0), SparseAutoencoder(config), atoms


def check_sparse_codes() -> Measurement:
    """Active features of a token, and the reconstruction error beside the embeddings' own size."""
    model, fresh, atoms = _trained()
    x = sparse_mixtures(2000, atoms, 0.05, torch.Generator().manual_seed(5))
    found = {}
    with torch.no_grad():
        for name, each in (("trained", model), ("fresh", fresh)):
            features, back = each(x)
            error = float((x - back).square().sum() / x.square().sum())
            found[name] = (float((features > 1e-3).float().sum(-1).mean()), error)
    active, error = found["trained"]
    return Measurement(
        f"{active:.1f} of 60 features a token with {error:.1%} of the size unexplained; fresh {found['fresh'][0]:.1f} "
        f"with {found['fresh'][1]:.0%}; 2 true atoms",
        active < 10 and error < 0.2,
    )


def check_dictionary_recovery() -> Measurement:
    """Mean largest cosine of the 40 true atoms with learnt ones."""
    model, fresh, atoms = _trained()
    ours, random = recovery(model, atoms), recovery(fresh, atoms)
    return Measurement(f"{ours:.3f}; random atoms {random:.2f}", ours > 0.95 > random)


def check_cost_is_linear() -> Measurement:
    """Operations of the head at twice the tokens, and at twice the codes."""

    def flops(tokens: int, codes: int) -> int:
        model = Dila(DilaConfig(16, 32, codes)).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.randn(1, tokens, 16))
        return counter.get_total_flops()

    once, tokens = flops(50, 40), flops(100, 40) / flops(50, 40)
    codes = (flops(50, 120) - flops(50, 80)) / (flops(50, 80) - once)
    return Measurement(
        f"{tokens:.2f} times for twice the tokens; every 40 codes more cost {codes:.2f} times the 40 before",
        tokens == 2 and codes == 1,
    )


def check_on_icd() -> Measurement:
    """The bundled heads on notes made of held-out terms of ICD-10-CM, read by all-MiniLM-L6-v2."""
    from zoo_seq2seq.dila.training import judged

    ours, dense = (judged(zoo.load(f"dila/{preset}")) for preset in ("icd", "icd-laat"))
    names = ("micro F1", "macro F1", "precision@3")
    text = "; ".join(
        f"{name} {', '.join(f'{each} {found[each]:.3f}' for each in names)}"
        for name, found in (("dictionary", ours), ("dense", dense))
    )
    return Measurement(
        f"{text}; {ours['active features']:.0f} of 512 features fire at a token",
        ours["micro F1"] > 0.95 * dense["micro F1"],
        "notes composed of terms of 100 categories; not MIMIC-III",
    )
