# Copyright 2026 vlm_misalign_ros maintainers
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""
The text of an answer as it is read, and the way from it back to the answer.

Every step keeps the length of the text (what goes is written over with spaces) but two, which keep
a map: the characters of Unicode are brought to one form, and long texts are cut.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from vlm_misalign_ros.core.language.bounding import MAX_TEXT, Kept, Span, blank, keep, thoughts
from vlm_misalign_ros.core.language.wrapping import unwrap

_QUOTES = str.maketrans(
    {
        '’': "'",
        '‘': "'",
        '“': '"',
        '”': '"',
        '–': '-',
        '—': ';',
        '…': '.',
        '\u2011': '-',
        '\u2010': '-',
        '\u00a0': ' ',
        '\r': '\n',
    }
)
_APOSTROPHE = re.compile(r'(?<=\w)`(?=\w)')
"""Elsewhere a backtick is a quote or, thrice, a fence."""
_DASH = re.compile(r'(?<=\S) +-{1,3} +(?=\S)')
"""A dash between clauses; one at the head of a line is a bullet."""
_KEY_DASH = re.compile(
    r'^([^\n\w]*(?:\d{1,2}[.)] *)?\w+(?: \w+){0,2})( +-{1,3} +)(?=\S)', re.MULTILINE
)
"""`Trains - none` on a line of its own is a key with its value."""
_ANSWER_DASH = re.compile(
    r"(?<!\w)(\w+(?: \w+){0,2})( +-{1,3} +)(?=(?:no|none|nope|yes|zero|absent|can't find|"
    r'cannot find|one|two|three|several|many)\b)',
    re.IGNORECASE,
)
"""`A bus - no.` within a line is one, too."""
_EQUALS = re.compile(r'(?<=[^\W\d_]) ?= ?(?=\w)')
_PIECE = re.compile(r'[\x00-\x7f]+(?=[\x00-\x7f]|\Z)|.', re.DOTALL)
"""A run of ASCII, but for a last character that a mark may follow; or any other character."""
_CLUSTER = 32
"""Marks that are taken to be of one letter; real ones have two or three."""


@dataclass(frozen=True)
class Plain:
    """The text of an answer as it is read."""

    text: str
    """One form of Unicode, plain quotes; thoughts, marks of a chat and echoes are spaces."""
    asked: str = ''
    """The question that a `yes` or `no` at its beginning answers; empty for none."""
    cut: int = 0
    """Characters of the answer that are left out in its middle, since it is too long."""
    _starts: Sequence[int] | None = field(default=None, repr=False)
    _ends: Sequence[int] | None = field(default=None, repr=False)

    def span(self, start: int, end: int) -> Span:
        """Return (start, end) in the answer of what stands at (start, end) of this text."""
        if self._starts is None or self._ends is None or start >= end:
            return start, end
        return self._starts[start], self._ends[end - 1]

    def put(self, pieces: Iterable[tuple[int, int, str]]) -> Plain:
        """Return it with other words in the place of some: (start, end, word), in their order."""
        old_starts = self._starts or range(len(self.text))
        old_ends = self._ends or range(1, len(self.text) + 1)
        starts: array[int] = array('l')
        ends: array[int] = array('l')
        parts: list[str] = []
        done = 0
        for start, end, word in pieces:
            parts += self.text[done:start], word
            starts.extend(old_starts[done:start])
            starts.extend([old_starts[start]] * len(word))
            ends.extend(old_ends[done:start])
            ends.extend([old_ends[end - 1]] * len(word))
            done = end
        if not parts:
            return self
        starts.extend(old_starts[done:])
        ends.extend(old_ends[done:])
        return replace(self, text=''.join((*parts, self.text[done:])), _starts=starts, _ends=ends)


