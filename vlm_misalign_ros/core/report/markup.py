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
Text from anywhere, as it stands in Markdown that GitHub shows: never markup, never long.

Every character that could mean something, to Markdown or HTML, is a numeric reference, which
CommonMark never takes for structure. GitHub links a mail address by its looks all the same: a
comment behind its @ keeps it from that.
"""

from __future__ import annotations

from vlm_misalign_ros.core.report.audit.showing import safe

MOST = 400
"""Characters of one text that are shown."""


def plain(text: str, most: int = MOST) -> str:
    """Return a text as one line without what steers a terminal, its middle left out if long."""
    # Only so much is looked at: a model may say millions of characters.
    ends = text if len(text) <= 2 * most else f'{text[:most]}\u2026{text[-most:]}'
    found = safe(' '.join(ends.split()))
    if len(found) <= most:
        return found
    half = (most - 1) // 2
    return f'{found[:half]}\u2026{found[-half:]}'


def escaped(text: str, most: int = MOST) -> str:
    """Return a text for Markdown, one line of at most `most` characters as it is read."""
    return ''.join(map(_reference, plain(text, most)))


def code(text: str, most: int = MOST) -> str:
    """Return a name from anywhere as it is shown in Markdown: in fixed width, and no link."""
    return f'<code>{escaped(text, most)}</code>'


def _reference(char: str) -> str:
    if not char.isascii() or char.isalnum() or char in ' ,':
        return char
    return f'&#{ord(char)};' + '<!-- -->' * (char == '@')
