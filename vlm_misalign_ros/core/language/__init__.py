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

"""From text to mentions and judgements: deterministic, versioned, no second model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlm_misalign_ros.core.language.lexicon import Lexicon, open_lexicon
    from vlm_misalign_ros.core.language.mentions import Reading

__all__ = ['Lexicon', 'Reading', 'open_lexicon', 'read']

_HOMES = {'Lexicon': 'lexicon', 'Reading': 'mentions', 'open_lexicon': 'lexicon'}


def read(text: str, prompt: str = '', lexicon: Lexicon | None = None, style: str = '') -> Reading:
    """
    Return what an answer says: `mentions` by class, where they stand, and the judgement.

    `prompt` is what was asked, `lexicon` that of this package where none is given, and `style` one
    of styles.STYLES where it is known. Takes any text; the words are loaded with the first.
    """
    from vlm_misalign_ros.core.language import reading
    from vlm_misalign_ros.core.language.lexicon import open_lexicon

    return reading.read(text, lexicon or open_lexicon(), prompt, style)


def __getattr__(name: str) -> Any:
    """Load what has a home of its own when it is asked for: the words take their time."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)
