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
What a server answered, checked: chat completions as OpenAI, vLLM, SGLang, llama.cpp and others do.

A body may hold anything: each value is taken only where it is of the type that it has to be, and
bounded; the key is taken out of every text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from vlm_misalign_ros.core.language.bounding import MAX_RAW, without_controls
from vlm_misalign_ros.core.models.served.secret import Secret

MOST_TOKENS = 8192
"""Tokens of an answer whose probabilities are looked at."""
MOST_TOPS = 32
"""Alternatives to a token that are looked at."""
_SHORT = 200
"""Characters of what a server says of itself."""
_TOKEN = 200
_ROUNDING = 1e-3
_MOST_USAGE = 10**9


class NotAnAnswer(Exception):
    """A body that is no chat completion; the text says what is wrong with it."""


class Withheld(Exception):
    """A completion without an answer, as from a filter; the text says why."""


@dataclass(frozen=True)
class Token:
    """One token of an answer."""

    text: str
    logprob: float
    """Natural logarithm of its probability."""
    top: tuple[tuple[str, float], ...] = ()
    """The likeliest tokens at its place, with theirs."""


@dataclass(frozen=True)
class Told:
    """What a server says that it is; '' for what it does not."""

    model: str = ''
    fingerprint: str = ''
    """`system_fingerprint` of the completion."""
    server: str = ''
    """The header `Server`."""


@dataclass(frozen=True)
class Reply:
    """A completion."""

    text: str
    truncated: bool
    """Cut off at the length that was allowed."""
    tokens: tuple[Token, ...] = ()
    """Empty where the server told no probabilities."""
    used: int | None = None
    """Tokens of question and answer, as the server counts them; None where it told none."""
    told: Told = Told()
    left_out: tuple[str, ...] = ()
    """Parameters that the server had refused by name, and that it was asked without."""
    cached: bool = False
    """Whether it was not asked for now, but read from the folder of answers."""


def read_json(body: bytes) -> Any:
    """Return the JSON in a body; NotAnAnswer for anything else."""
    try:
        return json.loads(body.decode('utf-8'))
    except (ValueError, RecursionError) as error:
        raise NotAnAnswer(f'the body is no JSON ({type(error).__name__})') from None


def read_reply(body: bytes, server: str, secret: Secret) -> Reply:
    """
    Return the completion in the body of an answer with status 200.

    Raises NotAnAnswer for what is none, Withheld for one that was held back.
    """
    data = read_json(body)
    if not isinstance(data, dict):
        raise NotAnAnswer(f'the body is a JSON {type(data).__name__}, not an object')
    if 'choices' not in data and data.get('error') is not None:
        raise NotAnAnswer(f'an error in place of an answer: {error_text(body, True, secret)}')
    choices = data.get('choices')
    if not isinstance(choices, list) or not choices:
        raise NotAnAnswer('it has no choices')
    choice = choices[0]
    message = choice.get('message') if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise NotAnAnswer('its first choice has no message')
    finish = choice.get('finish_reason')
    said = _content(message)
    text = secret.scrub(said)
    if finish == 'content_filter' and not text.strip():
        raise Withheld("the server's content filter held the answer back")
    model, fingerprint = data.get('model'), data.get('system_fingerprint')
    told = Told(_short(model, secret), _short(fingerprint, secret), _short(server, secret))
    # The key cannot be seen in its pieces: of an answer that repeats it no token is kept.
    tokens = tuple(_tokens(choice.get('logprobs'))) if text == said else ()
    return Reply(text[:MAX_RAW], finish == 'length', tokens, _used(data.get('usage')), told)


def _content(message: dict[str, Any]) -> str:
    """Return the answer's text: a string, a list of parts, or the words of a refusal."""
    content = message.get('content')
    if isinstance(content, list):
        parts = [part.get('text') for part in content if isinstance(part, dict)]
        content = ''.join(part for part in parts if isinstance(part, str))
    if content is None or content == '':
        refusal = message.get('refusal')
        content = refusal if isinstance(refusal, str) else ''
    if not isinstance(content, str):
        raise NotAnAnswer(f'its content is a {type(content).__name__}, not a text')
    # Characters that cannot be written might also part the letters of a key.
    return without_controls(content.encode('utf-8', 'replace').decode('utf-8'))


def _tokens(logprobs: Any) -> Iterator[Token]:
    """Yield the tokens with their probabilities; none at all where one of them is strange."""
    content = logprobs.get('content') if isinstance(logprobs, dict) else None
    if not isinstance(content, list) or len(content) > MOST_TOKENS:
        return
    found = []
    for entry in content:
        own = _chance(entry)
        if own is None:
            return
        tops = entry.get('top_logprobs')
        several = map(_chance, tops[:MOST_TOPS]) if isinstance(tops, list) else ()
        found.append(Token(*own, tuple(top for top in several if top is not None)))
    yield from found


def _chance(entry: Any) -> tuple[str, float] | None:
    """Return text and logarithm of the probability of a token; None for what is none."""
    if not isinstance(entry, dict):
        return None
    text, logprob = entry.get('token'), entry.get('logprob')
    if not isinstance(text, str) or len(text) > _TOKEN or not is_number(logprob):
        return None
    # A little above 0 is rounding; OpenAI writes -9999 for what is hardly possible.
    return (text, min(float(logprob), 0.0)) if logprob <= _ROUNDING else None


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether a value is a number that a float holds."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < _MOST_USAGE
    return isinstance(value, float) and math.isfinite(value)


def _used(usage: Any) -> int | None:
    if not isinstance(usage, dict):
        return None
    total = usage.get('total_tokens')
    if not isinstance(total, int) or isinstance(total, bool) or not 0 <= total <= _MOST_USAGE:
        return None
    return total


def _short(value: Any, secret: Secret) -> str:
    """Return a short text of one line, without the key; '' for another type."""
    if not isinstance(value, str):
        return ''
    line = ' '.join(without_controls(value).split())
    return secret.scrub(line)[:_SHORT]


def error_text(body: bytes, whole: bool, secret: Secret) -> str:
    """
    Return what the body of an error says, in one short line without the key.

    Looked for where OpenAI, FastAPI and Ollama have it; else the beginning of the body, which is
    not `whole` where it was cut off.
    """
    try:
        found = read_json(body)
    except NotAnAnswer:
        found = body.decode('utf-8', 'replace')
    for name in ('error', 'message', 'detail'):
        if isinstance(found, dict) and name in found:
            found = found[name]
    if not isinstance(found, str):
        found = json.dumps(found, ensure_ascii=False, default=str)
    # Before and after: space in the key's place is none of it, and characters that go may part it.
    line = ' '.join(without_controls(secret.scrub(found, not whole)).split())
    return secret.scrub(line, not whole)[:_SHORT]


def error_code(body: bytes) -> str:
    """Return the short code that OpenAI gives an error; '' for none."""
    try:
        data = read_json(body)
    except NotAnAnswer:
        return ''
    error = data.get('error') if isinstance(data, dict) else None
    code = error.get('code') if isinstance(error, dict) else None
    return code[:_SHORT] if isinstance(code, str) else ''
