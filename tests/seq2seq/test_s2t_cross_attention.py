"""Cross-attention beside saliency: what is particular to it."""

from __future__ import annotations

import struct
import wave

import pytest
import torch

import zoo
from zoo.bridges.transformers.tiny import tiny_model
from zoo_seq2seq.s2t_cross_attention import saliency, segments
from zoo_seq2seq.s2t_cross_attention.agreement import correlations, pearson, resized, standardised
from zoo_seq2seq.s2t_cross_attention.config import CrossAttentionConfig, SpesConfig
from zoo_seq2seq.s2t_cross_attention.probe import CrossAttentionProbe, Spes, example
from zoo_seq2seq.s2t_cross_attention.speech import SpeechModel, read_recording

SMALL = {"num_masks": 10, "num_segments": [8, 12], "segmentation": "grid"}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_relevance_is_the_mean_score_of_what_hides_a_cell():
    scores = torch.tensor([[1.0], [3.0], [8.0]])
    masks = torch.tensor([[0.0, 1, 1], [0, 0, 1], [1, 0, 1]])
    assert saliency.relevance(scores, masks).tolist() == [[2.0, 5.5, 0.0]]


def test_divergence():
    clean, masked = torch.tensor([[0.5, 0.5, 0.0]]), torch.tensor([[[0.25, 0.5, 0.25]]])
    assert saliency.divergences(clean, masked).item() == pytest.approx(0.5 * torch.tensor(2.0).log().item())


def test_normalisation_of_maps_and_visible_tokens():
    maps, tokens = torch.rand(3, 4, 5, generator=generator()), torch.rand(3, 3, generator=generator()).tril()
    normal, of_tokens = saliency.z_scores(maps, tokens)
    torch.testing.assert_close(normal.mean((1, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal.flatten(1).std(1), torch.ones(3))
    assert of_tokens[0].tolist() == [0, 0, 0]
    assert of_tokens[1, 2] == 0
    assert float(of_tokens[2].std()) == pytest.approx(1)
    scaled, scaled_tokens = saliency.min_max(normal, of_tokens)
    for row in range(3):
        both = torch.cat((scaled[row].flatten(), scaled_tokens[row, : row + 1]))
        assert float(both.min()) == 0
        assert float(both.max()) == 1
    assert scaled_tokens.triu(1).abs().sum() == 0
    alone, nothing = saliency.min_max(maps)
    assert nothing is None
    assert float(alone.max()) == 1


def test_deletion():
    maps = torch.tensor([[[1.0, 9.0], [3.0, 2.0]], [[0.0, 0.0], [0.0, 8.0]]])
    assert saliency.deletion_order(maps, 0.5).tolist() == [[1, 0], [1, 0]]
    assert saliency.deletion_order(maps, 0.0).tolist() == [[1, 1], [1, 1]]


def test_rectangles_and_masks():
    config = SpesConfig(**SMALL | {"num_masks": 9, "dynamic": False})
    labels = segments.segments(torch.zeros(20, 10), 8, config)
    assert labels.shape == (20, 10)
    assert labels.unique().numel() == 8
    masks = segments.spectrogram_masks(torch.randn(20, 10, generator=generator()), config, generator())
    assert masks.shape == (9, 20, 10)
    first = masks[0]
    for label in labels.unique():
        assert first[labels == label].unique().numel() == 1
    assert (
        segments.spectrogram_masks(
            torch.zeros(3, 2), SpesConfig(num_masks=2, probability=1.0, segmentation="grid"), generator()
        ).sum()
        == 0
    )


def test_super_pixels():
    pytest.importorskip("skimage")
    spectrogram = torch.zeros(20, 16)
    spectrogram[:, 8:] = 1.0
    labels = segments.segments(spectrogram, 8, SpesConfig(sigma=0.0))
    left, right = set(labels[:, :8].flatten().tolist()), set(labels[:, 8:].flatten().tolist())
    assert len(left | right) > 2
    assert not left & right


def test_correlations():
    maps = torch.rand(2, 3, 4, 7, generator=generator())
    heads, layers, everything = correlations(maps, maps[1, 2])
    assert heads.shape == (2, 3)
    assert heads[1, 2] == pytest.approx(1, abs=1e-6)
    assert layers[1] == pytest.approx(float(pearson(maps[1].mean(0), maps[1, 2])))
    assert everything == pytest.approx(float(pearson(maps.mean((0, 1)), maps[1, 2])))
    assert pearson(torch.ones(2, 3), torch.rand(2, 3)) == 0
    with pytest.raises(zoo.InputError, match="expected the same"):
        pearson(torch.ones(2, 3), torch.ones(2, 4))
    assert resized(torch.tensor([[0.0, 2.0]]), 4).tolist() == [[0, 0.5, 1.5, 2]]
    flat = standardised(maps)
    torch.testing.assert_close(flat.mean(-2), torch.zeros(2, 3, 7), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["whisper", "speech2text"])
def test_models_of_transformers(family):
    if family == "whisper":
        case = example(SpesConfig())
        model, inputs = case["model"], case["inputs"]
    else:
        import transformers

        torch.manual_seed(0)
        sizes = {"encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64}
        heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "input_feat_per_channel": 8}
        config = transformers.Speech2TextConfig(vocab_size=50, d_model=32, conv_channels=32, **sizes, **heads)
        model = transformers.Speech2TextForConditionalGeneration(config).eval()
        ids = torch.randint(50, (1, 5), generator=generator())
        inputs = {"input_features": torch.randn(1, 40, 8, generator=generator()), "decoder_input_ids": ids}
    speech = SpeechModel(model)
    features, tokens = speech.features(inputs["input_features"]), inputs["decoder_input_ids"]
    with torch.no_grad():
        states = speech.encode(features)
        found = speech.probabilities(states, tokens)
        expected = model(**inputs).logits.softmax(-1)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
        # A token that is hidden changes what comes after it, and nothing before.
        mask = torch.ones(1, 5)
        mask[0, 3] = 0
        hidden = speech.probabilities(states, tokens, mask)
        torch.testing.assert_close(hidden[:, :3], found[:, :3], atol=1e-6, rtol=1e-5)
        assert float((hidden[:, 3:] - found[:, 3:]).abs().max()) > 1e-6
    maps = speech.cross_attention(features, tokens)
    assert maps.shape == (2, 4, 5, states.shape[1])
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 4, 5))
    report = CrossAttentionProbe(CrossAttentionConfig(**SMALL))(model, inputs)
    assert report.per_head.shape == (2, 4)
    assert report.saliency.spectrogram.shape == (5, *features.shape[1:])
    assert report.saliency.tokens is None
    assert set(report.to_dict()) == {"input", "encoder", "input with encoder"}


