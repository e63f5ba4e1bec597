"""``zoo predict`` writes what is no number or text to files, and prints where they are."""

from __future__ import annotations

import os

import pytest
from PIL import Image

import zoo
from zoo.cli.predicting import _written
from zoo.targets import resolve


def test_pictures_and_files_are_written_and_numbers_kept(tmp_path):
    assert _written(3.5, tmp_path, "x") == 3.5
    assert _written({"a": [1, "b"]}, tmp_path, "x") == {"a": [1, "b"]}
    sound = _written((".wav", b"RIFF"), tmp_path / "new", "speech-sound")
    assert sound == str(tmp_path / "new" / "speech-sound.wav")
    assert (tmp_path / "new" / "speech-sound.wav").read_bytes() == b"RIFF"
    picture = _written(Image.new("RGB", (4, 3), "red"), tmp_path, "map")
    with Image.open(picture) as image:
        assert image.size == (4, 3)


READERS = {
    "zoo_vision.images:open_image": "png",
    "zoo_pose.crops:open_picture": "png",
    "zoo_pose.lifting:read_track": "npz",
    "zoo_pose.poseur.network:read_source": "json",
    "zoo_seq2seq.ripo_transformer.notes:notes_of": "mid",
    "zoo_evaluate.only_connect_wall.walls:read_walls": "json",
    "zoo_interpret.bert_look.parsing:read_conll": "conllu",
}


@pytest.mark.skipif(os.name == "nt", reason="named pipes and devices of POSIX systems")
@pytest.mark.parametrize(("reader", "suffix"), READERS.items())
def test_what_is_no_file_is_not_waited_for(tmp_path, reader, suffix):
    pipe, device, folder = (tmp_path / f"{name}.{suffix}" for name in ("pipe", "device", "folder"))
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    folder.mkdir()
    for path, what in ((pipe, "a named pipe"), (device, "a device"), (folder, "a folder")):
        with pytest.raises(zoo.InputError, match=f"is {what}; expected a file"):
            resolve(reader)(str(path))