@lru_cache(maxsize=1)  # Several lexicons read an answer one after the other.
def tidy(answer: str, prompt: str = '') -> Plain:
    """
    Return an answer as it is read.

    Without thoughts, the marks of a chat, echoes of the prompt and what a model made up after its
    answer; bounded to MAX_TEXT characters, or little more where there are gaps.
    """
    draft = _Draft(answer)
    draft.normalise()
    echoes, asked = unwrap(draft.text, normal_form(prompt[:MAX_TEXT]))
    draft.text = blank(draft.text, echoes)
    return Plain(_punctuated(draft.text), asked, draft.cut, draft.starts, draft.ends)


def normal_form(text: str) -> str:
    """Return a text in one form of Unicode and with plain quotes."""
    return _plain_quotes(unicodedata.normalize('NFKC', text))


def _plain_quotes(text: str) -> str:
    text = text.translate(_QUOTES)
    return _APOSTROPHE.sub("'", text) if '`' in text else text


class _Draft:
    """A text on its way, with the place in the answer of each of its characters."""

    def __init__(self, answer: str) -> None:
        """Leave out thoughts, and the middle of what is too long."""
        self.starts: array[int] | None = None
        self.ends: array[int] | None = None
        self.cut = 0
        self.text = answer
        if len(answer) > MAX_TEXT:
            self._shorten(keep(answer))
        else:
            self.text = blank(answer, thoughts(answer), last='\n')

    def _shorten(self, kept: Kept) -> None:
        answer, self.cut = self.text, kept.cut
        parts = kept.head + kept.tail
        starts: array[int] = array('l')
        for number, (start, end) in enumerate(parts):
            if number:
                # A line break for what was left out, so that no two words become one.
                starts.append(parts[number - 1][1] - 1)
            starts.extend(range(start, end))
        self.text = '\n'.join(answer[start:end] for start, end in parts)
        self.starts, self.ends = starts, array('l', (place + 1 for place in starts))

    def normalise(self) -> None:
        """Bring the text to its normal form, one cluster of characters after the other."""
        text = self.text
        if text.isascii() or unicodedata.is_normalized('NFKC', text):
            self.text = _plain_quotes(text)
            return
        old_starts = self.starts or range(len(text))
        old_ends = self.ends or range(1, len(text) + 1)
        starts: array[int] = array('l')
        ends: array[int] = array('l')
        found = []
        for begin, end in _clusters(text):
            part = unicodedata.normalize('NFKC', text[begin:end])
            if part == text[begin:end]:
                starts.extend(old_starts[begin:end])
                ends.extend(old_ends[begin:end])
            else:
                starts.extend([old_starts[begin]] * len(part))
                ends.extend([old_ends[end - 1]] * len(part))
            found.append(part)
            if len(starts) > 2 * MAX_TEXT:
                # Some characters stand for many.
                self.cut += len(text) - end
                break
        self.text = _plain_quotes(''.join(found))
        self.starts, self.ends = starts, ends


def _clusters(text: str) -> Iterator[Span]:
    """Yield (start, end) of runs of ASCII, and of characters with the marks that go with them."""
    start = 0
    for piece in _PIECE.finditer(text):
        place = piece.start()
        if place == 0 or unicodedata.combining(text[place]) and place - start < _CLUSTER:
            continue
        yield start, place
        start = place
    if text:
        yield start, len(text)


def _punctuated(text: str) -> str:
    """Write dashes and equals signs as what they mean, in their place."""
    if ' -' in text:
        text = _KEY_DASH.sub(lambda found: found[1] + _for_dash(found[2], ':'), text)
        text = _ANSWER_DASH.sub(lambda found: found[1] + _for_dash(found[2], ':'), text)
        text = _DASH.sub(lambda found: _for_dash(found[0], ';'), text)
    if '=' in text:
        text = _EQUALS.sub(lambda found: found[0].replace('=', ':'), text)
    return text


def _for_dash(dash: str, sign: str) -> str:
    return dash.replace('-', sign, 1).replace('-', ' ')
