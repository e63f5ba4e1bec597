"""What is promised of the model and a machine can check; of the trained one, out of its package."""

from __future__ import annotations

import re
from pathlib import Path

import torch

import zoo
from zoo import Measurement, building
from zoo.bridges.transformers.maps import attention_maps
from zoo.errors import MissingDependency
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.whisper.config import WhisperConfig
from zoo_interpret.whisper.networks import BEGIN, PLAIN, RATE, Whisper, recording

RECORDINGS = Path("/usr/share/pocketsphinx/test/data/librivox")


def check_size() -> Measurement:
    """Parameters of the default config, counted without any memory for them."""
    with building.on_meta():
        count = sum(parameter.numel() for parameter in Whisper(WhisperConfig()).parameters())
    return Measurement(
        f"{count:,}", abs(count / 39e6 - 1) < 0.01, "of the English model, whose output shares the embeddings' weights"
    )


def check_transcripts() -> Measurement:
    """Word error rate on five sentences of a LibriVox reader, with what they say beside them."""
    model = zoo.load("whisper")
    errors = words = 0
    for path, said in _recordings():
        heard = _words(model.transcribe(recording(path).numpy()))
        errors += _distance(heard, _words(said))
        words += len(_words(said))
    rate = 100 * errors / words
    return Measurement(f"{rate:.1f}% of {words} words", rate < 10, "5 sentences of one reader; taken to hold below 10%")


def _recordings() -> list[tuple[Path, str]]:
    """Sound files and what is said in them, shortest first."""
    if not (RECORDINGS / "transcription").is_file():
        raise MissingDependency(f"no recordings in {RECORDINGS}. Run: apt-get install pocketsphinx-testdata")
    lines = (RECORDINGS / "transcription").read_text(encoding="utf-8").splitlines()
    texts = {name: text for line in lines for text, name in re.findall(r"<s>(.*)</s>\s*\((.*)\)", line)}
    found = [(RECORDINGS / f"{name}.wav", text) for name, text in texts.items()]
    return sorted(found, key=lambda each: each[0].stat().st_size)


def _words(text: str) -> list[str]:
    return re.sub(r"[^a-z' ]", " ", text.lower().replace("-", " ")).split()


def _distance(first: list[str], second: list[str]) -> int:
    """Least number of words to insert, leave out and replace."""
    row = list(range(len(second) + 1))
    for i, word in enumerate(first, 1):
        before, row = row, [i]
        for j, other in enumerate(second, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1]


def picture(path: Path) -> None:
    """Cross-attention of Whisper tiny.en, mean over all heads, while it writes down a LibriVox reader's sentence."""
    model = zoo.load("whisper")
    file, _ = _recordings()[0]
    sound = recording(file)
    features = model.processor(sound.numpy(), sampling_rate=RATE, return_tensors="pt").input_features
    said = model.processor.tokenizer(model.transcribe(sound.numpy()), add_special_tokens=False)["input_ids"]
    ids = [BEGIN, PLAIN, *said]
    maps = attention_maps(model, {"input_features": features, "decoder_input_ids": torch.tensor([ids])}, group="A")
    # The state that writes a token is the one before it.
    weights = torch.stack([each[0].mean(0) for each in maps]).mean(0)[1:-1]
    seconds = len(sound) / RATE
    shown = weights[:, : int(50 * seconds) + 1]
    figure = new_figure(figsize=(9, 0.24 * len(said) + 1.2))
    axis = figure.subplots()
    image = axis.imshow(
        shown.numpy(), aspect="auto", cmap="Blues", extent=(0, shown.shape[1] / 50, len(said) - 0.5, -0.5)
    )
    axis.set_yticks(range(len(said)), [model.processor.tokenizer.decode([token]) for token in said], fontsize=8)
    axis.set(
        xlabel="seconds of the recording", title="where each token is heard: mean cross-attention, Whisper tiny.en"
    )
    figure.colorbar(image, label="attention weight")
    saved(figure, path)
