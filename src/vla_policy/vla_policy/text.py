"""Sentences to word numbers: one token a word, kept as a `tokenizers` file in the checkpoint."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from vla_core.errors import InvalidDataError

PAD, UNKNOWN = '[PAD]', '[UNK]'


class WordTokenizer:
    """Lower-cases, splits at white space and punctuation, numbers the words; 0 is padding."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def learn(cls, sentences: Iterable[str]) -> 'WordTokenizer':
        """Number the words of `sentences` in alphabetical order."""
        words = sorted({word for text in sentences for word in _words(text)})
        numbers = {word: k for k, word in enumerate([PAD, UNKNOWN, *words])}
        tokenizer = Tokenizer(WordLevel(numbers, unk_token=UNKNOWN))
        tokenizer.normalizer = Lowercase()
        tokenizer.pre_tokenizer = Whitespace()
        return cls(tokenizer)

    @classmethod
    def from_json(cls, text: str, where: str) -> 'WordTokenizer':
        """Read what `to_json` wrote; raise InvalidDataError naming `where`."""
        try:
            tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # tokenizers raises bare Exception for any bad file
            raise InvalidDataError(f'{where}: not a tokenizer file: {error}') from error
        return cls(tokenizer)

    def to_json(self) -> str:
        """Return the tokenizer in the format of the `tokenizers` library."""
        return self._tokenizer.to_str(pretty=True)

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return self._tokenizer.get_vocab_size()

    def encode(self, text: str, length: int) -> np.ndarray:
        """Return (length,) int64 word numbers, cut or padded with 0."""
        numbers = self._tokenizer.encode(text).ids[:length]
        return np.array(numbers + [0] * (length - len(numbers)), dtype=np.int64)


def _words(text: str) -> list[str]:
    return [word for word, _ in Whitespace().pre_tokenize_str(text.lower())]


def read_tokenizer(path: Path) -> WordTokenizer:
    """Return the tokenizer stored at `path`."""
    return WordTokenizer.from_json(path.read_text(), str(path))
