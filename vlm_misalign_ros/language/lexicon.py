"""The lexicon: phrases by meaning, read from a versioned YAML file, matched longest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from vlm_misalign_ros.errors import ConfigurationError
from vlm_misalign_ros.labels import SCORED
from vlm_misalign_ros.language.text import words
from vlm_misalign_ros.resources import config_path


class Cue(Enum):
    """What a phrase does to the mentions around it."""

    NEGATION_BEFORE = 'negation_before'
    NEGATION_AFTER = 'negation_after'
    NOT_NEGATION = 'not_negation'
    HEDGE_BEFORE = 'hedge_before'
    HEDGE_AFTER = 'hedge_after'
    HYPOTHETICAL_BEFORE = 'hypothetical_before'
    PICTURE_BEFORE = 'picture_before'
    TERMINATOR = 'terminators'


class Phrases:
    """Phrases as a tree of words; finds the longest that starts at a place."""

    def __init__(self) -> None:
        """Start empty."""
        self._root: dict[str, Any] = {}

    def add(self, phrase: Sequence[str], meaning: Any) -> None:
        """Add a phrase; a later meaning of the same phrase joins the earlier ones."""
        node = self._root
        for word in phrase:
            node = node.setdefault(word, {})
        node.setdefault('', []).append(meaning)

    def longest(self, tokens: Sequence[str], start: int) -> tuple[int, list[Any]]:
        """Return (words, meanings) of the longest phrase at `start`; (0, []) for none."""
        node, length, meanings = self._root, 0, []
        for index in range(start, len(tokens)):
            found = node.get(tokens[index])
            if found is None:
                break
            node = found
            if '' in node:
                length, meanings = index + 1 - start, node['']
        return length, meanings


@dataclass
class Lexicon:
    """Phrases for things, polarity and judgements."""

    version: int
    things: Phrases = field(default_factory=Phrases)
    """Meanings are tuples of class names; empty for phrases that mean no thing."""
    cues: Phrases = field(default_factory=Phrases)
    """Meanings are Cue."""
    judgements: Phrases = field(default_factory=Phrases)
    """Meanings are `unsafe`, `safe`, `neither`, `refused`."""

    @classmethod
    def load(cls, path: Path | None = None) -> Lexicon:
        """Read config/lexicon.yaml, or another file; ConfigurationError names what is wrong."""
        return _load(path or config_path('lexicon.yaml'))


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


_PREDICATES = ('not', 'absent', 'missing', 'nowhere')


@lru_cache(maxsize=4)
def _load(path: Path) -> Lexicon:
    try:
        data = yaml.safe_load(path.read_text(encoding='utf-8'))
        lexicon = Lexicon(int(data['version']))
        for entry in data['things']:
            classes = tuple(entry['classes'])
            for name in classes:
                if name not in SCORED:
                    raise ConfigurationError(
                        f'lexicon {path} names the class {name!r}',
                        'allowed: ' + ', '.join(SCORED))
            for phrase in entry['phrases']:
                for form in plurals(phrase):
                    lexicon.things.add(words(form), classes)
        for phrase in data['nothing']:
            for form in plurals(phrase):
                lexicon.things.add(words(form), ())
        for cue in Cue:
            for phrase in data['polarity'][cue.value]:
                lexicon.cues.add(words(phrase), cue)
                if cue is Cue.NEGATION_AFTER and phrase.split()[0] in _PREDICATES:
                    for verb in ('is', 'are', 'was', 'were'):
                        lexicon.cues.add((verb, *words(phrase)), cue)
        for meaning in ('unsafe', 'safe', 'neither', 'refused'):
            for phrase in data['judgement'][meaning]:
                lexicon.judgements.add(words(phrase), meaning)
    except OSError as error:
        raise ConfigurationError(f'lexicon {path} cannot be read: {error.strerror}') from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(
            f'lexicon {path} is not one: {type(error).__name__} {error}',
            'compare it with config/lexicon.yaml') from error
    return lexicon
