from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo
from zoo.bridges.transformers.tiny import tiny_model
from zoo_interpret.cmr_heads.ablation import compare_ablations, in_context_scores, token_losses
from zoo_interpret.cmr_heads.claims import _planted
from zoo_interpret.cmr_heads.config import CmrHeadsConfig
from zoo_interpret.cmr_heads.fitting import fit, gaussian_distance, grid_of
from zoo_interpret.cmr_heads.heads import CmrHeads, lag_curves, repeated
from zoo_interpret.cmr_heads.recall import associations, closed_crp, crp, has_closed_form, simulate, simulated_crp
from zoo_interpret.planted import DUPLICATE, INDUCTION, PREVIOUS, planted_model, repeated_tokens

TINY = {"items": 12, "runs": 4, "samples": 8, "starts": 2, "encoding_steps": 2, "retrieval_steps": 2}


def test_associations_are_the_inverse_of_the_drift():
    n, rate = 6, 0.3
    shift = np.eye(n + 1, k=1)
    np.testing.assert_allclose(associations(n, rate), np.linalg.inv(np.eye(n + 1) - (1 - rate) * shift) @ shift)
    np.testing.assert_array_equal(associations(n, 1.0), shift)


def test_recalls_follow_the_equations_step_by_step():
    matrix, rate, g, start = associations(7, 0.4), 0.6, 0.3, 2
    uniforms = np.random.RandomState(1).random_sample((20, 12))
    found = simulate(matrix, rate, g, np.full(20, start), uniforms)
    for run in range(20):
        t = np.eye(8)[start]
        for step in range(12):
            p = matrix.T @ t
            item = int((np.cumsum(p / p.sum()) < uniforms[run, step]).sum())
            if item == 7:
                assert (found[run, step:] == -1).all()
                break
            assert found[run, step] == item
            f = np.eye(8)[item]
            t_in = (1 - g) * f + g * matrix @ f
            t = (1 - rate) * t + rate * t_in / np.linalg.norm(t_in)
            t /= np.linalg.norm(t)


def test_simulated_curves_count_transitions_of_each_run_alike():
    recalls = np.array([[3, 4, -1], [-1, -1, -1], [1, 3, 4]])
    # First run: +1, +1 of two recalls; the last: -1, +2, +1 of three.
    curve = simulated_crp(recalls, 2, 2)
    np.testing.assert_allclose(curve, np.array([0, 1 / 3, 0, 1 + 1 / 3, 1 / 3]) / 2)
    np.testing.assert_array_equal(simulated_crp(np.full((2, 3), -1), 2, 2), np.zeros(5))


def test_closed_forms_are_where_they_are():
    assert has_closed_form(1.0, 0.0)
    assert not has_closed_form(1.0, 0.1)
    with pytest.raises(zoo.InputError, match="no closed form"):
        closed_crp(associations(5, 0.5), 0.5, 0, 2)
    curve = crp(3, 1.0, 1.0, 0.0, [0], max_lag=8, runs=1, samples=1, generator=np.random.RandomState(0))
    np.testing.assert_array_equal(curve, np.eye(17)[9])
    # Recall that only brings back what came before ends at the first item, which brings back nothing.
    assert np.isfinite(
        crp(5, 0.5, 1.0, 1.0, [3], max_lag=4, runs=50, samples=20, generator=np.random.RandomState(0))
    ).all()


def test_a_curve_of_the_model_has_distance_zero_to_itself_at_any_scale():
    grid = grid_of(CmrHeadsConfig(**TINY))
    assert grid.parameters.shape == (2 * 3 * 6, 3)
    curve = grid.curves[3, 3:14]
    found = fit(np.stack((7 * curve + 2, np.ones(11))), grid.curves, 5)
    assert found.distances[0, 3] == pytest.approx(0, abs=1e-12)
    assert found.distances[0].min() == pytest.approx(0, abs=1e-12)
    assert np.isinf(found.distances[1]).all()


