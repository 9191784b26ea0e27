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

"""The lexicon: phrases by meaning, read from versioned YAML files, matched longest first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.phrases import (
    NOTHING,
    Head,
    Phrases,
    Things,
    expand,
    plurals,
    spellings,
)
from vlm_misalign_ros.core.language.speech import Speech
from vlm_misalign_ros.core.language.text import words
from vlm_misalign_ros.core.language.wordfiles import (
    SHIPPED,
    check_classes,
    data_of,
    hash_of,
    nearest,
    texts,
)

__all__ = [
    'NOTHING',
    'SHIPPED',
    'Cue',
    'Lexicon',
    'Phrases',
    'expand',
    'lexicon_hash',
    'open_lexicon',
    'plurals',
]


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
    speech: Speech = field(default_factory=Speech)
    """The language it is for."""
    further: tuple[str, ...] = ()
    """Classes of a user's own, which are counted and never scored."""
    things: Things = field(default_factory=Things)
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
    ordering: frozenset[str] = frozenset()
    """Words that imperatives begin with."""
    telling: frozenset[str] = frozenset()
    """Words with which something begins that judges, or on which a judgement depends."""
    conditions: Phrases = field(default_factory=Phrases)
    marking: frozenset[str] = frozenset()
    """Words that names of things, and cues, begin with."""
    about_safety: frozenset[str] = frozenset()
    verdicts: frozenset[str] = frozenset()
    """What a verdict stands under: `judgement: safe`."""


_NAME = re.compile(r'[^\W\d_A-Z][^\W_A-Z]*(?:[ -][^\W_A-Z]+)*')


def open_lexicon(additions: str = '') -> Lexicon:
    """
    Return the lexicon of this package, with a user's YAML file laid over it.

    The file has any of the lists and mappings of data/lexicon/, whose entries join those that are
    there and go before them, `without` for phrases to take out, and `further` for classes of its
    own. One with a `language` other than English stands alone. Raises ConfigurationError naming
    file, key and value of what is wrong.
    """
    return _open(Path(additions).expanduser() if additions else None)


def lexicon_hash(additions: str = '') -> str:
    """Return the SHA-256 over the lexicon of this package and a user's file."""
    return hash_of(additions)


@lru_cache(maxsize=4)
def _open(additions: Path | None) -> Lexicon:
    return _build(data_of(additions), additions or SHIPPED)


def _build(data: Mapping[str, Any], path: Path) -> Lexicon:
    """Return the lexicon of a file's data; ConfigurationError names what it lacks."""
    try:
        speech = Speech.of(data, path)
        lexicon = Lexicon(int(data['version']), speech)
        macros = {
            name: texts(entries, path, f'{section}.{name}')
            for section in ('kinds', 'macros')
            for name, entries in data.get(section, {}).items()
        }
        put = _Put(macros, speech, path)
        _add_further(lexicon, data, put)
        _add_things(lexicon, data, put)
        polarity = data['polarity']
        for cue in Cue:
            entries = (
                data['pictures']['image_of']
                if cue is Cue.PICTURE_BEFORE
                else data['pictures']['after']
                if cue is Cue.PICTURE_AFTER
                else polarity[cue.value]
            )
            put(lexicon.cues, entries, cue)
        put(lexicon.bearers, data['pictures']['bearer'], True, plural=True)
        put(lexicon.shows, data['pictures']['shows'], True)
        put(lexicon.showing, data['pictures']['showing'], True)
        put(lexicon.guesses, polarity['guess'], True)
        put(lexicon.corrections, data['corrections'], True)
        put(lexicon.absent, data['headings']['absent'], True)
        put(lexicon.hypothetical, data['headings']['hypothetical'], True)
        put(lexicon.advice, data['headings']['advice'], True)
        put(lexicon.uncertain, data['headings']['uncertain'], True)
        judgement = data['judgement']
        for meaning in ('unsafe', 'safe', 'neither', 'refused'):
            put(lexicon.judgements, judgement[meaning], meaning)
        for meaning, name in (('safe', 'order_go'), ('unsafe', 'order_halt')):
            lexicon.orders[meaning] = Phrases()
            put(lexicon.orders[meaning], judgement[name], meaning)
        for name in SIDE:
            lexicon.side[name] = Phrases()
            put(lexicon.side[name], judgement[name], True)
        lexicon.composing = frozenset().union(
            *(lexicon.side[name].begins for name in ('scale_risk', 'scale_safety', 'good', 'bad'))
        )
        for name in ('going', 'halting'):
            lexicon.side[name] = Phrases()
            put(lexicon.side[name], macros[name], True)
        put(lexicon.conditions, judgement['conditions'], True)
        lexicon.ordering = frozenset().union(*(found.begins for found in lexicon.orders.values()))
        lexicon.telling = lexicon.ordering.union(
            lexicon.composing, lexicon.judgements.begins, lexicon.conditions.begins
        )
        lexicon.about_safety = frozenset(judgement['about_safety'])
        lexicon.marking = frozenset((*lexicon.things.begins, *lexicon.cues.begins))
        lexicon.verdicts = frozenset(judgement['verdicts'])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(
            f'lexicon {path} is not one: {type(error).__name__} {error}',
            f'compare it with {SHIPPED}',
        ) from error
    return lexicon


