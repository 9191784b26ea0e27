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

"""How a generative model is asked: its chat template in one call, or a plain prompt."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image

from vlm_misalign_ros.core.errors import FrameError, ModelError
from vlm_misalign_ros.core.models.generative_families import Ways

_LOG = logging.getLogger(__name__)
_WORDS, _SYSTEM = 'probing words', 'probing system'
_HOW = {'add_generation_prompt': True}


class Asker:
    """
    Turns pictures and words into what one model takes.

    With a chat template that is one call of the processor's apply_chat_template, as the library
    means it: rendering the template and tokenising the text apart gives some models two marks of
    the beginning. Without one the words follow the pictures as the family is used to it.
    """

    def __init__(self, name: str, processor: Any, model_type: str, ways: Ways) -> None:
        """Find out how the template wants its messages; ModelError where it cannot be used."""
        self._name = name
        self._processor = processor
        self._type = model_type
        self._ways = ways
        self.tokenizer = getattr(processor, 'tokenizer', processor)
        self._template = template_of(processor)
        self._mark = _text_of(getattr(processor, 'image_token', ''))
        self._listed = True
        self._system: str | None = None
        self._placed = False
        self._said = False
        if self._template:
            self._probe_template()
        else:
            self._placed = ways.mark is not None or self._wants_mark()

    # What the template takes -----------------------------------------------------------------

    def _probe_template(self) -> None:
        faults = []
        for listed in (True, False):
            self._listed = listed
            try:
                rendered = self._render(_WORDS, '', 1)
            except Exception as error:  # jinja raises its own errors and those of Python
                faults.append(str(error))
                continue
            if _WORDS in rendered and self._mark in rendered:
                break
            faults.append('the words or the mark of a picture are not in what it makes of them')
        else:
            raise ModelError(
                f'the chat template of model {self._name!r} cannot be used: {faults[0]}',
                'take the template that belongs to the model',
            )
        for form in ('list', 'text'):
            self._system = form
            try:
                if _SYSTEM in self._render(_WORDS, _SYSTEM, 1):
                    return
            except Exception:  # a template refuses what it does not know with errors of any kind
                continue
        self._system = None

    def _wants_mark(self) -> bool:
        """Return whether a plain prompt needs the mark of a picture to have one at all."""
        if not self._mark:
            return False
        picture = Image.new('RGB', (64, 32))
        try:
            inputs = self._processor(images=picture, text=_WORDS, return_tensors='pt')
        except Exception:  # processors refuse a picture without its mark with errors of any kind
            return True
        ids = self.tokenizer.convert_tokens_to_ids(self._mark)
        return not bool((inputs['input_ids'] == ids).any())

    # Messages and text -------------------------------------------------------------------------

    def _messages(
        self, words: str, system: str, pictures: Sequence[Image.Image | None]
    ) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        if system and self._system:
            listed = [{'type': 'text', 'text': system}]
            content: Any = listed if self._system == 'list' else system
            messages.append({'role': 'system', 'content': content})
        elif system:
            words = f'{system}\n{words}'
        if self._listed:
            shown: list[dict[str, Any]] = [
                {'type': 'image'} if picture is None else {'type': 'image', 'image': picture}
                for picture in pictures
            ]
            content = [*shown, {'type': 'text', 'text': words}]
        else:
            content = f'{self._mark}\n' * len(pictures) + words
        return [*messages, {'role': 'user', 'content': content}]

    def _render(self, words: str, system: str, count: int) -> str:
        messages = self._messages(words, system, [None] * count)
        return str(
            self._processor.apply_chat_template(
                messages, chat_template=self._template, tokenize=False, **_HOW
            )
        )

    def text(self, words: str, system: str = '', count: int = 1) -> str:
        """Return the whole text of a question about `count` pictures, before they are put in."""
        if self._template:
            return self._render(words, system, count)
        return self._plain(words, system, count)

    def _plain(self, words: str, system: str, count: int) -> str:
        if system:
            words = f'{system}\n{words}'
        if not self._placed or not count:
            return words
        form = self._ways.mark if self._ways.mark is not None else '{image}\n'
        return form.format(image=self._mark) * count + words

    # Tensors -----------------------------------------------------------------------------------

    def inputs(
        self, pictures: Sequence[Image.Image], words: str, system: str = ''
    ) -> dict[str, torch.Tensor]:
        """
        Return the tensors of a question, by name, on the CPU.

        FrameError for what the model cannot be asked.
        """
        self._check(len(pictures), words, system)
        if system and self._system is None and not self._said:
            self._said = True
            _LOG.warning(
                'model %r has no place for a system prompt: it stands before the question',
                self._name,
            )
        if self._template and self._listed:
            made = self._processor.apply_chat_template(
                self._messages(words, system, list(pictures)),
                chat_template=self._template,
                tokenize=True,
                return_dict=True,
                return_tensors='pt',
                **_HOW,
            )
        else:
            text = self.text(words, system, len(pictures))
            more = {}
            begin = self.tokenizer.bos_token
            if self._template and begin and text.startswith(begin):
                # As apply_chat_template does it: the template has set the beginning.
                more['add_special_tokens'] = False
            shown: Any = list(pictures) or None
            made = self._processor(
                images=shown[0] if shown and len(shown) == 1 else shown,
                text=text,
                return_tensors='pt',
                **more,
            )
        return _tensors(made)

    def _check(self, count: int, words: str, system: str) -> None:
        """Refuse by name what the model cannot be asked."""
        who = f'model {self._name!r} of type {self._type!r}'
        if self._ways.alone and self._ways.asks(words) and system:
            raise FrameError(
                f'{who} takes the prompt {words!r} alone', 'leave out the system prompt'
            )
        if self._ways.alone and '\n' in words and self._ways.asks(words.rsplit('\n', 1)[1]):
            raise FrameError(
                f'{who} takes the prompt {words.rsplit(chr(10), 1)[1]!r} alone, and was given '
                'other words before it',
                'ask with input: image, or with a prompt of your own',
            )
        if self._template:
            return
        if not count and not (self._ways.words_alone and self._placed):
            raise FrameError(f'{who} answers to pictures only', 'ask with a picture: input: image')
        if count > (self._ways.most if self._placed else 1):
            raise FrameError(
                f'{who} is asked about one picture at a time, and was given {count}',
                'leave out the frames before: frames: 0',
            )


def template_of(processor: Any) -> str:
    """Return the chat template of a processor or of its tokenizer; empty where there is none."""
    tokenizer = getattr(processor, 'tokenizer', None)
    for holder in (processor, tokenizer):
        found = getattr(holder, 'chat_template', None)
        if isinstance(found, Mapping):
            found = found.get('default') or next(iter(found.values()), '')
        if found:
            return str(found)
    return ''


def _text_of(token: Any) -> str:
    return str(getattr(token, 'content', token) or '')


def _tensors(made: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    return {
        name: value
        for name, value in made.items()
        # PaliGemma's processor adds labels for training.
        if isinstance(value, torch.Tensor) and name != 'labels'
    }
