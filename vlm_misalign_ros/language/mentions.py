"""
What a text says of each class: asserted, denied, hedged, hypothetical, or nothing.

Cues reach over the mentions of their clause, in the manner of NegEx (Chapman et al. 2001,
J. Biomed. Inform. 34:301).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlm_misalign_ros.language.lexicon import Cue, Lexicon
from vlm_misalign_ros.language.text import find_json, sentences, tidy, words
from vlm_misalign_ros.types import Mention

_RANK = {Mention.HYPOTHETICAL: 0, Mention.HEDGED: 1, Mention.DENIED: 2, Mention.ASSERTED: 3}
"""Of several mentions of one class the strongest counts."""

_VERBS = frozenset(
    "is are was were has have can there it's there's stands stand drives drive walks walk "
    "crosses cross waits wait appears appear sits rides ride shows show runs i we".split())
_COUNTED = frozenset(
    'a an the two three four five six seven eight nine ten several some many one few multiple '
    'another'.split())
_NO = frozenset(('', '0', 'no', 'none', 'false', 'absent', 'not', 'zero', 'nil', 'null', 'n'))
_MAYBE = frozenset(('maybe', 'possibly', 'unclear', 'unknown', 'uncertain', 'perhaps'))
_DEPTH = 32

Mentions = dict[str, Mention]


def extract(text: str, lexicon: Lexicon, prompt: str = '') -> Mentions:
    """Return {name in labels.SCORED: Mention}; an echo of `prompt` is left out first."""
    text = tidy(text, prompt)
    found: Mentions = {}
    value = find_json(text)
    if value is not None:
        _from_value(value, lexicon, found, 0)
        return found
    for sentence in sentences(text):
        _from_sentence(sentence, lexicon, found)
    return found


def _note(found: Mentions, name: str, mention: Mention) -> None:
    if name not in found or _RANK[mention] > _RANK[found[name]]:
        found[name] = mention


def _classes(text: str, lexicon: Lexicon) -> tuple[str, ...]:
    """Return the classes when a text is nothing but a thing's name."""
    tokens = words(text.replace('_', ' '))
    length, meanings = lexicon.things.longest(tokens, 0)
    return meanings[0] if length and length == len(tokens) else ()


def _polarity(value: Any) -> Mention | None:
    """Return what the value beside a thing's name says of it; None for a text of its own."""
    if value is None or isinstance(value, bool):
        return Mention.ASSERTED if value else Mention.DENIED
    if isinstance(value, (int, float)):
        return Mention.ASSERTED if value > 0 else Mention.DENIED
    if isinstance(value, (list, dict)):
        return Mention.ASSERTED if value else Mention.DENIED
    tokens = words(value)
    first = tokens[0] if tokens else ''
    if first in _NO:
        return Mention.DENIED
    if first in _MAYBE:
        return Mention.HEDGED
    if first.isdigit() or first in _COUNTED or first in ('yes', 'true', 'present', 'visible'):
        return Mention.ASSERTED
    return None


def _from_value(value: Any, lexicon: Lexicon, found: Mentions, depth: int) -> None:
    if depth > _DEPTH:
        return
    if isinstance(value, str):
        for sentence in sentences(value.replace('_', ' ')):
            _from_sentence(sentence, lexicon, found)
    elif isinstance(value, list):
        for entry in value:
            _from_value(entry, lexicon, found, depth + 1)
    elif isinstance(value, dict):
        for key, entry in value.items():
            classes = _classes(key, lexicon)
            stated = _polarity(entry) if classes else None
            if stated is not None:
                for name in classes:
                    _note(found, name, stated)
            elif not isinstance(entry, (bool, int, float)):
                absent = any(word in key.lower() for word in ('absent', 'missing', 'not_'))
                inner: Mentions = {}
                _from_value(entry, lexicon, inner, depth + 1)
                for name, mention in inner.items():
                    _note(found, name, Mention.DENIED if absent else mention)


