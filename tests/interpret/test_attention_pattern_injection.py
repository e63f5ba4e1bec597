from __future__ import annotations

from functools import partial

import pytest
import torch
import transformers

import zoo
from zoo import catalogue
from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.tiny import tiny_model, tiny_tokenizer
from zoo.testing import visibility
from zoo_interpret.attention_pattern_injection.attention import modes, patterned_weights
from zoo_interpret.attention_pattern_injection.config import (
    EncoderConfig,
    InjectionConfig,
    RelevanceConfig,
    SegmentationConfig,
)
from zoo_interpret.attention_pattern_injection.conversion import convert
from zoo_interpret.attention_pattern_injection.encoder import PatternEncoder, longer_positions
from zoo_interpret.attention_pattern_injection.injection import PatternInjection
from zoo_interpret.attention_pattern_injection.metrics import choose_sentences, p_k, rouge_l, rouge_n
from zoo_interpret.attention_pattern_injection.networks import SegmentationNetwork, SummaryNetwork, summary_example
from zoo_interpret.attention_pattern_injection.patterns import (
    all_patterns,
    by_head,
    intra_context,
    intra_sentence,
    matching_tokens,
    positional,
)
from zoo_interpret.attention_pattern_injection.relevance import PatternRelevance, example
from zoo_interpret.attention_pattern_injection.synthetic import shared_word, tiny_config
from zoo_interpret.attention_pattern_injection.training import fit, noam

SIZES = {"vocab_size": 67, "dim": 32, "num_layers": 2, "num_heads": 8, "hidden_dim": 64, "max_length": 40}


def config(**options) -> EncoderConfig:
    return EncoderConfig(**{**SIZES, "cls_id": 1, "sep_id": 2, "dropout": 0.0, **options})


def rows(mask):
    return mask[0].int().tolist()


def test_matching_tokens():
    ids = torch.tensor([[5, 6, 5, 7]])
    assert rows(matching_tokens(ids)) == [[0, 0, 1, 0], [1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 1]]
    assert rows(matching_tokens(ids, task="segmentation")) == [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]


def test_sentences_and_contexts():
    ids = torch.tensor([[9, 1, 5, 2, 1, 2, 0]])
    found = rows(intra_sentence(ids, 1, 2))
    assert found[0] == found[6] == [0] * 7, "outside of sentences nothing is seen"
    assert found[1] == found[2] == found[3] == [0, 1, 1, 1, 0, 0, 0]
    assert found[4] == found[5] == [0, 0, 0, 0, 1, 1, 0]
    contexts = rows(intra_context(torch.tensor([[1, 5, 2, 6, 2, 7]]), 2))
    assert contexts[0] == [1] * 6
    assert contexts[1] == [1, 1, 0, 0, 0, 0]
    assert contexts[2] == contexts[5] == [0, 0, 1, 1, 1, 1], "the first [SEP] begins the right side"


def test_neighbours_of_any_reach():
    assert positional(3, 1).int().tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert positional(3, -1).int().tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert positional(4, 2)[0].int().tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(("task", "third"), [("summary", 1), ("segmentation", -1)])
def test_heads_have_their_patterns_in_order(task, third):
    ids = summary_example(config())["input_ids"]
    four = all_patterns(ids, task=task, cls_id=1, sep_id=2)
    assert torch.equal(four[0, 2], positional(14, third))
    assert torch.equal(four[0, 3], positional(14, -third))
    spread = by_head(four, 12, 2)
    assert torch.equal(spread[:, 4:8], four)
    assert bool(spread[:, 8:].all())
    assert modes(12, 2, "mask", "synthesize", "synthesize").int().tolist() == [0, 1, 1, 1] * 2 + [0] * 4


def test_a_row_without_a_key_sees_all_real_keys_or_as_the_authors_have_it_padding_too():
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 2, 4, 8, generator=generator)
    patterns = torch.ones(1, 2, 4, 4, dtype=torch.bool)
    patterns[:, 0, 3] = False
    padding = torch.tensor([[1, 1, 1, 0]])
    modes = torch.tensor([False, True])
    scores = query @ key.mT / 8**0.5
    for leaks, seen in ((False, 3), (True, 4)):
        found = patterned_weights(query, key, patterns, modes, padding, reference_padding=leaks)
        plain = scores[0, 0, 3, :seen].softmax(-1)
        torch.testing.assert_close(found[0, 0, 3, :seen], plain, atol=1e-3, rtol=1e-2)
        assert float(found[0, 0, :3, 3].max()) == 0.0
        torch.testing.assert_close(found[0, 1, 0], torch.tensor([1.0, 1.0, 1.0, 0.0]) / 3)


