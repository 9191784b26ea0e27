"""Text before meaning: think blocks, prompt echoes, sentences, words, answers in JSON."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

MAX_TEXT = 20_000
"""Characters of an answer that are read."""

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|[.!?;:,()\[\]{}\n]", re.UNICODE)
_QUOTES = str.maketrans({'’': "'", '‘': "'", '`': "'", '“': '"', '”': '"', '–': '-', '—': ';',
                         '…': '.', '\u2011': '-', '\u00a0': ' '})
_THINK = re.compile(r'<(think|thinking|reasoning)>.*?(?:</\1>|\Z)', re.IGNORECASE | re.DOTALL)
_ENDS = frozenset('.!?;\n')
_BULLET = re.compile(r'^\s*(?:[-*•+]|\d{1,3}[.)])\s+', re.MULTILINE)
_MARKS = re.compile(r'[*_#>|]{1,3}')


def words(text: str) -> tuple[str, ...]:
    """Return the words and punctuation marks of a text, in lower case."""
    return tuple(_WORD.findall(text.lower()))


def tidy(text: str, prompt: str = '') -> str:
    """
    Return what an answer says: bounded, without think blocks and without an echoed prompt.

    A think block that never ends hides all that follows it.
    """
    text = unicodedata.normalize('NFKC', text[:MAX_TEXT]).translate(_QUOTES)
    text = _THINK.sub(' ', text)
    if '</think>' in text:
        text = text.rsplit('</think>', 1)[1]
    echo = unicodedata.normalize('NFKC', prompt[:MAX_TEXT]).translate(_QUOTES).strip()
    if echo and text.lstrip().lower().startswith(echo.lower()):
        text = text.lstrip()[len(echo):]
    return text


def sentences(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of each sentence or line, punctuation within it kept."""
    plain = _MARKS.sub(' ', _BULLET.sub('\n', text))
    sentence: list[str] = []
    for word in words(plain):
        if word in _ENDS:
            if sentence:
                yield tuple(sentence + ['?'] if word == '?' else sentence)
            sentence = []
        else:
            sentence.append(word)
    if sentence:
        yield tuple(sentence)


def find_json(text: str) -> Any:
    """
    Return the JSON object or list that an answer holds, fenced or bare; None when there is none.

    Objects that cannot be read (cut off, nested too deeply) count as none.
    """
    starts = [place for place in (text.find('{'), text.find('[')) if place >= 0]
    if not starts:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(text, min(starts))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None
