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

"""How single families of generative models are asked, where they have a way of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vlm_misalign_ros.core.language.prompts import DEFAULT, Prompt, find_prompt

Finish = Callable[[Any, str, str], str]
"""(processor, decoded answer, words that were asked) to the answer."""


@dataclass(frozen=True)
class Ways:
    """The manner of one family."""

    prompt: Prompt | None = None
    """What it is asked by default, in its own words; None for a question of this package."""
    default: str = DEFAULT
    """Id of that question."""
    question: str = '{}'
    """How a question is put, where the prompt is one of the family's own."""
    tasks: tuple[str, ...] = ()
    """What the family's own prompts begin with."""
    alone: bool = False
    """Whether such a prompt stands for itself, with no other words beside it."""
    mark: str | None = None
    """What stands for a picture in a prompt without template; None: what the processor tells."""
    most: int = 1
    """Pictures at most, without a template."""
    words_alone: bool = False
    """Whether it may be asked without a picture, without a template."""
    keep_special: bool = False
    """Whether `finish` reads the special tokens."""
    finish: Finish | None = None
    """What the family makes of the decoded text."""

    def asks(self, text: str) -> bool:
        """Return whether a text is a prompt of the family's own."""
        return bool(self.tasks) and text.lstrip().startswith(self.tasks)


def _caption(id_: str, text: str, style: str = 'caption') -> Prompt:
    return Prompt(id_, text, style)


def _florence(processor: Any, text: str, asked: str) -> str:
    """Return the caption, or the names of what was found, of an answer to a task prompt."""
    found = processor.post_process_generation(text=text, task=asked, image_size=(1, 1))[asked]
    if isinstance(found, dict):
        found = ', '.join(str(name) for name in found.get('labels', ()))
    return str(found).replace('<pad>', '').strip()


def _kosmos(processor: Any, text: str, asked: str) -> str:
    """Return the text without the marks of phrases, objects and places."""
    return str(processor.post_process_generation(text)[0])


CAPTIONER = Ways(default='caption')
"""One that goes on from the words it is given."""
PLAIN = Ways(most=64, words_alone=True)
"""Any other: asked in words, with its mark of a picture before them."""
WAYS: dict[str, Ways] = {
    'blip': CAPTIONER,
    'git': CAPTIONER,
    'blip-2': Ways(default='caption', question='Question: {} Answer:', tasks=('Question:',)),
    'instructblip': Ways(),
    'kosmos-2': Ways(
        _caption('kosmos-2:describe', 'Describe this image in detail:', 'description'),
        question='Question: {} Answer:',
        tasks=('Describe this image', 'An image of', 'Question:', '<grounding>'),
        finish=_kosmos,
    ),
    'florence2': Ways(
        _caption('florence2:MORE_DETAILED_CAPTION', '<MORE_DETAILED_CAPTION>', 'description'),
        tasks=('<',),
        alone=True,
        keep_special=True,
        finish=_florence,
    ),
    'paligemma': Ways(
        _caption('paligemma:caption', 'caption en'),
        question='answer en {}',
        tasks=('caption', 'cap ', 'describe', 'answer', 'question', 'detect', 'segment', 'ocr'),
        mark='{image}',
        most=64,
    ),
}
"""Families by model_type."""


def ways_of(model_type: str, template: bool) -> Ways:
    """Return the manner of a family; with a template it is asked like any other."""
    return PLAIN if template else WAYS.get(model_type, PLAIN)


def prompt_of(ways: Ways, named: str) -> Prompt:
    """Return the prompt that is named, or what the family is asked by default."""
    if not named and ways.prompt is not None:
        return ways.prompt
    return find_prompt(named, ways.default)
