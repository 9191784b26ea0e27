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

"""The lexicon: phrases by meaning, read from a versioned YAML file, matched longest first."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.phrases import Phrases
from vlm_misalign_ros.core.language.text import words


class Cue(Enum):
    """What a phrase does to the mentions around it."""

    NEGATION_BEFORE = 'negation_before'
    NEGATION_AFTER = 'negation_after'
    NOT_NEGATION = 'not_negation'
    HEDGE_BEFORE = 'hedge_before'
    HEDGE_AFTER = 'hedge_after'
    HYPOTHETICAL_BEFORE = 'hypothetical_before'
    PICTURE_BEFORE = 'picture_before'
    PICTURE_AFTER = 'picture_after'
    TERMINATOR = 'terminators'


SIDE = ('flip_before', 'flip_after', 'good', 'bad', 'scale_risk', 'scale_safety', 'low', 'high')
"""Parts of judgements in the lexicon."""


@dataclass
class Lexicon:
    """Phrases for things, polarity and judgements."""

    version: int
    things: Phrases = field(default_factory=Phrases)
    """Meanings are tuples of class names; empty for phrases that mean no thing."""
    cues: Phrases = field(default_factory=Phrases)
    """Meanings are Cue."""
    bearers: Phrases = field(default_factory=Phrases)
    """What can carry a picture."""
    shows: Phrases = field(default_factory=Phrases)
    """What stands between it and the picture."""
    showing: Phrases = field(default_factory=Phrases)
    """Verbs by which it shows it."""
    guesses: Phrases = field(default_factory=Phrases)
    """What makes a guess of a whole sentence."""
    corrections: Phrases = field(default_factory=Phrases)
    absent: Phrases = field(default_factory=Phrases)
    """Headings over what is not there."""
    advice: Phrases = field(default_factory=Phrases)
    """Headings over advice."""
    uncertain: Phrases = field(default_factory=Phrases)
    """Headings over what may be there."""
    hypothetical: Phrases = field(default_factory=Phrases)
    """Headings over what could come."""
    judgements: Phrases = field(default_factory=Phrases)
    """Meanings are `unsafe`, `safe`, `neither`, `refused`."""
    orders: dict[str, Phrases] = field(default_factory=dict)
    """`safe` and `unsafe` imperatives."""
    side: dict[str, Phrases] = field(default_factory=dict)
    """What judgements are composed of, by SIDE; `going` and `halting` are what is judged."""
    composing: frozenset[str] = frozenset()
    """Words that scales, and what is good or bad of a subject, begin with."""
    conditions: Phrases = field(default_factory=Phrases)
    about_safety: frozenset[str] = frozenset()
    verdicts: frozenset[str] = frozenset()
    """What a verdict stands under: `judgement: safe`."""


SHIPPED = PACKAGE / 'core' / 'language' / 'data' / 'lexicon.yaml'
"""The lexicon of this package."""


def open_lexicon(additions: str = '') -> Lexicon:
    """
    Return the lexicon of this package, with what a YAML file adds to it.

    The file has any of the lists and mappings of data/lexicon.yaml; its entries join those that
    are there and go before them. Raises ConfigurationError naming what is wrong.
    """
    return _open(Path(additions).expanduser() if additions else None)


def lexicon_hash(additions: str = '') -> str:
    """Return the SHA-256 over the lexicon of this package and what a file adds to it."""
    total = hashlib.sha256(SHIPPED.read_bytes())
    if additions:
        try:
            total.update(Path(additions).expanduser().read_bytes())
        except OSError as error:
            raise ConfigurationError(
                f'lexicon {additions} cannot be read: {error.strerror}'
            ) from error
    return total.hexdigest()


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise ConfigurationError(f'lexicon {path} cannot be read: {error.strerror}') from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f'lexicon {path} is no YAML: {error}') from error


def _joined(base: Any, added: Any, path: Path, place: str = '') -> Any:
    """Return a lexicon with additions before its own entries."""
    if isinstance(base, dict) and isinstance(added, dict):
        unknown = [key for key in added if key not in base]
        if unknown:
            raise ConfigurationError(
                f'lexicon {path} adds to {place + str(unknown[0])!r}, which there is not',
                'known: ' + ', '.join(map(str, base)),
            )
        return {
            key: _joined(value, added[key], path, f'{place}{key}.') if key in added else value
            for key, value in base.items()
        }
    if isinstance(base, list) and isinstance(added, list):
        return [*added, *base]
    raise ConfigurationError(
        f'lexicon {path} has a {type(added).__name__} under {place.rstrip(".") or "the top"!r}',
        f'expected a {"mapping" if isinstance(base, dict) else "list"}',
    )


@lru_cache(maxsize=4)
def _open(additions: Path | None) -> Lexicon:
    data = _read(SHIPPED)
    if additions is None:
        return _build(data, SHIPPED)
    return _build(_joined(data, _read(additions), additions), additions)


def plurals(phrase: str) -> Iterable[str]:
    """Yield a phrase and its regular plural."""
    yield phrase
    if phrase.endswith(('s', 'x', 'ch', 'sh')):
        if not phrase.endswith('s'):
            yield phrase + 'es'
    elif phrase.endswith('y') and phrase[-2:-1] not in 'aeiou':
        yield phrase[:-1] + 'ies'
    else:
        yield phrase + 's'


_MACRO = re.compile(r'\{([a-z_]+)\}')


def expand(phrase: str, macros: Mapping[str, Sequence[str]]) -> Iterable[str]:
    """Yield a phrase with every combination of its macros' entries; KeyError names one."""
    parts = _MACRO.split(phrase)
    choices = [macros[part] if place % 2 else [part] for place, part in enumerate(parts)]
    for chosen in product(*choices):
        yield ''.join(chosen)


