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

"""Texts to read, one a line: plain, or JSON lines with a text, an id and what was asked."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from vlm_misalign_ros.core.errors import ConfigurationError, DatasetError

STDIN = '-'
SUFFIXES = ('.jsonl', '.ndjson')
"""Files that are JSON lines by their name."""


@dataclass(frozen=True)
class Text:
    """A text, what it goes by, and what was asked."""

    name: str | int | float | bool
    """The value of its id, else the number of its line."""
    text: str
    prompt: str = ''


@dataclass(frozen=True)
class Keys:
    """Under which keys a JSON line has what is needed; id and prompt may be lacking."""

    text: str = 'text'
    name: str = 'id'
    prompt: str = 'prompt'


@contextmanager
def open_texts(place: str) -> Iterator[Iterator[str]]:
    """
    Give the lines of a file, or of standard input for `-`, one at a time.

    What is no UTF-8 is replaced. DatasetError for what cannot be read.
    """
    if place == STDIN:
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding='utf-8-sig', errors='replace')
        yield _lines(sys.stdin, 'standard input')
        return
    path = Path(place).expanduser()
    try:
        stream = path.open(encoding='utf-8-sig', errors='replace')
    except (OSError, ValueError) as error:
        raise DatasetError(
            f'{place!r} cannot be read: {getattr(error, "strerror", None) or error}',
            'give a file with a text a line, plain or JSON, or - for standard input',
        ) from error
    with stream:
        yield _lines(stream, place)


def _lines(stream: TextIO, place: str) -> Iterator[str]:
    try:
        for line in stream:
            yield line.rstrip('\n')
    except OSError as error:
        raise DatasetError(f'{place} cannot be read on: {error.strerror}') from error


def plain_texts(lines: Iterator[str], prompt: str = '') -> Iterator[Text]:
    r"""Yield lines as texts; \n in a line is a line break of its text."""
    for number, line in enumerate(lines, 1):
        yield Text(number, line.replace('\\n', '\n'), prompt)


def json_texts(
    lines: Iterator[str], place: str, keys: Keys, prompt: str = ''
) -> Iterator[Text | ConfigurationError]:
    """
    Yield the texts of JSON lines, and an error for a line that has none; empty lines are none.

    `prompt` is what was asked where a line does not say.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _json_text(line, number, keys, prompt)
            except _Wrong as error:
                yield ConfigurationError(f'{place}, line {number}, {error.args[0]}', error.args[1])


class _Wrong(Exception):
    """What is wrong with a line, and the remedy."""


def _json_text(line: str, number: int, keys: Keys, prompt: str) -> Text:
    try:
        entry = json.loads(line, parse_constant=str)
    except json.JSONDecodeError as error:
        raise _Wrong(
            f'is no JSON ({error.msg}, column {error.colno})', 'mend it; the other lines are read'
        ) from error
    except (ValueError, RecursionError) as error:
        raise _Wrong(f'is no JSON that can be read ({error})', 'mend or remove it') from error
    if not isinstance(entry, Mapping):
        raise _Wrong(
            f'is {_kind(entry)}', f'expected an object such as {{"{keys.text}": "A car."}}'
        )
    if keys.text not in entry:
        names = ', '.join(repr(str(name)[:40]) for name in list(entry)[:8])
        raise _Wrong(
            f'has no {keys.text!r}; it has {names or "nothing"}',
            'name the key of the text by --text-key',
        )
    return Text(
        _name(entry.get(keys.name), number),
        _string(entry[keys.text], keys.text),
        _string(entry[keys.prompt], keys.prompt) if entry.get(keys.prompt) else prompt,
    )


def _string(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise _Wrong(f'has {_kind(value)} under {key!r}', 'expected a text')
    return value


def _name(value: Any, number: int) -> str | int | float | bool:
    """Return an id as it can be written in every format."""
    if value is None:
        return number
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, (str, int, float)) else json.dumps(value)


def _kind(value: Any) -> str:
    """Return what a value of JSON is, in the words of JSON."""
    kinds = {bool: 'true or false', dict: 'an object', list: 'a list', str: 'a text'}
    return 'null' if value is None else kinds.get(type(value), 'a number')
