"""``zoo predict`` writes what is no number or text to files, and prints where they are."""

from __future__ import annotations

from PIL import Image

from zoo.cli.predicting import _written


def test_pictures_and_files_are_written_and_numbers_kept(tmp_path):
    assert _written(3.5, tmp_path, "x") == 3.5
    assert _written({"a": [1, "b"]}, tmp_path, "x") == {"a": [1, "b"]}
    sound = _written((".wav", b"RIFF"), tmp_path / "new", "speech-sound")
    assert sound == str(tmp_path / "new" / "speech-sound.wav")
    assert (tmp_path / "new" / "speech-sound.wav").read_bytes() == b"RIFF"
    picture = _written(Image.new("RGB", (4, 3), "red"), tmp_path, "map")
    with Image.open(picture) as image:
        assert image.size == (4, 3)
