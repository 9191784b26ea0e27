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

"""Questions about things and about going on, and the yes or no that answers them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.text import starts_with
from vlm_misalign_ros.core.types import Judgement, Mention

# Whether something is there ------------------------------------------------------------------

_ASKS_FOR = (
    'anyone',
    'anybody',
    'is there',
    'are there',
    'do you see',
    'can you see',
    'any',
    'could there be',
    'is that',
    'are those',
    'was there',
    'were there',
    'might there be',
    'is it',
    'do i see',
    'does it',
    'how many',
)
_THERE = (
    'yes',
    'yeah',
    'yep',
    'correct',
    'indeed',
    'true',
    'certainly',
    'definitely',
    'sure',
    'right',
    'of course',
    'a yes',
    'several',
    'many',
    'one',
    'two',
)
_NOT_THERE = (
    'no',
    'none',
    'nope',
    "there isn't",
    "there aren't",
    'there is no',
    'there are no',
    'not',
    'false',
    'neither',
    'zero',
    'negative',
    'i see none',
    "i don't",
    'i do not',
    'nowhere',
    "there isn't one",
    'never',
)
_MAYBE_THERE = (
    'maybe',
    'possibly',
    'perhaps',
    'hard to tell',
    'hard to say',
    'unclear',
    'probably',
    'not sure',
    "i can't tell",
    'i cannot tell',
    "can't tell",
    'cannot tell',
    'unsure',
    'difficult to say',
    'difficult to tell',
    'could be',
    'might be',
    'impossible to tell',
    'impossible to say',
    "i'm not sure",
    'i am not sure',
    'uncertain',
    'likely',
    'not certain',
)
_NUMBERS = frozenset('three four five six seven eight nine ten eleven twelve dozens'.split())
_BEHIND_NUMBERS = frozenset('of are is in , ; : ( visible total'.split())
_ANSWER = frozenset(('a', 'answer', 'ans', 'reply', 'response'))


def asks_for_things(tokens: Sequence[str], within: int) -> bool:
    """Return whether a question for things begins at one of the first words."""
    return any(
        starts_with(tokens[place:], *_ASKS_FOR) for place in range(min(within, len(tokens)))
    )


def answer(tokens: Sequence[str]) -> tuple[Mention | None, Sequence[str]]:
    """
    Return what an answer says of the things that were asked for; None for no answer.

    And its words without a label before them.
    """
    tokens = _after_label(tokens)
    if starts_with(tokens, *_MAYBE_THERE):
        return Mention.HEDGED, tokens
    if starts_with(tokens, *_NOT_THERE):
        return Mention.DENIED, tokens
    if starts_with(tokens, *_THERE):
        return Mention.ASSERTED, tokens
    return _counted(tokens), tokens


def _counted(tokens: Sequence[str]) -> Mention | None:
    """Return what a number says that stands alone: `3`, `0`, `four of them`."""
    if not tokens or len(tokens) > 1 and tokens[1] not in _BEHIND_NUMBERS:
        return None
    if tokens[0] in _NUMBERS:
        return Mention.ASSERTED
    if not tokens[0].isdecimal():
        return None
    return Mention.ASSERTED if tokens[0].strip('0') else Mention.DENIED


def _after_label(tokens: Sequence[str]) -> Sequence[str]:
    """Return an answer without `A:` or `Answer 2:` before it."""
    for place in range(1, min(3, len(tokens))):
        if tokens[place] == ':' and tokens[0] in _ANSWER:
            return tokens[place + 1 :]
    return tokens


# Whether it is safe to go on -----------------------------------------------------------------

_ASKS_SAFE = frozenset(
    'safe ok okay fine alright wise advisable allowed permitted proceed continue pass drive cross '
    'overtake merge enter advance go carry verdict decision roll keep forward move'.split()
)
_ASKS_UNSAFE = frozenset(
    'unsafe dangerous hazardous risky danger hazard hazards risk stop wait halt brake yield '
    'pause'.split()
)
_EXISTENCE = ('is there', 'are there', 'do you see', 'can you see', 'how many', 'does it')
_ASKING = frozenset('i we you the it is are do does should'.split())
_ASKS_LEAVE = (
    'may i',
    'can i',
    'should i',
    'can we',
    'should we',
    'may we',
    'should the car',
    'can the car',
    'can the vehicle',
)
"""What a question for leave to do something has in it."""
_OPEN = ('what', 'where', 'which', 'why', 'how')
"""What begins a question that yes and no do not answer."""
_SIGNALS = frozenset(('sign', 'light', 'line', 'bus'))
"""What `stop` and `wait` can be asked of, besides the ego vehicle."""
_NOUNS = frozenset('sign signs light lights line lines'.split())
"""What makes a noun of `stop`: a question about a stop sign is not about going on."""


def _without_choice(tokens: Sequence[str]) -> Sequence[str]:
    """Return a question without the answers that it offers: `answer yes or no`."""
    plain = [word.strip("'") for word in tokens]
    for place, word in enumerate(plain):
        if word == 'or' and {plain[place - 1], *plain[place + 1 : place + 2]} == {'yes', 'no'}:
            return [*plain[: place - 1], *plain[place + 2 :]]
    return plain


def asks(tokens: Sequence[str], lexicon: Lexicon) -> Judgement | None:
    """Return what `yes` to a question says of going on; None for another question."""
    tokens = _without_choice(tokens)
    found = frozenset(
        word
        for word, after in zip(tokens, [*tokens[1:], ''], strict=False)
        if word != 'stop' or after not in _NOUNS
    )
    if _asks_for_danger(tokens, found, lexicon):
        return Judgement.UNSAFE
    if starts_with(tokens, *_EXISTENCE) and 'to' not in found:
        # "Is there a car that could cross?": about the car.
        return None
    text = ' '.join(tokens)
    if found & _ASKS_SAFE or any(part in text for part in _ASKS_LEAVE):
        return Judgement.SAFE
    return None


def _asks_for_danger(tokens: Sequence[str], found: frozenset[str], lexicon: Lexicon) -> bool:
    """Return whether `yes` to a question tells of danger: `is it dangerous to go on`."""
    if not found & _ASKS_UNSAFE or not found & _ASKING or 'or' in found and found & _ASKS_SAFE:
        return False
    if starts_with(tokens, *_OPEN):
        return False
    return lexicon.judgements.find(tokens) or not found & _SIGNALS


LEADING = frozenset(
    "a : definitely answer absolutely clearly certainly , the is my well i'm i am inclined to say "
    'would think so by all means of course i'.split()
)
_YES_WORDS = frozenset('yes yeah yep sure absolutely certainly definitely affirmative'.split())
_NO_WORDS = frozenset('no nope never negative against'.split())


_MODAL_ANSWER = re.compile(
    r'(?:you|it|we|i|one|they|that|the (?:car|vehicle)) (?:sure |certainly |definitely )?'
    r'(can|could|may|might|will|would|should|is|does|must|do|are|ca|wo|should)'
    r"( ?n't| not|not)? (?:[,;:)].*)?$"
)


def yes_or_no(tokens: Sequence[str]) -> Judgement | None:
    """Return SAFE for a sentence that says yes, UNSAFE for one that says no, None for others."""
    if starts_with(
        tokens,
        'by no means',
        'not',
        'absolutely not',
        'definitely not',
        'certainly not',
        'of course not',
        'i would not',
        "i wouldn't",
        'hardly',
        "i don't think so",
        'i do not think so',
        'i vote against',
        'on no account',
    ):
        return Judgement.UNSAFE
    if starts_with(tokens, 'of course', 'by all means', 'i think so', 'i would', "i'd say so"):
        return Judgement.SAFE
    modal = _MODAL_ANSWER.match(' '.join(tokens[:6]) + ' ')
    if modal:
        return Judgement.UNSAFE if modal.group(2) else Judgement.SAFE
    for word in tokens[:9]:
        if word in _NO_WORDS:
            return Judgement.UNSAFE
        if word in _YES_WORDS and not starts_with(tokens, f'{word} not'):
            return Judgement.SAFE
        if word not in LEADING:
            return None
    return None