def _from_sentence(tokens: Sequence[str], lexicon: Lexicon, found: Mentions) -> None:
    if tokens[-1] == '?':
        return
    colon = tokens.index(':') if ':' in tokens else -1
    if colon > 0:
        classes = _classes(' '.join(tokens[:colon]), lexicon)
        stated = _polarity(' '.join(tokens[colon + 1:])) if classes else None
        if stated is not None and ':' not in tokens[colon + 1:]:
            for name in classes:
                _note(found, name, stated)
            if stated is not Mention.ASSERTED:
                return
            tokens = tokens[colon + 1:]
    marks = _mark(tokens, lexicon)
    states: list[Cue | None] = [None] * len(tokens)
    active: Cue | None = None
    mentions: list[tuple[int, tuple[str, ...]]] = []
    index = 0
    while index < len(tokens):
        cue, length, classes = marks[index]
        if cue is Cue.TERMINATOR or tokens[index] in '()[]{}:' or _new_clause(tokens, index):
            active = None
        elif cue in _FORWARD and not (active is Cue.HYPOTHETICAL_BEFORE
                                      and cue is Cue.HEDGE_BEFORE):
            active = cue
        elif cue in (Cue.NEGATION_AFTER, Cue.HEDGE_AFTER):
            _backward(tokens, states, mentions, index, cue)
            if cue is Cue.NEGATION_AFTER:
                active = None
        if classes:
            mentions.append((index, classes))
            states[index] = active
            if active is Cue.PICTURE_BEFORE:
                # The picture shows this one thing; what follows stands beside it.
                active = None
        index += max(length, 1)
    for place, classes in mentions:
        mention = _MEANS.get(states[place], Mention.ASSERTED)
        for name in classes:
            if mention is not None:
                _note(found, name, mention)


_FORWARD = (Cue.NEGATION_BEFORE, Cue.HEDGE_BEFORE, Cue.HYPOTHETICAL_BEFORE, Cue.PICTURE_BEFORE)
_MEANS: dict[Cue | None, Mention | None] = {
    Cue.NEGATION_BEFORE: Mention.DENIED, Cue.NEGATION_AFTER: Mention.DENIED,
    Cue.HEDGE_BEFORE: Mention.HEDGED, Cue.HEDGE_AFTER: Mention.HEDGED,
    Cue.HYPOTHETICAL_BEFORE: Mention.HYPOTHETICAL, Cue.PICTURE_BEFORE: None}


def _mark(
    tokens: Sequence[str], lexicon: Lexicon,
) -> list[tuple[Cue | None, int, tuple[str, ...]]]:
    """Return (cue, words, classes) for each place at which a phrase starts."""
    marks: list[tuple[Cue | None, int, tuple[str, ...]]] = []
    for index in range(len(tokens)):
        thing, meanings = lexicon.things.longest(tokens, index)
        length, cues = lexicon.cues.longest(tokens, index)
        if length > thing or (length and not (meanings and meanings[0])):
            cue = cues[0]
            if len(cues) > 1 and not mentions_follow(tokens, index + length, lexicon):
                cue = cues[-1]
            marks.append((cue, length if cue is not Cue.TERMINATOR else 1, ()))
        elif thing:
            marks.append((None, thing, meanings[0]))
        else:
            marks.append((None, 1, ()))
    return marks


def mentions_follow(tokens: Sequence[str], start: int, lexicon: Lexicon) -> bool:
    """Return whether a thing is named within the next few words."""
    return any(any(lexicon.things.longest(tokens, index)[1])
               for index in range(start, min(start + 4, len(tokens))))


def _new_clause(tokens: Sequence[str], index: int) -> bool:
    """Return whether a comma or `and` at `index` begins a clause of its own."""
    if tokens[index] not in (',', 'and'):
        return False
    for word in tokens[index + 1:index + 8]:
        if word in (',', 'and', 'or'):
            return False
        if word in _VERBS:
            return True
        if tokens[index] == ',' and word in _COUNTED and word not in ('a', 'an', 'the'):
            return True
    return False


def _backward(
    tokens: Sequence[str], states: list[Cue | None],
    mentions: Sequence[tuple[int, tuple[str, ...]]], index: int, cue: Cue,
) -> None:
    """Let a cue reach back over the mentions of its clause."""
    for place, _ in reversed(mentions):
        between = tokens[place:index]
        if any(word in ('but', 'however', 'while', 'although') for word in between):
            return
        if any(word in (',', 'and') and not _VERBS.isdisjoint(between[:at])
               for at, word in enumerate(between)):
            return
        states[place] = cue