def test_padding_has_no_part():
    case = example(SpesConfig())
    inputs = {**case["inputs"], "frames": 10}
    found = Spes(SpesConfig(**SMALL, token_probability=0.5))(case["model"], inputs)
    assert found.spectrogram.shape[1] == 10
    assert found.encoder.shape[1] == 5
    assert found.tokens.triu(1).abs().sum() == 0
    assert "ids" in found.to_dict()


@pytest.mark.parametrize("options", [{"reduce": "mean"}, {"to": "input"}, {"standardise": True}, {"fill": "zero"}])
def test_options(options):
    case = example(SpesConfig())
    plain, other = (
        CrossAttentionProbe(CrossAttentionConfig(**SMALL, **each))(case["model"], case["inputs"])
        for each in ({}, options)
    )
    assert plain.all_heads != other.all_heads


def test_recordings(tmp_path):
    class Extractor:
        sampling_rate, hop_length = 16_000, 160

        def __call__(self, sound, sampling_rate, return_tensors):
            return {"input_features": torch.zeros(1, 80, 3000)}

    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(struct.pack("<4000h", *range(4000)))
    features, frames = read_recording(path, Extractor())
    assert features.shape == (1, 80, 3000)
    assert frames == 50
    (tmp_path / "none.wav").write_text("nothing")
    with pytest.raises(zoo.InputError, match="no WAV"):
        read_recording(tmp_path / "none.wav", Extractor())


def test_errors():
    case = example(SpesConfig())
    probe = Spes(SpesConfig(**SMALL))
    with pytest.raises(zoo.InputError, match="no speech encoder-decoder"):
        probe(tiny_model("bert"), case["inputs"])
    with pytest.raises(zoo.InputError, match="processor"):
        probe(case["model"], {"recording": "x.wav"})
    with pytest.raises(zoo.InputError, match="expected input_features"):
        probe(case["model"], {"sound": 1})
    with pytest.raises(zoo.InputError, match="one utterance"):
        probe(case["model"], {"input_features": case["inputs"]["input_features"].expand(2, -1, -1)})
    with pytest.raises(zoo.InputError, match="nothing to occlude"):
        probe(case["model"], {**case["inputs"], "frames": 0})
    with pytest.raises(zoo.ConfigError, match="granularity"):
        SpesConfig(num_segments=[])
