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
The kind of answer a text is, by its form and a few words: how well it is read depends on that.

The rules are in docs/language.md; a prompt's `answer_style` goes before what is found here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vlm_misalign_ros.core.language.text import words
from vlm_misalign_ros.core.types import Style

STYLES = tuple(style.value for style in Style)
"""All there are, the plainest first."""

_LINES = re.compile(r'[^\n]*\w[^\n]*')
_SENTENCE_END = re.compile(r'[.!?](?=\s|\Z)')
_BULLET = re.compile(r'\s*(?:[-*•+]|\(?\d{1,2}[.)]|#{1,5}|\*\*[^*\n]{1,60}\*\*)\s')
_OBJECT = re.compile(r'[{\[]\s*["\'{]|\{\s*\w|```\s*(?:json|yaml|xml|python)?\s*\n')
_PAIRED = re.compile(r'["\']?[\w ]{1,40}["\']?\s*:\s*\S')
_TAG = re.compile(r'<([a-z_]{2,30})>[^<]{0,400}</\1>', re.I)
_ROW = re.compile(r'^[ \t]*\|.*\|[ \t]*$', re.M)
_KEY = re.compile(r'\s*(?:- )?["\']?[a-z][\w-]*(?: [a-z][\w-]*)?["\']?\s*:(?:\s+\S.*)?$')
"""A line of YAML; keys that begin with a capital are headings of a list."""
_HEADED = re.compile(r'\W*[A-Z][\w ()/-]{1,40}\W*:')
_FIELD = re.compile(r'(?:^|[;|])\s*\w+(?: \w+)?\s*[:=]\s*[^;|\n]{1,60}(?=[;|])')

_ITEM = re.compile(r'\s+- \S+(?: \S+)?$')
_POINTS = re.compile(
    r'[\[(]\s*[-+]?\d{1,4}(?:\.\d+)?\s*,\s*[-+]?\d{1,4}(?:\.\d+)?(?:\s*,\s*[-+]?[\d.]+)?\s*[\])]'
)
_PLAN = re.compile(
    r'\b(?:trajector(?:y|ies)|way-?points?|meta[- ]actions?|future (?:motion|positions?|path)|'
    r'driving (?:decision|plan|action)|next (?:action|move|maneuver|manoeuvre|steps?|'
    r'\w+ seconds|\d+ ?s)|(?:fallback )?plan|planned|planning|steering(?: angle)?|acceleration|'
    r'lateral|longitudinal|m/s|km/h|'
    r'(?:(?:ego|host|subject|own)[- ](?:vehicle|car)|av|we|i|the (?:autonomous )?(?:vehicle|car)) '
    r'(?:will|shall|keeps?|continues?|(?:is|am|are) going to|(?:plans?|intends?|needs?) to)|'
    r'will (?:likely|probably)|(?:is|are) (?:likely|expected|predicted) to|i\'ll|we\'ll|'
    r'(?:prediction|predictions|predicted \w+|action|decision|goal|intent|maneuver|manoeuvre)'
    r'(?=\s*:))\b'
)
_REASONS = (
    r'\b(?:let me (?:think|see|look|consider|start|check|reason|break|work|go)|'
    r'let\'s (?:think|see|look|consider|start|check|reason|break|work|analy[sz]e)|'
    r'step[- ]by[- ]step|'
    r'(?:first|second|third|next|then|now|finally)(?:ly)?, (?:i|we|let|the|there|consider|look|'
    r'what)|at first|wait,|hmm|who acts|what i (?:see|infer|would do)|'
    r'i (?:need|have) to (?:consider|decide|determine|check|figure)|'
    r'(?:this|that|it|number \w+ \w+) (?:means|implies|suggests|indicates|tells)|'
    r'in conclusion|conclusion|therefore|thus|hence|'
    r'given (?:that|this|these)|because the|neither is|in this case|nothing (?:else|moves)|'
    r'putting (?:it|this) (?:all )?together|so (?:the|i|we|it|my|that|this|nothing)|'
    r'which means|since (?:the|there|it)|on the other hand|as a result|consequently|'
    r'(?:looking|look) at the \w+(?=\s*:)|tells me|'
    r'if (?:a|the|it|there) \w+ (?:came|were|turned))\b'
)
_REASON_ALONE = re.compile(_REASONS)
_REASON = re.compile(
    _REASONS + r'|(?:^|(?<=[.!?]\s)|(?<=\*\*))\W{0,6}(?:\d[.)] *)?(?:step \d+|observations?|'
    r'reasoning|reason|thoughts?|analysis|rationale|rule|'
    r'inference|perception|because|conclusion|evidence|assessment|explanation|interaction)\b'
    r'[^\n:.]{0,25}:',
    re.M,
)
"""With the headings of a reasoning, which have a colon."""
_OWN_QUESTION = re.compile(r'\?(?=\s+\w)')
_ADVICE = re.compile(
    r'\b(?:(?:drivers?|motorists?|you|one|they|everyone|it is (?:important|advisable|'
    r'recommended|crucial|essential|best|wise)|it\'s (?:important|best|advisable)) '
    r'(?:should|must|need to|needs to|ought to|have to|has to|to)|'
    r'(?:is|are) (?:advised|recommended|urged) to|be (?:careful|cautious|aware|prepared|alert|'
    r'mindful|patient)|watch out for|stay (?:alert|aware|calm|focused|vigilant)|'
    r'make sure|maintain a safe|reduce your speed|'
    r'look out for|pay attention|recommendations?|advice|advis(?:e|able)|tips|checklist|'
    r'precautions?|remember to|obey|extra care)\b'
)
_ORDERS = frozenset(
    'be watch stay keep maintain reduce slow look pay use avoid always never obey yield check '
    "drive leave make prepare turn give allow follow adjust remember remain expect scan do don't "
    'take increase brake respect approach stop wait wear pull switch anticipate ensure monitor '
    'let if please'.split()
)
_ORDER = re.compile(
    r'(?:^|(?<=[.!?:]\s)|(?<=\*\*))[\s*•\d.)(\[\]+-]{0,12}'
    rf'(?:{"|".join(sorted(_ORDERS))})\b',
    re.M,
)
_BEFORE_ORDER = re.compile(r'[.!?:*\n]')
"""What an order stands behind where it does not begin the text."""