def test_without_patterns_it_is_bert():
    settings = transformers.BertConfig(
        vocab_size=67,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=8,
        intermediate_size=64,
        max_position_embeddings=40,
    )
    torch.manual_seed(0)
    bert = transformers.BertModel(settings).eval()
    network = SummaryNetwork(config(heads_per_pattern=0)).eval()
    missing = network.load_state_dict(convert(bert.state_dict(), None), strict=False)
    assert not missing.unexpected_keys
    assert {name.partition(".")[0] for name in missing.missing_keys} == {"ext_layer"}
    ids = torch.randint(3, 67, (2, 11))
    mask = torch.ones_like(ids)
    mask[1, 8:] = 0
    types = (torch.arange(11) > 5).long().expand(2, -1)
    with torch.no_grad():
        expected = bert(ids, attention_mask=mask, token_type_ids=types).last_hidden_state
        torch.testing.assert_close(network.bert(ids, mask, types).hidden[0], expected[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(network.bert(ids, mask, types).hidden[1, :8], expected[1, :8], atol=1e-5, rtol=1e-4)
    own = network.state_dict()
    assert convert(own, None).keys() == own.keys()


def test_branches_join_the_feed_forward_residual():
    network = PatternEncoder(config(pals=True, pal_dim=16, num_layers=1), "summary").eval()
    torch.manual_seed(1)
    torch.nn.init.normal_(network.pals[0].aug_dense2.weight)
    ids = summary_example(config())["input_ids"]
    with torch.no_grad():
        x = network.embeddings(ids, None)
        layer = network.encoder["layer"][0]
        mixed, _ = layer.attention["self"](x, network.patterns(ids), None)
        attended = layer.attention["output"](mixed, x)
        inner = layer.output.dense(torch.nn.functional.gelu(layer.intermediate["dense"](attended)))
        expected = layer.output.LayerNorm(inner + attended + network.pals[0](x, network.pal_patterns(ids)))
        torch.testing.assert_close(network(ids).hidden, expected)
    assert bool(network.patterns(ids).all()), "patterns live in the branches"
    assert torch.equal(network.pal_patterns(ids)[0, 2], positional(14, -1))


def test_padding_of_sentences_and_shapes_of_scores():
    network = SummaryNetwork(config()).eval()
    inputs = summary_example(config(), 3)
    padded = {
        "input_ids": torch.nn.functional.pad(inputs["input_ids"], (0, 3)),
        "cls_positions": torch.nn.functional.pad(inputs["cls_positions"], (0, 1)),
        "cls_mask": torch.tensor([[1, 1, 0]]).expand(3, -1),
        "attention_mask": torch.nn.functional.pad(torch.ones_like(inputs["input_ids"]), (0, 3)),
    }
    with torch.no_grad():
        found = network(**padded)
    assert found.shape == (3, 3)
    assert found[:, 2].tolist() == [0.0] * 3
    assert bool(((found[:, :2] > 0) & (found[:, :2] < 1)).all())
    with pytest.raises(zoo.InputError, match="max_length=40"):
        network.bert(torch.zeros(1, 41, dtype=torch.long))
    with pytest.raises(zoo.InputError, match="attention_mask of shape"):
        network.bert(torch.zeros(1, 5, dtype=torch.long), torch.ones(1, 4))
    with pytest.raises(zoo.ConfigError, match="needs 12 heads"):
        config(heads_per_pattern=3)
    with pytest.raises(zoo.ConfigError, match="pal_heads=4"):
        config(pal_dim=18)
    table = torch.arange(6.0).view(3, 2)
    assert longer_positions(table, 5)[:, 0].tolist() == [0.0, 2.0, 4.0, 4.0, 4.0]
    assert longer_positions(table, 2).shape == (2, 2)


@pytest.mark.parametrize("task", ["summary", "segmentation"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_injection_into_a_model_of_transformers_is_the_same_network(task, implementation):
    """Where every row has a key; the encoder and transformers' BERT then agree."""
    bert = tiny_model(
        "bert",
        head="Model",
        attn_implementation=implementation,
        vocab_size=67,
        num_attention_heads=8,
        intermediate_size=64,
        max_position_embeddings=40,
    )
    ids = summary_example(config())["input_ids"]
    settings = InjectionConfig(task=task, cls_id=1, sep_id=2, reach=13)
    own = PatternEncoder(config(reach=13), task).eval()
    state = {name.removeprefix("bert."): tensor for name, tensor in convert(bert.state_dict(), None).items()}
    own.load_state_dict(state)
    maps = attention_maps(bert, {"input_ids": ids})
    with torch.no_grad():
        base = bert(input_ids=ids).last_hidden_state
        with PatternInjection(settings).attach(bert):
            first = attention_maps(bert, {"input_ids": ids})[0]
        expected = own(ids, need_weights=True).attention[:, 0]
        some = own.patterns(ids).any(-1)
        torch.testing.assert_close(first[some], expected[some], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(first[~some], maps[0][~some])
        with pytest.raises(RuntimeError), PatternInjection(settings).attach(bert):
            raise RuntimeError
        assert torch.equal(bert(input_ids=ids).last_hidden_state, base)


def test_injection_names_what_it_cannot_do():
    with (
        pytest.raises(zoo.InputError, match="of group 'E'"),
        PatternInjection(InjectionConfig()).attach(tiny_model("gpt2")),
    ):
        pass
    bert = tiny_model("bert")
    with (
        pytest.raises(zoo.InputError, match="needs 8 heads"),
        PatternInjection(InjectionConfig(heads_per_pattern=2)).attach(bert),
    ):
        pass
    with PatternInjection(InjectionConfig()).attach(bert), pytest.raises(zoo.InputError, match="without input_ids"):
        bert(inputs_embeds=torch.zeros(1, 3, 32))
    ids = torch.arange(3, 11).view(2, 4)
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    with PatternInjection(InjectionConfig()).attach(bert):
        found = attention_maps(bert, {"input_ids": ids, "attention_mask": mask})
    assert float(found[0][0, :, :3, 3].max()) == 0.0, "padding stays hidden"


def test_relevance_is_the_share_of_attention_and_streams(tmp_path):
    case = example(RelevanceConfig(cls_id=1, sep_id=2), 6)
    probe = PatternRelevance(RelevanceConfig(cls_id=1, sep_id=2))
    found = probe(**case)
    patterns = all_patterns(case["inputs"]["input_ids"], task="summary", cls_id=1, sep_id=2)
    maps = torch.stack(attention_maps(case["model"], case["inputs"]), 1)
    expected = torch.einsum("nlhij,npij->plh", maps, patterns.float()) / 12 / 6
    torch.testing.assert_close(found.relevance, expected)
    single = [{"input_ids": row[None]} for row in case["inputs"]["input_ids"]]
    torch.testing.assert_close(probe(case["model"], single).p_value, found.p_value, atol=1e-5, rtol=1e-3)
    found.plot(tmp_path / "relevance.png")
    found.save(tmp_path / "relevance.csv")
    importance = torch.arange(8.0).view(2, 4)
    some = PatternRelevance(RelevanceConfig(cls_id=1, sep_id=2, keep=0.25))(**case, importance=importance)
    assert some.p_value[:, :1].eq(1).all()
    assert some.p_value[:, 1, :2].eq(1).all()
    assert not some.p_value[0, 1, 2:].eq(1).all()
    with pytest.raises(zoo.InputError, match="1 documents"):
        probe(case["model"], single[:1])
    with pytest.raises(zoo.InputError, match="layers, heads"):
        PatternRelevance(RelevanceConfig(keep=0.5))(**case, importance=torch.ones(3))
    texts = probe(tiny_model("bert"), ["w5 w6 w5", "w7 w8"], tiny_tokenizer(ends=True))
    assert texts.documents == 2


def test_metrics_by_hand():
    assert rouge_n("the cat sat", "the cat ran") == pytest.approx(2 / 3)
    assert rouge_n("the cat sat", "the cat ran", 2) == pytest.approx(0.5)
    assert rouge_n("a a a", "a") == pytest.approx(0.5)
    assert rouge_l("a b c d", "a c d b") == pytest.approx(0.75)
    assert rouge_l("", "a") == 0.0
    sentences = ["a b c d", "x a b c", "e f", "g"]
    assert choose_sentences([0.9, 0.8, 0.7, 0.1], sentences) == [0, 1, 2]
    assert choose_sentences([0.9, 0.8, 0.7, 0.1], sentences, block_trigrams=True) == [0, 2, 3]
    gold = [0, 0, 0, 1, 1, 1]
    assert p_k(gold, gold) == 0.0
    assert p_k([0] * 6, gold, 2) == pytest.approx(0.5)
    assert p_k([0] * 6, gold) == p_k([0] * 6, gold, 2)
    with pytest.raises(zoo.InputError, match="too few"):
        p_k([0], [0])
    with pytest.raises(zoo.InputError, match="2 predicted"):
        p_k([0, 1], [0])


def test_the_synthetic_task_and_its_training():
    batch = shared_word(200, torch.Generator().manual_seed(0))
    left, right = batch["input_ids"][:, 1:6], batch["input_ids"][:, 7:]
    shared = (left[:, :, None] == right[:, None]).any((1, 2))
    assert torch.equal(shared, batch["labels"] == 0)
    network = SegmentationNetwork(tiny_config(heads_per_pattern=1))
    losses = fit(network, [batch] * 12, learning_rate=3e-3)
    assert losses[-1] < losses[0]
    assert not network.training
    summary = SummaryNetwork(config())
    inputs = summary_example(config(), 4)
    labels = {"labels": torch.tensor([[1.0, 0.0]]).expand(4, -1), "cls_mask": torch.ones(4, 2)}
    losses = fit(summary, [{**inputs, **labels}] * 8, learning_rate=2e-2, schedule=lambda step: noam(step, 4))
    assert losses[-1] < losses[0]
    assert noam(100, 100) == max(noam(step, 100) for step in range(1, 300))
    assert isinstance(SegmentationConfig().head_dim, int)


@pytest.mark.parametrize("name", ["attention-pattern-injection", "attention-pattern-injection-segmentation"])
def test_padding_is_hidden_in_every_form_but_that_of_the_authors_code(name, monkeypatch):
    forms = visibility.forms
    monkeypatch.setattr(visibility, "forms", partial(forms, reference_padding=False))
    (offer,) = [each for each in catalogue.current().offers if each.entry.id == name]
    visibility.check_padding(offer)
    monkeypatch.setattr(visibility, "forms", partial(forms, reference_padding=True))
    if name == "attention-pattern-injection":
        with pytest.raises(AssertionError, match="what is hidden changes the output"):
            visibility.check_padding(offer)


@pytest.mark.parametrize("pals", [False, True])
@pytest.mark.parametrize("task", ["summary", "segmentation"])
def test_what_stands_in_padding_changes_nothing(task, pals):
    torch.manual_seed(0)
    settings = {"pals": pals, "pal_dim": 16} if pals else {}
    encoder = PatternEncoder(config(**settings), task).eval()
    for branch in encoder.pals:
        torch.nn.init.normal_(branch.aug_dense2.weight)
    ids = torch.tensor([[1, 5, 6, 7, 2, 1, 8, 9, 2, 0, 0, 0], [1, 5, 6, 7, 2, 1, 8, 9, 5, 6, 2, 0]])
    mask = (ids != 0).long()
    # Words that stand in the text too, and the beginnings and ends of sentences.
    other = torch.where(mask == 1, ids, torch.tensor([5, 1, 2, 9, 1, 2, 5, 2, 1, 8, 2, 1]))
    real = mask.bool()
    with torch.no_grad():
        first, second = (encoder(each, mask, need_weights=True) for each in (ids, other))
        assert torch.equal(first.hidden[real], second.hidden[real])
        assert float(first.attention.movedim(-1, 1)[~real].max()) == 0
        torch.testing.assert_close(first.attention.sum(-1), torch.ones_like(first.attention[..., 0]))
        # Without padding the option changes nothing.
        plain = PatternEncoder(config(reference_padding=True, **settings), task).eval()
        plain.load_state_dict(encoder.state_dict())
        assert torch.equal(plain(ids[:, :9]).hidden, encoder(ids[:, :9]).hidden)
        # In the authors' code the last real token of a sentence looks at what stands behind it.
        assert not torch.equal(plain(ids, mask).hidden[real], plain(other, mask).hidden[real])
