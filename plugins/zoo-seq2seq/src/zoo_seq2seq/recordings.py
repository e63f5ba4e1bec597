"""Spoken words whose text is known: prompts of the telephone system Asterisk in Debian's packages, a reader each.

::

    word = prompts("allison")["seven"]              # (samples,) at 8 kHz, silence cut off at both ends
    read_wav("sentence.wav", 8000)                  # any WAV file at a rate of choice

Recordings stay where they are; their licences stand with the readers. What a file says is its name ("digits/7.wav"), or
stands below.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError, MissingDependency
from zoo.places import to_read
from zoo.targets import require

RATE = 8_000
"""Samples per second of the prompts."""
RATES = range(1_000, 768_001)
"""Samples per second of recorders."""
_SOUNDS = Path("/usr/share/asterisk/sounds")


@dataclass(frozen=True)
class Reader:
    """Who read prompts.

    Args:
        language: "en", "es", "fr" or "it".
        folder: below Asterisk's sounds.
        package: of Debian.
        license: of the recordings, as SPDX writes it.
        suffix: of the files; "gsm" is GSM 06.10 without a header.
    """

    language: str
    folder: str
    package: str
    license: str
    suffix: str = "wav"


READERS = MappingProxyType(
    {
        "allison": Reader("en", "en_US_f_Allison", "asterisk-core-sounds-en-wav", "CC-BY-SA-3.0"),
        "allison-es": Reader("es", "es_MX_f_Allison", "asterisk-core-sounds-es-wav", "CC-BY-SA-3.0"),
        "june": Reader("fr", "fr_CA_f_June", "asterisk-core-sounds-fr-wav", "CC-BY-SA-3.0"),
        "armelle": Reader("fr", "fr", "asterisk-prompt-fr-armelle", "BSD-3-Clause", "gsm"),
        "carlo": Reader("it", "it_IT_m_Carlo", "asterisk-core-sounds-it-wav", "CC-BY-SA-3.0"),
        "paola": Reader("it", "it_IT_f_Menardi", "asterisk-prompt-it-menardi-wav", "CC-BY-SA-3.0"),
    }
)

_SMALL = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis "
    "diecisiete dieciocho diecinueve veinte",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize",
    "it": "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici "
    "diciassette diciotto diciannove venti",
}
_DAYS = {
    "en": "sunday monday tuesday wednesday thursday friday saturday",
    "es": "domingo lunes martes miércoles jueves viernes sábado",
    "fr": "dimanche lundi mardi mercredi jeudi vendredi samedi",
    "it": "domenica lunedì martedì mercoledì giovedì venerdì sabato",
}
_MONTHS = {
    "en": "january february march april may june july august september october november december",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
}
_PHONETIC = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike oscar papa quebec romeo sierra "
    "tango uniform victor whiskey yankee zulu"
)
"""Of November there is the month's recording."""


def _texts(language: str) -> dict[str, str]:
    """File, without its suffix, to what it says."""
    found = {f"digits/{number}": word for number, word in enumerate(_SMALL[language].split())}
    found |= {f"digits/day-{number}": word for number, word in enumerate(_DAYS[language].split())}
    found |= {f"digits/mon-{number}": word for number, word in enumerate(_MONTHS[language].split())}
    return found | ({f"phonetic/{word[0]}_p": word for word in _PHONETIC.split()} if language == "en" else {})


def words_of(language: str) -> list[str]:
    """What readers of a language say, in order; known without the recordings.

    Raises:
        InputError: a language without prompts.
    """
    if language not in _SMALL:
        raise InputError(f"language {language!r}; there are prompts in {', '.join(_SMALL)}")
    return list(_texts(language).values())


@cache
def prompts(reader: str) -> MappingProxyType[str, Tensor]:
    """Word to its recording (samples,) at 8 kHz, loudest sample 0.5, silence cut off.

    Args:
        reader: one of ``READERS``.

    Raises:
        InputError: another reader.
        MissingDependency: the package of Debian is not installed; for GSM files also soundfile.
    """
    if reader not in READERS:
        raise InputError(f"reader {reader!r}; there are {', '.join(READERS)}")
    found = READERS[reader]
    folder = _SOUNDS / found.folder
    if not folder.is_dir():
        raise MissingDependency(
            f"spoken words of {reader!r} are in a Debian package. Run: apt-get install {found.package}"
        )
    read = _read_gsm if found.suffix == "gsm" else partial(read_wav, rate=RATE)
    return MappingProxyType(
        {word: trimmed(read(folder / f"{file}.{found.suffix}")) for file, word in _texts(found.language).items()}
    )


def _read_gsm(path: Path) -> Tensor:
    soundfile: Any = require("soundfile", needed_by="GSM recordings")
    samples, _ = soundfile.read(path, format="RAW", subtype="GSM610", samplerate=RATE, channels=1, dtype="float32")
    return torch.as_tensor(samples)


def trimmed(sound: Tensor, *, rate: int = RATE, below: float = 30.0) -> Tensor:
    """A sound (samples,) with the loudest sample at 0.5, without what is quieter at both ends.

    Args:
        rate: samples per second.
        below: decibels under the loudest 20 ms that count as silence.

    Raises:
        InputError: nothing but zeros.
    """
    size = rate // 50
    power = sound.unfold(0, size, size // 2).square().mean(-1) if len(sound) >= size else sound.square().mean()[None]
    if not float(power.max()):
        raise InputError("a recording of nothing but zeros holds no word")
    loud = (power > power.max() * 10 ** (-below / 10)).nonzero().flatten()
    found = sound[int(loud[0]) * (size // 2) : int(loud[-1]) * (size // 2) + size]
    return found / (2 * found.abs().max())


def read_wav(path: str | Path, rate: int) -> Tensor:
    """A WAV file as one channel (samples,) in [-1, 1], resampled to ``rate``.

    Raises:
        InputError: no WAV file that could be read, an empty one, or one of a rate that no recorder has.
    """
    wavfile = require("scipy.io.wavfile", needed_by="reading a recording")
    try:
        found, samples = wavfile.read(to_read(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no WAV file that can be read: {error}") from error
    if found not in RATES:
        raise InputError(f"{path} has {found:,} samples a second; expected {RATES[0]:,} to {RATES[-1]:,}")
    kinds: dict[str, tuple[float, float]] = {"int16": (0.0, 2.0**15), "int32": (0.0, 2.0**31), "uint8": (128.0, 128.0)}
    zero, one = kinds.get(str(samples.dtype), (0.0, 1.0))
    sound = (torch.as_tensor(samples.astype("float32")) - zero) / one
    sound = sound.mean(1) if sound.ndim > 1 else sound
    if not len(sound):
        raise InputError(f"{path} holds no sound")
    return resampled(sound, found, rate)


def resampled(sound: Tensor, given: int, wanted: int) -> Tensor:
    """A sound (samples,) at another rate, by a polyphase filter."""
    if given == wanted:
        return sound
    signal: Any = require("scipy.signal", needed_by="resampling a recording")
    return torch.as_tensor(signal.resample_poly(sound.double().numpy(), wanted, given)).float()


def wav_bytes(sound: Tensor, rate: int) -> bytes:
    """A sound (samples,) in [-1, 1] as a WAV file of 16 bits."""
    import io
    import wave

    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((sound.clamp(-1, 1) * 32767).round().to(torch.int16).numpy().tobytes())
    return content.getvalue()
