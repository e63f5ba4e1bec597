"""Word pieces: a vocabulary of a chosen size, learnt from text, that splits any text and puts it together again.

Words begin with the mark "▁", so that pieces joined give back the text up to white space. Three ways of learning, by
the ``tokenizers`` library: merges of frequent pairs ("bpe"), the same scored by likelihood ("wordpiece"), and a
unigram language model whose weakest pieces go ("unigram").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, InputError, shown
from zoo.targets import require
from zoo_seq2seq.decoding import END, START, UNKNOWN

MARK = "▁"
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
MODELS = ("bpe", "wordpiece", "unigram")


class WordPieces:
    """A learnt vocabulary. Ids 0 to 3 are padding, the unknown, and the marks around a sentence."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int, *, model: str = "bpe", strip_accents: bool = False
    ) -> WordPieces:
        """Learn from texts.

        Args:
            texts: one sentence each, any number.
            vocab_size: pieces, the four special ones included; fewer where the texts do not have as many.
            model: one of ``MODELS``.
            strip_accents: also take off accents, breathings and capitals.

        Raises:
            ConfigError: another model, or a vocabulary without room for pieces.
            InputError: no text.
        """
        tokenizers = require("tokenizers", needed_by="word pieces")
        from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

        if model not in MODELS:
            raise ConfigError(f"model={model!r}; expected one of {', '.join(MODELS)}", field="model")
        if vocab_size <= len(SPECIAL):
            raise ConfigError(f"vocab_size={vocab_size} leaves no room beside {len(SPECIAL)} marks", field="vocab_size")
        lines = list(texts)
        if not any(line.strip() for line in lines):
            raise InputError("no text to learn word pieces from")
        options: dict[str, Any] = {"vocab_size": vocab_size, "special_tokens": list(SPECIAL), "show_progress": False}
        if model == "bpe":
            inner: Any = models.BPE(unk_token=SPECIAL[UNKNOWN])
            trainer: Any = trainers.BpeTrainer(**options)
        elif model == "wordpiece":
            inner = models.WordPiece(unk_token=SPECIAL[UNKNOWN], continuing_subword_prefix="")
            trainer = trainers.WordPieceTrainer(continuing_subword_prefix="", **options)
        else:
            inner = models.Unigram()
            trainer = trainers.UnigramTrainer(unk_token=SPECIAL[UNKNOWN], **options)
        tokenizer = tokenizers.Tokenizer(inner)
        plain = [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()] if strip_accents else []
        tokenizer.normalizer = normalizers.Sequence([normalizers.Strip(), *plain, normalizers.NFC()])
        # White space of any kind and number is one space; a line of its own would be no word.
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
        )
        tokenizer.decoder = decoders.Metaspace()
        tokenizer.train_from_iterator(lines, trainer)
        return cls(tokenizer)

    @classmethod
    def load(cls, path: str | Path) -> WordPieces:
        """Read what ``save`` wrote.

        Raises:
            InputError: no such file, or not one of a tokenizer.
        """
        tokenizers = require("tokenizers", needed_by="word pieces")
        try:
            return cls(tokenizers.Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises bare exceptions
            raise InputError(f"{path} holds no word pieces: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write as the JSON of the ``tokenizers`` library."""
        self._tokenizer.save(str(path), pretty=False)

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without marks around it.

        Raises:
            InputError: it is no text, or holds half of a character.
        """
        try:
            found: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        except TypeError as error:
            raise InputError(f"{shown(text)} is no text of whole characters") from error
        return found

    def words(self, text: str) -> list[int]:
        """For each piece of a text, which of its words it belongs to, counted from 0."""
        word, found = -1, []
        for piece in self.pieces(self.encode(text)):
            word += piece.startswith(MARK) or word < 0
            found.append(word)
        return found

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The pieces of ids, as they stand in the vocabulary."""
        return [str(self._tokenizer.id_to_token(index)) for index in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, whatever marks are among them."""
        kept = [index for index in ids if index not in (0, START, END)]
        return str(self._tokenizer.decode(kept, skip_special_tokens=False))
