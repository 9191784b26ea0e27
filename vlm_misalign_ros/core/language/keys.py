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

"""What the keys of structured answers stand for: verdicts, agents, advice, counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from vlm_misalign_ros.core.language.text import words
from vlm_misalign_ros.core.types import Judgement

NAMES = (
    'name type class label object category kind item entity agent actor id object_type '
    'object_class object_name class_name vehicle_type agent_type road_user participant element '
    'subject thing obj'
).split()
"""Keys under which an entry says what it is about."""
COUNTS = (
    'count number present visible detected quantity amount exists seen in_scene presence num '
    'is_present is_visible detected? present? visible? qty total exist observed found n # no.'
).split()
"""Keys under which an entry says whether it is there."""
ASKED = frozenset(('question', 'prompt', 'instruction', 'query', 'task', 'user'))
"""Keys of what the model was asked, which is nothing that it says."""
ADVICE = frozenset(
    'advice tip tips recommendation recommendations suggestion suggestions precaution precautions '
    'reminder reminders guideline guidelines caution cautions'.split()
)
_WATCHING = frozenset(('watch', 'look', 'aware', 'careful', 'alert', 'mindful'))

_GOING = frozenset(
    'safe proceed proceeding continue continuing go drive driving pass cross clear move advance '
    'safely'.split()
)
_HALTING = frozenset('stop stopping wait waiting halt brake braking yield yielding'.split())
_DANGER = frozenset(
    'unsafe hazard hazards hazardous danger dangers dangerous risky risk risks'.split()
)
_UNSAFE = frozenset(('unsafe',))
_NOT = frozenset("not no cannot never don't dont unable non nothing free can't shouldn't".split())
_BESIDE = frozenset(
    'is it to can may should must we i you on ahead forward the a car vehicle ego now has have be '
    'any there considered scene situation currently here need needs needed required require '
    'requires necessary immediately immediate ok okay allowed permission permitted possible able '
    'recommended advised do does for of our driver s will would overall flag present '
    'detected'.split()
)
_OF_OTHERS = frozenset((('car', 'ahead'), ('vehicle', 'ahead')))

_VERDICTS = frozenset(
    'safety judgement judgment verdict decision decisions assessment action actions status '
    'recommendation recommendations conclusion answer result advice response maneuver manoeuvre '
    'command plan'.split()
)
_OF_VERDICTS = frozenset(
    'final next recommended driving ego overall suggested proposed current immediate safety '
    'vehicle safe my our the best planned chosen high level meta is driver required control '
    'appropriate correct should drive making s self car and to take taken of a for summary '
    'proceed go'.split()
)
_FORETELLS = frozenset(
    'behavior behaviour behaviors behaviours intent intention intentions intents prediction '
    'predictions predicted forecast future trajectory expected anticipated likely motion '
    'movement next_action'.split()
)
_EGO = frozenset(('ego', 'self', 'own', 'host', 'our', 'my', 'me', 'we', 'us'))
_EGO_ALONE = frozenset((('driver',), ('i',), ('you',), ('av',), ('autonomous', 'vehicle')))
_AGENTS = frozenset(
    'agent agents actor actors obstacle obstacles leader others other object objects leading '
    'preceding lead participant participants user users'.split()
)
PLAIN = {
    **dict.fromkeys(
        'safe;go;proceed;continue;drive;drive on;go ahead;accelerate;keep going;maintain;'
        'maintain speed;keep speed;safe to proceed;safe to go;safe to drive;clear to go'.split(
            ';'
        ),
        Judgement.SAFE,
    ),
    **dict.fromkeys(
        'unsafe;stop;halt;wait;yield;brake;no go;nogo;hold;not safe;dangerous;hazardous;'
        'emergency stop;emergency brake;emergency braking;hard brake;stopping;braking;full stop;'
        'stop immediately;stop now;do not proceed;not safe to proceed;stop and wait;give way;'
        'come to a stop;remain stopped;stay stopped;brake hard'.split(';'),
        Judgement.UNSAFE,
    ),
}
"""What values under the key of a verdict say."""
_SPLIT = re.compile(r'(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|[_#-]')
_NUMBERED = frozenset('abcdefgh')


@lru_cache(maxsize=1024)
def key_words(key: str) -> tuple[str, ...]:
    """Return the words of a key: `trafficLight`, `car_2`, `Pedestrian #3`."""
    found = words(_SPLIT.sub(' ', key[:200]))
    return tuple(word for word in found if word not in '?.!:')


def thing_words(tokens: Sequence[str]) -> Sequence[str]:
    """Return the words of a key without the number or letter that tells agents apart."""
    while len(tokens) > 1 and (tokens[-1].isdigit() or tokens[-1] in _NUMBERED):
        tokens = tokens[:-1]
    return tokens


@lru_cache(maxsize=1024)
def means(tokens: tuple[str, ...]) -> bool | None:
    """Return what `true` means under a key: whether it is safe; None for another key."""
    found = frozenset(tokens)
    going, halting, danger = found & _GOING, found & _HALTING, found & _DANGER
    if not found <= _GOING | _HALTING | _DANGER | _NOT | _BESIDE:
        return None
    if not (going or halting or danger) or tokens[:2] in _OF_OTHERS:
        return None
    if halting and going - {'safe', 'safely'} or going & {'safe'} and halting:
        return None
    said = not (halting or danger)
    return said if sum(word in _NOT for word in tokens) % 2 == 0 else not said


def is_of_danger(tokens: Sequence[str]) -> bool:
    """Return whether a key asks for hazards, without which it may still not be safe to go."""
    return bool(_DANGER.intersection(tokens)) and not _UNSAFE.intersection(tokens)


@lru_cache(maxsize=1024)
def is_verdict(tokens: tuple[str, ...]) -> bool:
    """Return whether a key stands for a judgement in words: `driving_decision`."""
    found = frozenset(tokens)
    return bool(found & _VERDICTS) and found <= _VERDICTS | _OF_VERDICTS


def foretells(tokens: Sequence[str]) -> bool:
    """Return whether a key stands for what an agent does or will do."""
    return not _FORETELLS.isdisjoint(tokens)


def is_ego(tokens: tuple[str, ...]) -> bool:
    """Return whether a key names the ego vehicle."""
    return not _EGO.isdisjoint(tokens) or tokens in _EGO_ALONE


def is_agent(tokens: Sequence[str]) -> bool:
    """Return whether a key names another agent without its kind: `leading_agent`."""
    return not _AGENTS.isdisjoint(tokens)


def is_advice(tokens: Sequence[str]) -> bool:
    """Return whether what is under a key is advice: `tips`, `things to watch for`."""
    return not ADVICE.isdisjoint(tokens) or (
        not _WATCHING.isdisjoint(tokens) and not {'for', 'of', 'out', 'be'}.isdisjoint(tokens)
    )