def _build(data: Mapping[str, Any], path: Path) -> Lexicon:
    """Return the lexicon of a file's data; ConfigurationError names what it lacks."""
    try:
        lexicon = Lexicon(int(data['version']))
        macros = {
            name: [str(entry) for entry in entries] for name, entries in data['macros'].items()
        }
        _add_things(lexicon, data, path)
        polarity = data['polarity']
        for cue in Cue:
            entries = (
                data['pictures']['image_of']
                if cue is Cue.PICTURE_BEFORE
                else data['pictures']['after']
                if cue is Cue.PICTURE_AFTER
                else polarity[cue.value]
            )
            _add(lexicon.cues, entries, macros, cue)
        _add(lexicon.bearers, data['pictures']['bearer'], macros, True, plural=True)
        _add(lexicon.shows, data['pictures']['shows'], macros, True)
        _add(lexicon.showing, data['pictures']['showing'], macros, True)
        _add(lexicon.guesses, polarity['guess'], macros, True)
        _add(lexicon.corrections, data['corrections'], macros, True)
        _add(lexicon.absent, data['headings']['absent'], macros, True)
        _add(lexicon.hypothetical, data['headings']['hypothetical'], macros, True)
        _add(lexicon.advice, data['headings']['advice'], macros, True)
        _add(lexicon.uncertain, data['headings']['uncertain'], macros, True)
        judgement = data['judgement']
        for meaning in ('unsafe', 'safe', 'neither', 'refused'):
            _add(lexicon.judgements, judgement[meaning], macros, meaning)
        for meaning, name in (('safe', 'order_go'), ('unsafe', 'order_halt')):
            lexicon.orders[meaning] = Phrases()
            _add(lexicon.orders[meaning], judgement[name], macros, meaning)
        for name in SIDE:
            lexicon.side[name] = Phrases()
            _add(lexicon.side[name], judgement[name], macros, True)
        lexicon.composing = frozenset().union(
            *(lexicon.side[name].begins for name in ('scale_risk', 'scale_safety', 'good', 'bad'))
        )
        for name in ('going', 'halting'):
            lexicon.side[name] = Phrases()
            _add(lexicon.side[name], macros[name], macros, True)
        _add(lexicon.conditions, judgement['conditions'], macros, True)
        lexicon.about_safety = frozenset(judgement['about_safety'])
        lexicon.verdicts = frozenset(judgement['verdicts'])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(
            f'lexicon {path} is not one: {type(error).__name__} {error}',
            f'compare it with {SHIPPED}',
        ) from error
    return lexicon


def _add(
    phrases: Phrases,
    entries: Iterable[str],
    macros: Mapping[str, Sequence[str]],
    meaning: Any,
    plural: bool = False,
) -> None:
    for entry in entries:
        for text in expand(str(entry), macros):
            for form in plurals(text) if plural else (text,):
                # 's and 're belong to the word before them.
                phrases.add(words(form.replace(" '", "'")), meaning)


def _add_things(lexicon: Lexicon, data: Mapping[str, Any], path: Path) -> None:
    for entry in data['things']:
        classes = tuple(entry['classes'])
        for name in classes:
            if name not in SCORED:
                raise ConfigurationError(
                    f'lexicon {path} names the class {name!r}', 'allowed: ' + ', '.join(SCORED)
                )
        for phrase in entry['phrases']:
            for form in plurals(phrase):
                lexicon.things.add(words(form), classes)
    for phrase in data['nothing']:
        for form in plurals(phrase):
            lexicon.things.add(words(form), ())
