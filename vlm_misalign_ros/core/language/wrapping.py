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
What stands around an answer: turns of a chat, marks of a template, echoes of the prompt.

It is taken off before the answer begins and behind its end, and nothing else is: what the prompt
had named and the answer names counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vlm_misalign_ros.core.language.asking import opening, question_for
from vlm_misalign_ros.core.language.bounding import Span, blank

_OPENING = 400
"""Characters of an answer in which its first word is looked for."""
_TOKEN = re.compile(
    r'(?P<model><\|im_start\|>\s*(?:assistant|model)\b|<\|(?:assistant|bot|model)\|>'
    r'|<start_of_turn>\s*(?:model|assistant)\b|<\|turn>\s*model\b'
    r'|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>'
    r'|<\|start\|>\s*assistant\b|\[/INST\]|<bot>:?)'
    r'|(?P<user><\|im_start\|>\s*(?:user|system|human)\b|<\|(?:user|system|human|prompter)\|>'
    r'|<start_of_turn>\s*(?:user|system)\b|<\|turn>\s*(?:user|system)\b'
    r'|<\|start_header_id\|>\s*(?:user|system)\s*<\|end_header_id\|>'
    r'|<\|start\|>\s*(?:user|system)\b|\[INST\]|<<SYS>>)'
    r'|(?P<end><\|(?:im_end|eot_id|eot|eom_id|end|endoftext|end_of_text|return|endofturn'
    r'|end[_▁]of[_▁]sentence|end[_▁]of[_▁]turn)\|>|</s>|<end_of_turn>|<turn\|>|<eos>'
    r'|<end_of_utterance>|<eoa>|<EOT>)'
    r'|(?P<noise><\|[\w▁ ]{1,40}\|?>|</?s>|<(?:bos|pad|unk|image|img|grounding|video|im_patch'
    r'|im_start|im_end|start_of_image|end_of_image|fake_token_around_image|image_soft_token'
    r'|IMG_CONTEXT|global-img|row_\d+_col_\d+|image_?\d+|loc\d{1,4}|seg\d{1,3})>'
    r'|</(?:image|img|grounding)>|<</SYS>>|\[/?IMG(?:_\w{1,20})?\]|\[/?BOS\]|\[/?EOS\])',
    re.IGNORECASE,
)
_LABEL = re.compile(
    r'(?P<model>(?:\bASSISTANT|(?:^|(?<=[.?!\n])) ?(?:#{1,4} ?|\*\*)?'
    r'(?:Assistant|AI|GPT|Bot|Response|Assistant Response))(?:\*\*)? ?:(?:\*\*)?)'
    r'|(?P<user>(?:\b(?:USER|HUMAN|SYSTEM)|^ ?(?:#{1,4} ?|\*\*)?'
    r'(?:User|Human|System|Instruction))(?:\*\*)? ?:(?:\*\*)?)',
    re.MULTILINE,
)
_LINE = re.compile(r'^(?:(?P<model>assistant|model)|(?P<user>user|system|human))[ \t]*$', re.M)
"""What a decoder leaves of a role where it skips special tokens."""
_PAIR = re.compile(
    r'(?P<model>\b(?:Short |Final )?Answer(?: ?\d{1,2})?(?:\*\*)? ?:(?:\*\*)?'
    r'|(?:^|(?<=[?.!\n]))[ \t]*(?:\*\*)?A(?: ?\d{1,2})?(?:\*\*)? ?:(?:\*\*)?)'
    r'|(?P<user>(?:\*\*)?\b(?:Question|Q)(?: ?\d{1,2})?(?:\*\*)? ?:(?:\*\*)?)',
    re.MULTILINE,
)
_HINTS = ('assistant', 'user', 'human', 'system', 'ai:', 'gpt:', 'instruction:', 'response:')
_TEMPLATES = (
    'a chat between',
    'below is an instruction',
    'the following is a conversation',
    'you are a helpful',
    'you are an ai',
    'you are qwen',
    'system',
)
"""What the first words of a template are, which no answer begins with."""
_VALUE = re.compile(r'[\s*]*(?:\d+|no|none|yes|true|false|absent|present|one|two|several)\b', re.I)
_ANY_WORD = re.compile(r'\w')
_ASKS = re.compile(r'[^\n]{0,400}\?')


@dataclass(frozen=True)
class _Mark:
    """A mark of a chat: `model` and `user` begin turns, `end` ends one, `noise` is nothing."""

    start: int
    end: int
    kind: str
    token: bool
    """Whether it is a special token, which no text holds by chance."""


@dataclass(frozen=True)
class Answer:
    """Where an answer stands within a text."""

    begin: int
    end: int
    echo: str = ''
    """What was repeated before it."""