def _orders(text: str) -> int:
    """Return how often _ORDER is found in a text; it is tried only where it can begin."""
    found, behind = 0, 0
    places = [sign.end() + (sign[0] not in '*\n') for sign in _BEFORE_ORDER.finditer(text)]
    for place in (0, *places):
        match = _ORDER.match(text, place) if place >= behind else None
        if match:
            found, behind = found + 1, match.end()
    return found


_PURPOSES = {
    'reasoning': (
        _REASON,
        frozenset(
            "let let's step first firstly second secondly finally hmm acts means implies suggests "
            'indicates tells conclusion therefore thus hence given because neither case so since '
            'consequently looking if observation observations reasoning reason thought thoughts '
            'analysis rationale rule inference perception evidence assessment explanation '
            'interaction'.split()
        ),
    ),
    'plan': (
        _PLAN,
        frozenset(
            'trajectory trajectories waypoint waypoints way-points way-point meta future driving '
            'plan plans planned planning steering acceleration lateral longitudinal m km will '
            'shall keep keeps continue continues going intend intends needs likely expected '
            "predicted i'll we'll prediction predictions action decision goal intent maneuver "
            'manoeuvre meta-action meta-actions'.split()
        ),
    ),
    'advice': (
        _ADVICE,
        frozenset(
            'should must need needs ought advised recommended urged careful cautious important '
            'aware prepared alert mindful patient watch calm focused vigilant sure maintain '
            'reduce attention recommendation recommendations advice advise advisable tips '
            'checklist precaution precautions remember obey care'.split()
        ),
    ),
}
"""What tells a purpose, and the words without one of which it is not looked for."""
_SHORT_ANSWER = re.compile(
    r'\W*(?:yes|no|yeah|nope|none|safe|unsafe|not safe|stop|wait|proceed|it is (?:not )?safe|'
    r'it\'s (?:not )?safe|i(?:\'m)? (?:would|cannot|can\'t|do not|don\'t|am|sorry)|sorry|maybe|'
    r'nothing|correct|unclear|unknown|true|false|go|hold|as an ai)\b'
    r'|\W*(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|zero)(?: \w+){0,2}\W*\Z',
    re.I,
)
_FORM_ASKED = re.compile(r'\b(?:json|yaml|xml|csv|key[- =]+value)\b', re.I)
_ASKED = {
    'plan': re.compile(r'\b(?:plan(?:ning)?|predict\w*|trajector\w+|way-?points?|future|'
                       r'next action|maneuver|manoeuvre|driving (?:decision|action)|decision|'
                       r'behaviou?r)\b', re.I),
    'reasoning': re.compile(r'\b(?:step[- ]by[- ]step|reason(?:ing|s)?|think|explain why|why|'
                            r'rationale|observation)\b', re.I),
    'advice': re.compile(r'\b(?:advice|advise|recommend\w*|tips?|suggest\w*|pay attention|'
                         r'be careful|precautions?|should (?:the driver|i|you|we) (?:pay|be|look|'
                         r'watch|keep|take care))\b', re.I),
    'caption': re.compile(r'\b(?:caption|one sentence|a sentence|short sentence|briefly)\b', re.I),
    'list': re.compile(r'\b(?:list|bullets?|enumerate|name all|by category)\b', re.I),
}  # fmt: skip
_QUESTION = re.compile(r'\?|\b(?:answer|yes or no|how many|count|whether)\b', re.I)
_WORDS_A_POINT = 25
"""A purpose is told by a sign in about two sentences."""
_SHORT = 45
"""Words of an answer of one or two sentences, or of a caption."""
_BEGINNING = 4000
"""Characters by which a text is judged; what comes behind is more of the same."""


