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

"""The key of a server: read from the environment, sent, and never shown or written."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from urllib.parse import quote

from vlm_misalign_ros.core.errors import ConfigurationError

SHORTEST = 8
"""Characters from which on a key is looked for in what a server says: shorter ones are
placeholders ('EMPTY', 'ollama') that may be ordinary words of an answer."""
LONGEST = 8192
HIDDEN = '[key]'
"""What stands where a key was."""
_NAME = re.compile(r'[A-Z_][A-Z0-9_]{0,63}')
_SENT = re.compile(r'[\x21-\x7e]+')


def check_name(name: str) -> None:
    """Raise ConfigurationError for what is no name of an environment variable, not showing it."""
    if name and not _NAME.fullmatch(name):
        # Somebody may have given the key itself.
        raise ConfigurationError(
            "parameter 'api_key_env' is no name of an environment variable (not shown: it might "
            'be a key)',
            'give its name in capitals, such as OPENAI_API_KEY, and put the key into it',
        )


class Secret:
    """A key that is sent with every request, and taken out of whatever comes back."""

    __slots__ = ('_key', '_forms', 'name')

    def __init__(self, name: str, key: str) -> None:
        """
        Hold the key of the environment variable `name`; an empty one is none.

        Raises ConfigurationError, without the key, for one that cannot be sent.
        """
        self.name = name
        self._key = key.strip()
        if self._key and (not _SENT.fullmatch(self._key) or len(self._key) > LONGEST):
            raise ConfigurationError(
                f'the key in {name} holds spaces, line breaks or other characters that cannot be '
                'sent, or is too long',
                'set it to the key alone',
            )
        self._forms = _forms(self._key) if len(self._key) >= SHORTEST else ()

    @classmethod
    def of_environment(cls, name: str, environment: Mapping[str, str] | None = None) -> Secret:
        """Return the key in an environment variable; none where `name` is empty or not set."""
        check_name(name)
        known = os.environ if environment is None else environment
        return cls(name, known.get(name, '') if name else '')

    def __bool__(self) -> bool:
        """Return whether there is a key."""
        return bool(self._key)

    def __repr__(self) -> str:
        """Return the variable's name alone."""
        return f'Secret({self.name!r})'

    def __reduce__(self) -> tuple[object, ...]:
        """Refuse to be copied into a file."""
        raise TypeError('a key is not written anywhere')

    def headers(self) -> dict[str, str]:
        """Return the headers that a request is sent with because of it."""
        return {'Authorization': f'Bearer {self._key}'} if self._key else {}

    def scrub(self, text: str, cut: bool = False) -> str:
        """
        Return a text without the key, also as it stands in addresses, JSON and base64.

        With `cut` the text is the beginning of a longer one, and may end within the key.
        """
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        if not cut:
            return text
        ends = (
            size
            for form in self._forms
            for size in range(min(len(form), len(text)), 0, -1)
            if text.endswith(form[:size])
        )
        return text[: len(text) - max(ends, default=0)]


def _forms(key: str) -> tuple[str, ...]:
    escaped = key.replace('\\', '\\\\').replace('"', '\\"')
    coded = base64.b64encode(key.encode()).decode().rstrip('=')
    found = {key, quote(key), quote(key, safe=''), escaped, escaped.replace('/', '\\/'), coded}
    return tuple(sorted(found, key=lambda form: (-len(form), form)))
