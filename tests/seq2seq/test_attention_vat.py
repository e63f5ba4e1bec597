"""Virtual adversarial training of attention: what is particular to it."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo_seq2seq.attention_classifier import AttentionClassifier, AttentionClassifierConfig
from zoo_seq2seq.attention_vat.config import AttentionVATConfig
from zoo_seq2seq.attention_vat.method import AttentionVAT, example
from zoo_seq2seq.perturbing import divergence, losses, random_direction

IDS = torch.tensor([[3, 4, 5, 6, 7], [8, 9, 3, 0, 0]])
MASK = IDS > 0


def model(num_classes: int = 1) -> AttentionClassifier:
    torch.manual_seed(0)
    built = AttentionClassifier(AttentionClassifierConfig(30, 10, 6, num_classes)).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(3)
    return built


@pytest.mark.parametrize("mode", ["vat", "ivat", "ivat-unnormalised"])
@pytest.mark.parametrize("classes", [1, 4])
def test_perturbations_have_the_norm_and_leave_padding_alone(mode, classes):
    opened = model(classes).expose(IDS, MASK)
    method = AttentionVAT(AttentionVATConfig(mode, 0.7))
    r = method.perturbation(opened.proceed, opened.scores, MASK, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(r.norm(dim=1), torch.full((2,), 0.7), atol=1e-4, rtol=1e-4)
    assert not r[1, 3:].any()


@pytest.mark.parametrize("mode", ["vat", "ivat"])
def test_one_iteration_is_the_equation(mode):
    built = model()
    opened = built.expose(IDS[:1])
    scores, proceed = opened.scores.detach(), opened.proceed
    generator = torch.Generator().manual_seed(0)
    shape = scores if mode == "vat" else scores[:, :, None].expand(-1, -1, 5).contiguous()
    start = random_direction(shape, None, generator)
    found = AttentionVAT(AttentionVATConfig(mode, 2.0, xi=0.5)).perturbation(proceed, scores, direction=start)
    gaps = scores[0][:, None] - scores[0]
    unit = gaps / gaps.norm(dim=1, keepdim=True)
    variable = (0.5 * start).requires_grad_()
    r = variable if mode == "vat" else (variable * unit).sum(-1)
    p, q = proceed(scores).sigmoid().detach(), proceed(scores + r).sigmoid()
    kl = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    (gradient,) = torch.autograd.grad(kl.sum(), variable)
    expected = 2 * gradient / gradient.norm()
    expected = expected if mode == "vat" else (expected * unit).sum(-1)
    torch.testing.assert_close(found, expected.detach(), atol=1e-3, rtol=1e-3)


def test_divergence():
    logits, other = torch.tensor([[0.3, 1.0, -1.0]]), torch.tensor([[0.0, 2.0, 0.5]])
    p, q = logits.softmax(-1), other.softmax(-1)
    torch.testing.assert_close(divergence(logits, other), (p * (p / q).log()).sum(-1))
    assert divergence(logits, logits).item() == 0
    one, two = torch.tensor([0.7]), torch.tensor([[-0.4]])
    both = torch.cat((one[None], torch.zeros(1, 1)), 1), torch.cat((two, torch.zeros(1, 1)), 1)
    torch.testing.assert_close(divergence(one, two), divergence(*both))


def test_gradients_go_through_the_perturbed_prediction_alone():
    built = model()
    opened = built.expose(IDS, MASK)
    method = AttentionVAT(AttentionVATConfig(epsilon=2.0))
    found = method.loss(opened.proceed, opened.scores, MASK, generator=torch.Generator().manual_seed(0))
    assert not found.perturbation.requires_grad
    clean = opened.proceed(opened.scores).detach()
    expected = divergence(clean, opened.proceed(opened.scores + found.perturbation)).mean()
    weight = built.output.weight
    ours, theirs = (torch.autograd.grad(each, weight, retain_graph=True)[0] for each in (found.loss, expected))
    torch.testing.assert_close(ours, theirs)


def test_more_iterations_and_none():
    opened = model().expose(IDS, MASK)
    start = random_direction(opened.scores, MASK, torch.Generator().manual_seed(0))
    none = AttentionVAT(AttentionVATConfig(epsilon=2.0, iterations=0))
    torch.testing.assert_close(none.perturbation(opened.proceed, opened.scores, MASK, direction=start), 2 * start)
    moved = [
        divergence(
            opened.proceed(opened.scores),
            opened.proceed(
                opened.scores
                + AttentionVAT(AttentionVATConfig(epsilon=0.5, xi=0.1, iterations=count)).perturbation(
                    opened.proceed, opened.scores, MASK, direction=start
                )
            ),
        ).sum()
        for count in (0, 1, 8)
    ]
    assert moved[0] < moved[1] <= moved[2] * (1 + 1e-3)


def test_labelled_and_unlabelled_sentences_share_one_mean():
    built, labels = model(), torch.tensor([1, 0])
    method = AttentionVAT(AttentionVATConfig(epsilon=2.0, weight=0.5, iterations=0))
    with method.attach(built) as loss:
        torch.manual_seed(0)
        total = loss({"input_ids": IDS, "attention_mask": MASK}, labels, {"input_ids": IDS[:1]})
        torch.manual_seed(0)
        rows = []
        for ids, mask in ((IDS, MASK), (IDS[:1], None)):
            opened = built.expose(ids, mask)
            rows.append(method.loss(opened.proceed, opened.scores, mask).divergence)
        assert loss().item() == 0
    expected = losses(built(IDS, MASK).logits, labels).mean() + 0.5 * torch.cat(rows).mean()
    torch.testing.assert_close(total, expected)


def test_attached_to_bert_it_gives_a_loss_that_trains():
    found = example(AttentionVATConfig())
    bert = found["model"]
    with AttentionVAT(AttentionVATConfig(epsilon=3.0)).attach(bert) as loss:
        total = loss(unlabelled=found["inputs"])
    total.backward()
    assert float(total.detach()) > 0
    assert bert.classifier.weight.grad.abs().max() > 0


def test_errors():
    with pytest.raises(zoo.ConfigError, match="xi=0"):
        AttentionVATConfig(xi=0.0)