def test_the_gaussian_baseline():
    lags = np.arange(-5, 6)
    bell = 0.2 + 3 * np.exp(-np.square(lags - 1) / 2)
    assert gaussian_distance(bell) < 1e-6
    assert np.isinf(gaussian_distance(np.ones(11)))
    assert gaussian_distance(np.array([0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0.0])) > 0.3


def test_planted_heads_have_the_curves_that_were_planted():
    curves = lag_curves(planted_model(), repeated_tokens(), 8)
    assert float(curves.lag_weights[INDUCTION][9]) > 0.99
    assert float(curves.lag_scores[INDUCTION][9]) == pytest.approx(12.0, abs=0.01)
    assert float(curves.induction_matching[INDUCTION]) > 0.99
    assert float(curves.previous_token[PREVIOUS]) > 0.99
    assert float(curves.lag_weights[DUPLICATE][8]) == pytest.approx(0.5, abs=0.01)
    assert float(curves.duplicate_token[DUPLICATE]) == pytest.approx(0.5, abs=0.01)
    found = _planted("weights")
    assert found.like()[INDUCTION]
    assert not found.like()[1, 2]
    assert found.share_by_depth(2)[1] >= 0.25


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3", "gpt-neox", "phi3"])
def test_scores_are_those_that_weights_come_from(family, tmp_path):
    model = tiny_model(family)
    config = CmrHeadsConfig(repeat_length=10, prompts=1, max_lag=9, pre_experimental_steps=1, **TINY)
    ids = repeated(model, config)
    curves = lag_curves(model, ids, 9)
    # One query, i = 1, alone reaches the lag N - 1: the difference of two of its scores is that of the log weights.
    assert curves.lag_scores.shape == (2, 4, 19)
    found = CmrHeads(config)(model)
    assert torch.equal(found.lag_scores, curves.lag_scores)
    assert found.distance.isfinite().all()
    assert set(found.to_dict()["axes"]) >= {"distance", "parameters", "lag_weights"}
    found.plot(tmp_path / "heads.png")
    found.save(tmp_path / "heads.csv")
    again = CmrHeads(config)(model)
    assert torch.equal(again.distance, found.distance)


def test_scores_of_a_single_pair_are_exact():
    model = tiny_model("llama")
    ids = repeated(model, CmrHeadsConfig(repeat_length=2, prompts=1))
    curves = lag_curves(model, ids, 2)
    assert float(curves.lag_scores[..., 0].abs().max()) == 0
    assert float(curves.lag_weights[..., 4].abs().max()) == 0
    with torch.no_grad():
        from zoo.bridges.transformers.maps import attention_maps

        weights = attention_maps(model, ids)[1][0, :, 3]
    assert torch.allclose(curves.lag_weights[1, :, 3], weights[:, 2])


def test_ablation_takes_what_a_head_writes():
    model = planted_model(length=25)
    ids = repeated_tokens()
    whole = in_context_scores(model, ids, early=3, late=20)
    found = compare_ablations(model, [ids[:2], ids[2:]], [INDUCTION], early=3, late=20)
    assert torch.equal(found.whole, whole)
    assert float((found.without_chosen - found.whole).min()) > 1
    assert torch.equal(in_context_scores(model, ids, early=3, late=20), whole)
    assert token_losses(model, ids).shape == (3, 22)
    with pytest.raises(zoo.InputError, match="tokens 50 and 500 of texts of 23"):
        in_context_scores(model, ids)
    with pytest.raises(zoo.InputError, match="no texts"):
        compare_ablations(model, [], [INDUCTION])


def test_what_cannot_be_done_is_named():
    model = tiny_model("llama")
    with pytest.raises(zoo.InputError, match="no first token and a sequence twice"):
        lag_curves(model, torch.arange(9)[None], 3)
    with pytest.raises(zoo.InputError, match="too few for 500"):
        repeated(model, CmrHeadsConfig(repeat_length=500))
    with pytest.raises(zoo.ConfigError, match="beyond max_lag"):
        CmrHeadsConfig(max_lag=3)
    with pytest.raises(zoo.InputError, match="no attention layer"):
        lag_curves(torch.nn.Linear(2, 2), repeated_tokens(), 3)