def style_of(text: str, prompt: str = '', tokens: Sequence[str] | None = None) -> str:
    """
    Return which of STYLES a text is, by its form, its words and what was asked.

    The words of the text may be given, where they are known.
    """
    known = frozenset(words(text) if tokens is None else tokens)
    return _Form(text[:_BEGINNING].strip(), prompt[:_BEGINNING], known).style()


class _Form:
    """What is counted in a text."""

    def __init__(self, text: str, prompt: str, tokens: frozenset[str]) -> None:
        self._text = text
        self._tokens = tokens
        self._prompt = prompt
        self._lines = _LINES.findall(text)
        self._words = len(text.split())
        self._sentences = max(len(_SENTENCE_END.findall(text)), 1)
        self._bullets = sum(bool(_BULLET.match(line)) for line in self._lines)

    def style(self) -> str:
        if self._structured():
            return 'structured'
        purpose, points = self._purpose()
        if self._words <= _SHORT and self._sentences <= 2 and len(self._lines) <= 2:
            return self._short(purpose, points)
        if points >= 2 and (points >= 5 or points * _WORDS_A_POINT >= self._words):
            return purpose
        if self._listed():
            return 'list'
        return 'description'

    def _bracketed(self) -> bool:
        """Return whether a text has an object with its keys, or is a list."""
        text = self._text
        found = _OBJECT.search(text) if '{' in text or '[' in text or '`' in text else None
        if found and _PAIRED.search(text, found.start()):
            return True
        return text.startswith('[') and text.endswith(']') and not _POINTS.search(text)

    def _structured(self) -> bool:
        text = self._text
        if self._bracketed():
            return True
        if '<' in text and sum(len(tag.group()) for tag in _TAG.finditer(text)) > 0.4 * len(text):
            return True
        if '|' in text and len(_ROW.findall(text)) >= 2:
            return True
        if (';' in text or '|' in text) and len(_FIELD.findall(text)) >= 3:
            return True
        return bool(self._prompt and _FORM_ASKED.search(self._prompt)) or self._keyed()

    def _keyed(self) -> bool:
        """Return whether most lines are a key with its value, or items under one."""
        if ':' not in self._text:
            return False
        keyed = [match for line in self._lines if (match := _KEY.match(line))]
        items = sum(bool(_ITEM.match(line)) for line in self._lines)
        return len(keyed) >= 2 and len(keyed) + items >= 0.6 * len(self._lines)

    def _purpose(self) -> tuple[str, int]:
        """Return the purpose that speaks loudest from a text, and how loud."""
        text = self._text
        lower = text.lower()
        points = dict.fromkeys(_PURPOSES, 0)
        for name, (pattern, telling) in _PURPOSES.items():
            if not self._tokens.isdisjoint(telling):
                sought = _REASON_ALONE if pattern is _REASON and ':' not in lower else pattern
                points[name] = len(sought.findall(lower))
        if '?' in text:
            points['reasoning'] += 2 * len(_OWN_QUESTION.findall(text))
        if '(' in text or '[' in text:
            points['plan'] += 3 * (len(_POINTS.findall(text)) >= 2)
        if not self._tokens.isdisjoint(_ORDERS):
            points['advice'] += _orders(lower)
        if self._prompt:
            for name in points:
                points[name] += 2 * bool(_ASKED[name].search(self._prompt))
        best = max(points, key=lambda name: points[name])
        return best, points[best]

    def _short(self, purpose: str, points: int) -> str:
        asked = _QUESTION.search(self._prompt) and not _ASKED['caption'].search(self._prompt)
        if points >= 3 or points and not asked and not _SHORT_ANSWER.match(self._text):
            return purpose
        if asked or _SHORT_ANSWER.match(self._text):
            return 'answer'
        return 'caption' if self._sentences == 1 else 'description'

    def _listed(self) -> bool:
        keyed = sum(bool(_HEADED.match(line)) for line in self._lines)
        return self._bullets >= 2 or keyed >= 3 or len(self._lines) >= 4 * self._sentences