def unwrap(text: str, prompt: str) -> tuple[list[Span], str]:
    """
    Return what of a text stands around the answer, in order, and the question that was asked.

    Of several turns the first of the model is the answer: the others it made up itself. The
    question is one that `yes` or `no` answers, of an echo or else of the prompt; empty for none.
    """
    tokens = _tokens(text)
    prompt = _without_noise(prompt, _tokens(prompt))
    bare = _without_noise(text, tokens)
    turns = [mark for mark in tokens if mark.kind != 'noise'] + _labels(bare)
    turns.sort(key=lambda mark: mark.start)
    found = _first_turn(bare, turns, prompt) if turns else _first_pair(bare, prompt)
    begin = opening(bare, found.begin, found.end, prompt)
    said = text[begin : begin + _OPENING]
    asked = question_for(found.echo, said) if found.echo else ''
    asked = asked or question_for(prompt, said)
    spans = [(0, begin)] if begin else []
    spans += [
        (mark.start, mark.end) for mark in tokens if begin <= mark.start and mark.end <= found.end
    ]
    if found.end < len(text):
        spans.append((found.end, len(text)))
    return spans, asked


def _tokens(text: str) -> list[_Mark]:
    if '<' not in text and '[' not in text:
        return []
    return [
        _Mark(found.start(), found.end(), str(found.lastgroup), True)
        for found in _TOKEN.finditer(text)
    ]


def _without_noise(text: str, tokens: Sequence[_Mark]) -> str:
    return blank(text, [(mark.start, mark.end) for mark in tokens if mark.kind == 'noise'])


def _labels(text: str) -> list[_Mark]:
    lower = text.lower()
    if not any(hint in lower for hint in _HINTS):
        return []
    return [
        _Mark(found.start(), found.end(), str(found.lastgroup), False)
        for pattern in (_LABEL, _LINE)
        for found in pattern.finditer(text)
    ]


def _first_turn(text: str, turns: Sequence[_Mark], prompt: str) -> Answer:
    """Return the first answer of a model between marks."""
    begin, echo = 0, ''
    asking: _Mark | None = None
    for number, mark in enumerate(turns):
        if mark.start < begin:
            continue
        if asking is not None:
            if mark.kind == 'model':
                echo, begin, asking = text[asking.end : mark.start], mark.end, None
            continue
        said = bool(_ANY_WORD.search(text, begin, mark.start))
        if said and begin == 0 and _is_echo(text, mark, prompt):
            said, echo = False, text[: mark.start]
        if not said:
            begin, asking = mark.end, mark if mark.kind == 'user' else None
        elif mark.kind == 'end' or mark.token or _is_turn(text, turns, number):
            return Answer(begin, mark.start, echo)
    if asking is not None and asking.token:
        begin = len(text)
    return Answer(begin, len(text), echo)


def _is_echo(text: str, mark: _Mark, prompt: str) -> bool:
    """Return whether what stands before the first mark is no answer."""
    if text[:_OPENING].lower().lstrip().startswith(_TEMPLATES):
        return mark.kind != 'end'
    if mark.kind != 'model':
        return False
    return mark.token or not _ANY_WORD.search(
        text, opening(text, 0, mark.start, prompt), mark.start
    )


def _is_turn(text: str, turns: Sequence[_Mark], number: int) -> bool:
    """Return whether a label behind an answer begins a turn: not `Human: 2` in a list."""
    mark = turns[number]
    if mark.kind != 'user' or _VALUE.match(text, mark.end):
        return False
    if any(other.kind == 'model' for other in turns):
        return True
    # The text may end within that turn.
    label = text[mark.start : mark.end]
    return '#' in label or 'USER' in label or bool(_ASKS.match(text, mark.end))


def _first_pair(text: str, prompt: str) -> Answer:
    """
    Return the answer of `Question: ... Answer: ...`.

    Several pairs are what a model itself asks and answers, unless the first is the prompt's.
    """
    whole = Answer(0, len(text))
    if 'Q' not in text:
        return whole
    marks = list(_PAIR.finditer(text))
    asked = [mark for mark in marks if mark['user']]
    if not asked or _ANY_WORD.search(text, 0, asked[0].start()):
        return whole
    begin = asked[0].end()
    given = _label_behind(asked[0], marks)
    if given is None or len(asked) > 1 and given.start() > asked[1].start():
        return whole
    echo = text[begin : given.start()]
    if len(asked) == 1:
        return Answer(given.end(), len(text), echo)
    if _ANY_WORD.search(text, opening(text, begin, given.start(), prompt), given.start()):
        return whole
    return Answer(given.end(), asked[1].start(), echo)


def _label_behind(question: re.Match[str], marks: Sequence[re.Match[str]]) -> re.Match[str] | None:
    """Return the label of the answer to a question: of `Question:` not `A:`, an option's."""
    label = 'nswer' if 'uestion' in question['user'] else ''
    for mark in marks:
        if mark['model'] and label in mark['model'] and mark.start() >= question.end():
            return mark
    return None
