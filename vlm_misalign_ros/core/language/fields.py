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

"""Fields of a verdict in prose: `Safe to proceed: no`."""

from __future__ import annotations

import re

from vlm_misalign_ros.core.language import keys
from vlm_misalign_ros.core.language.nodes import Node

_FIELD = re.compile(
    r"""(?:^|[^\w\s'])[ \t>*_#-]*+(?:\d{1,2}[.)] *+)?["'*_`\\]*+"""
    r"""(?P<key>[A-Za-z][\w' -]{0,40}+)\??["'*_`\\]*+[ \t]*+[:=|]"""
    r"""[\s"'*_`\\]*+(?P<value>true|false|yes|no|none|[01yn])"""
    r"""(?=[ \t"'*_`.!\\]*+(?:[,;)}\]|\n]|\Z))""",
    re.MULTILINE | re.IGNORECASE,
)

_LOST = re.compile(
    r"""(?P<key>[A-Za-z][\w' -]{0,40}+)["']?[ \t]*+[:=]\W*+(?P<rest>\w{0,5})\Z"""
    r"""|["'](?P<alone>[A-Za-z]++_\w*+)\Z"""
)
_TAIL = 60
"""Characters at the end of a text among which such a key is sought."""
_BEGUN = frozenset(
    word[:length]
    for word in ('true', 'false', 'null', 'yes', 'no', 'none', 'unsafe')
    for length in range(len(word))
)


def lost_values(text: str) -> list[tuple[int, int]]:
    """Return the place of a key with which a text ends: without its value it says nothing."""
    last = text[-_TAIL:]
    if ':' not in last and '=' not in last and '_' not in last:
        return []
    found = _LOST.search(text, max(len(text) - _TAIL, 0))
    if found and (
        found['alone']
        or found['rest'].lower() in _BEGUN - {'no'}
        and keys.means(keys.key_words(found['key'])) is not None
    ):
        return [found.span()]
    return []


def find_fields(text: str) -> list[Node]:
    """Return lines and parts of prose that are fields of a verdict: `Safe to proceed: no`."""
    if ':' not in text and '|' not in text and '=' not in text:
        return []
    found = []
    for field in _FIELD.finditer(text):
        if keys.means(keys.key_words(field['key'])) is not None:
            value = Node(*field.span('value'), field['value'])
            found.append(
                Node(*field.span(), pairs=[(Node(*field.span('key'), field['key']), value)])
            )
    return found