class _Put:
    """Puts phrases of a file into trees, with their macros unfolded."""

    def __init__(self, macros: Mapping[str, Sequence[str]], speech: Speech, path: Path) -> None:
        self._macros = macros
        self._speech = speech
        self.path = path

    def __call__(
        self, phrases: Phrases, entries: Iterable[str], meaning: Any, plural: bool = False
    ) -> None:
        for entry in entries:
            for text in self._unfolded(str(entry)):
                for form in plurals(text) if plural and self._speech.english else (text,):
                    phrases.add(self._words(form), meaning)

    def _unfolded(self, entry: str) -> list[str]:
        try:
            return list(expand(entry, self._macros))
        except KeyError as error:
            raise ConfigurationError(
                f'lexicon {self.path} has {entry!r}, and no list {error} under macros or kinds',
                nearest(error.args[0], self._macros),
            ) from error

    def names(
        self, phrases: Phrases, entries: Any, place: str, meaning: Any, spelt: bool = True
    ) -> None:
        """Put the names of a thing, in the singular and the plural, hyphened or not."""
        for entry in texts(entries, self.path, place):
            for text in self._unfolded(entry):
                for form in plurals(text) if self._speech.english else (text,):
                    for way in spellings(form) if spelt else (form,):
                        phrases.add(self._words(way), meaning)

    def _words(self, phrase: str) -> tuple[str, ...]:
        phrase = self._speech.tidy(phrase)
        if phrase.islower() and phrase.replace(' ', '').isalnum():
            # Most are, and the expression in `words` takes thrice the time.
            return tuple(phrase.split())
        # 's and 're belong to the word before them.
        return words(phrase.replace(" '", "'"))


def _add_further(lexicon: Lexicon, data: Mapping[str, Any], put: _Put) -> None:
    """Add the classes of a user's own; they come before all that the words meant."""
    further = data.get('further') or {}
    if not isinstance(further, Mapping):
        raise ConfigurationError(
            f'lexicon {put.path} has a {type(further).__name__} under {"further"!r}',
            'write a mapping, such as further: {cone: [cone, traffic cone]}',
        )
    for name in further:
        if not isinstance(name, str) or name in SCORED or not _NAME.fullmatch(name[:41]):
            raise ConfigurationError(
                f'lexicon {put.path} has the class {name!r} under {"further"!r}',
                f'{name} is scored: add to things'
                if name in SCORED
                else 'name it by a word or two, in lower case, of 40 characters at most',
            )
        put.names(lexicon.things, further[name], f'further.{name}', (name,))
    lexicon.further = tuple(further)


def _add_things(lexicon: Lexicon, data: Mapping[str, Any], put: _Put) -> None:
    for number, entry in enumerate(data['things']):
        place = f'things[{number}]'
        _check_entry(entry, ('classes', 'phrases'), put.path, place)
        classes = check_classes(entry['classes'], put.path, place)
        put.names(lexicon.things, entry['phrases'], f'{place}.phrases', classes)
    put.names(lexicon.things, data['nothing'], 'nothing', (), spelt=False)
    for number, entry in enumerate(data['compounds']):
        place = f'compounds[{number}]'
        _check_entry(entry, ('classes', 'heads'), put.path, place, ('of', 'also_verbs'))
        head = Head(
            check_classes(entry['classes'], put.path, place),
            frozenset(check_classes(entry.get('of', []), put.path, place)),
            bool(entry.get('also_verbs', False)),
        )
        put.names(lexicon.things.heads, entry['heads'], f'{place}.heads', head, spelt=False)


def _check_entry(
    entry: Any, needed: Sequence[str], path: Path, place: str, others: Sequence[str] = ()
) -> None:
    """Raise ConfigurationError for an entry that lacks a key or has one too many."""
    keys = (*needed, *others)
    if not isinstance(entry, Mapping):
        raise ConfigurationError(
            f'lexicon {path} has {str(entry)[:60]!r} under {place}',
            'expected a mapping with ' + ' and '.join(needed),
        )
    for key in needed:
        if key not in entry:
            raise ConfigurationError(
                f'lexicon {path} has no {key!r} under {place}',
                f'expected a mapping with {" and ".join(needed)}',
            )
    for key in entry:
        if key not in keys:
            raise ConfigurationError(
                f'lexicon {path} has {str(key)!r} under {place}, which there is not',
                nearest(key, keys),
            )
