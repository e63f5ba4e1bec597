from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo.bridges.transformers.maps import Document, attention_maps
from zoo.bridges.transformers.tiny import tiny_model, tiny_tokenizer
from zoo_interpret.bert_look import statistics
from zoo_interpret.bert_look.claims import is_bounded, maps_of_a_text, peak_of_statistics
from zoo_interpret.bert_look.config import BertLookConfig, DistanceProbeConfig, WordsProbeConfig
from zoo_interpret.bert_look.coreference import (
    Mention,
    antecedent_accuracy,
    antecedents,
    nearest_mention,
    rule_based,
    same_head_word,
)
from zoo_interpret.bert_look.parsing import (
    predict_heads,
    predict_offset,
    read_conll,
    relation_scores,
    synthetic_treebank,
    word_attention,
)
from zoo_interpret.bert_look.probes import (
    DistanceProbe,
    WordsProbe,
    distance_features,
    train_probe,
)
from zoo_interpret.bert_look.statistics import (
    BertLook,
    embed_heads,
    example,
    js_distances,
    saliency,
)


def maps(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).softmax(-1)


@pytest.mark.parametrize("side", [(0, 5), (5, 0)])
def test_padding_is_cut_off_before_anything_is_averaged(side):
    config = BertLookConfig(1, 2, [3, 4], js=True)
    case = example(config, 2)
    probe = BertLook(config)
    plain = probe(**case)
    padded = {
        "input_ids": torch.nn.functional.pad(case["inputs"]["input_ids"], side),
        "attention_mask": torch.nn.functional.pad(case["inputs"]["attention_mask"], side),
        "position_ids": (torch.arange(19) - side[0]).clamp(0, 13)[None],
    }
    other = probe(case["model"], padded)
    for name, table in plain.averages.items():
        torch.testing.assert_close(other.averages[name], table, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(other.js, plain.js, atol=1e-4, rtol=1e-4)


def test_decoders_are_looked_at_too(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        vocab_size=60, n_embd=32, n_layer=2, n_head=4, n_positions=32, bos_token_id=1, eos_token_id=2
    )
    model = transformers.GPT2LMHeadModel._from_config(config, attn_implementation="eager").bfloat16().eval()
    found = BertLook(BertLookConfig(1, 2, [3], js=True))(model, {"input_ids": torch.arange(1, 13).view(1, 12)})
    assert bool((found.averages["right"] == 0).all()), "a decoder cannot look ahead"
    assert found.js.dtype == torch.float32
    assert set(found.to_dict()["averages"]) == set(found.averages)
    found.plot(tmp_path / "heads.png")
    assert (tmp_path / "heads.png").stat().st_size > 0


def test_published_names_of_the_words_probe_load(tmp_path):
    from safetensors.torch import save_file

    kernel = torch.randn(12, 16, generator=torch.Generator().manual_seed(0))
    state = {"dense.kernel": kernel, "dense.bias": torch.ones(16)}
    roots = {"ROOT_start": torch.ones(1), "ROOT_end": torch.zeros(1)}
    save_file({**state, **roots}, tmp_path / "probe.safetensors")
    probe = zoo.load("bert-look-words-probe/tiny", weights=tmp_path / "probe.safetensors")
    assert torch.equal(probe.dense.weight, kernel.T)


def test_true_counts_differ_from_the_two_separators_of_the_paper():
    tokens = torch.tensor([1, 5, 2, 6, 2, 7, 2])
    document = [Document(tokens, maps(0, 2, 3, 7, 7))]
    two = BertLook(BertLookConfig(1, 2, [3])).analyse(document).averages["sep_sep"]
    true = BertLook(BertLookConfig(1, 2, [3], separators="count")).analyse(document).averages["sep_sep"]
    torch.testing.assert_close(two * 2, true * 3)


def test_sums_or_means_over_documents():
    documents = [Document(torch.tensor([1, 5, 2, 6, 2]), maps(seed, 1, 3, 5, 5)) for seed in range(4)]
    summed = BertLook(BertLookConfig(1, 2, [3], js=True)).analyse(documents).js
    mean = BertLook(BertLookConfig(1, 2, [3], reduce="mean", js=True)).analyse(documents).js
    torch.testing.assert_close(summed, mean * 4)
    assert BertLook(BertLookConfig(1, 2, [3])).analyse(documents).js is None
    with pytest.raises(zoo.InputError, match="no documents"):
        BertLook(BertLookConfig()).analyse([])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_word_attention_is_row_stochastic_however_pieces_are_grouped(seed, cuts):
    lengths = torch.tensor(cuts)
    starts = lengths.cumsum(0) - lengths
    weights = maps(seed, 1, 2, int(lengths.sum()), int(lengths.sum()))
    for how in ("mean", "first", "max"):
        words = word_attention(weights, starts, lengths, how)
        assert words.shape[-2:] == (len(cuts), len(cuts))
        torch.testing.assert_close(words.sum(-1), torch.ones_like(words[..., 0]))
    with pytest.raises(zoo.InputError, match="is not one of"):
        word_attention(weights, starts, lengths, "median")
    for wrong in ((starts + 1, lengths), (starts, lengths * 0), (starts, lengths[:-1])):
        with pytest.raises(zoo.InputError, match="are not words of"):
            word_attention(weights, *wrong)


def test_heads_point_and_never_at_themselves():
    pointing = torch.diag(torch.ones(5), 1)
    assert predict_heads(pointing)[:3].tolist() == [2, 3, 4]
    assert predict_heads(pointing, "transpose")[1:].tolist() == [1, 2, 3]
    assert 1 not in predict_heads(torch.eye(6) + 0.01 * pointing)[:1].tolist()
    assert predict_offset(4, 1).tolist() == [2, 3, 4, 4]
    assert predict_offset(4, -1).tolist() == [0, 1, 2, 3]
    with pytest.raises(zoo.InputError):
        predict_heads(pointing, "sideways")


def test_possessives_use_the_clitic(tmp_path):
    path = tmp_path / "bank.conllu"
    rows = [("Ann", 3, "poss"), ("'s", 1, "case"), ("dog", 0, "root")]
    body = "".join(f"{i}\t{w}\t_\t_\t_\t_\t{h}\t{r}\t_\t_\n" for i, (w, h, r) in enumerate(rows, 1))
    path.write_text(f"# a comment\n{body}\n1-2\tab\t_\t_\t_\t_\t_\t_\t_\t_\n")
    (sentence,) = read_conll(path)
    assert sentence.words == ("Ann", "'s", "dog")
    weights = torch.zeros(1, 1, 5, 5)
    weights[0, 0, 2, 3] = 1.0  # 's attends to dog
    assert relation_scores([sentence], [weights])["poss"].item() == 1.0
    path.write_text("1\tonly\tthree\n")
    with pytest.raises(zoo.InputError, match="line 1: expected ten"):
        read_conll(path)
    with pytest.raises(zoo.InputError, match="cannot be read"):
        read_conll(tmp_path / "absent")


def test_coreference_antecedents_and_baselines():
    weights = torch.zeros(1, 1, 8, 8)
    weights[0, 0, 5, 1] = 1.0
    weights[0, 0, 6, 3] = 1.0
    chosen = antecedents(weights, [1, 3, 5, 6])
    assert chosen[0, 0, 1:].tolist() == [0, 1]
    assert antecedent_accuracy(chosen, [7, 8, 7, 8]).item() == 1.0
    assert nearest_mention(4).tolist() == [0, 1, 2]
    assert same_head_word(["dog", "cat", "Dog", "bird"]).tolist() == [0, 0, 2]
    she, it = ("singular", "female", "third"), ("singular", "neuter", "third")
    mentions = [
        Mention("Ann Lee", "Lee", she),
        Mention("the old dog", "dog", it),
        Mention("ann lee", "lee", she),
        Mention("this dog", "dog", it),
        Mention("she", "she", she),
        Mention("cats", "cats", ("plural", "neuter", "third")),
    ]
    assert rule_based(mentions).tolist() == [0, 0, 1, 2, 4]
    with pytest.raises(zoo.InputError, match="no mention has"):
        antecedent_accuracy(chosen, [1, 2, 3, 4])


def test_similar_heads_lie_close_together():
    base = maps(0, 1, 1, 8, 8)
    near = (base + 0.05 * maps(1, 1, 1, 8, 8)) / 1.05
    far = maps(2, 1, 1, 8, 8).flip(-1)
    distances = js_distances(torch.cat((base, near, far), 1))
    torch.testing.assert_close(distances, distances.T)
    points = embed_heads(distances)
    assert torch.dist(points[0], points[1]) < 0.5 * torch.dist(points[0], points[2])


def test_saliency_has_the_shape_of_the_maps():
    config = BertLookConfig(1, 2, [3, 4])
    case = example(config)
    found = saliency(case["model"], case["inputs"], lambda output: output.last_hidden_state[:, 0].square().sum())
    assert found.shape == (2, 4, 14, 14)
    assert float(found.sum()) > 0
    integrated = saliency(case["model"], case["inputs"], lambda output: output.last_hidden_state.sum(), steps=3)
    assert integrated.shape == found.shape


def test_alignment_of_words_changes_the_probe_as_described():
    torch.manual_seed(0)
    aligned = WordsProbe(WordsProbeConfig(num_maps=3, dim=4, align_words=True))
    shifted = WordsProbe(WordsProbeConfig(num_maps=3, dim=4))
    shifted.load_state_dict(aligned.state_dict())
    weights, vectors = maps(0, 1, 3, 1, 7, 7), torch.randn(1, 5, 4)
    assert not torch.allclose(aligned(weights, vectors), shifted(weights, vectors))
    zeros = torch.zeros(1, 5, 4)
    torch.testing.assert_close(aligned(weights, zeros), shifted(weights, zeros))


def test_distance_features_and_their_probe():
    features = distance_features(5)
    assert features.shape == (5, 6, 8)
    assert features[:, 0].tolist() == [[0.0] * 7 + [1.0]] * 5
    assert features[1, 4, 0].item() == pytest.approx(2 / 5)
    assert features[3, 2, 1].item() == pytest.approx(2 / 5)
    bank = synthetic_treebank(80)
    table = {
        word: torch.randn(6, generator=torch.Generator().manual_seed(i))
        for i, word in enumerate(sorted({w for s in bank for w in s.words}))
    }
    data = [((torch.stack([table[w] for w in s.words]),), torch.tensor(s.heads)) for s in bank]
    torch.manual_seed(0)
    probe = train_probe(DistanceProbe(DistanceProbeConfig(6, 32)), data * 2, learning_rate=0.005)
    with torch.no_grad():
        right = torch.cat([probe(v[None])[0].argmax(-1) == gold for (v,), gold in data])
    assert float(right.float().mean()) > 0.5, "half of the words depend on the next one: distance alone finds them"


def test_texts_and_a_model_with_fast_attention_are_analysed():
    case, words = example(BertLookConfig(1, 2, [3, 4])), tiny_tokenizer(ends=True)
    assert case["model"].config._attn_implementation == "sdpa"
    probe = BertLook(BertLookConfig(1, 2, [3, 4]))
    lines = []
    whole = probe(case["model"], ["w5 w6 w7", "w8", "w9 w10"], words, batch_size=2, log=lines.append)
    alone = [probe(case["model"], text, words) for text in ("w5 w6 w7", "w8", "w9 w10")]
    assert whole.documents == 3
    assert lines == ["2 texts", "3 texts"]
    torch.testing.assert_close(whole.entropy, torch.stack([result.entropy for result in alone]).mean(0))
    torch.testing.assert_close(whole.averages["sep"], torch.stack([result.averages["sep"] for result in alone]).mean(0))


def test_layer_by_layer_is_the_same_as_all_maps_together_and_needs_no_more_memory_for_more_texts():
    case = example(BertLookConfig(1, 2, [3, 4]), 3)
    case["inputs"]["attention_mask"][1, 9:] = 0
    lean, whole = BertLook(BertLookConfig(1, 2, [3, 4])), BertLook(BertLookConfig(1, 2, [3, 4], js=True))
    first, second = lean(**case), whole(**case)
    for name, table in second.averages.items():
        torch.testing.assert_close(first.averages[name], table)
    torch.testing.assert_close(first.entropy, second.entropy)
    torch.testing.assert_close(first.entropy_cls, second.entropy_cls)
    assert (first.documents, first.uniform_entropy) == (second.documents, second.uniform_entropy)
    model = tiny_model("gpt2", n_layer=12)
    few, many = (peak_of_statistics(model, count, 64) for count in (2, 12))
    assert many <= 1.02 * few
    # The maps of all layers of one text, which nothing holds.
    assert many < 12 * 4 * 64**2 * 4
    assert is_bounded(few, many, maps_of_a_text(model, 64))

    def keep_all(model, texts) -> None:
        kept = [attention_maps(model, text) for text in texts]
        assert len(kept) > 1

    # The bound does not hold for a script that keeps all maps, nor where those of one text are held together.
    for hungry in (keep_all, BertLook(BertLookConfig(js=True))):
        peaks = [peak_of_statistics(model, count, 64, hungry) for count in (2, 12)]
        assert not is_bounded(*peaks, maps_of_a_text(model, 64))
    lines: list[str] = []
    lean(case["model"], [{"input_ids": case["inputs"]["input_ids"]}] * 3, log=lines.append)
    assert lines == ["3 texts", "6 texts", "9 texts"]
    with pytest.raises(zoo.InputError, match="no texts"):
        lean(case["model"], [])


def test_distances_do_not_depend_on_how_many_rows_are_computed_at_a_time(monkeypatch):
    table = maps(0, 2, 3, 40, 40)
    whole = js_distances(table)
    monkeypatch.setattr(statistics, "ROWS", 7)
    torch.testing.assert_close(js_distances(table), whole, atol=1e-5, rtol=1e-5)
