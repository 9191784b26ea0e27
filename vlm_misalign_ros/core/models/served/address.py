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

"""Where a served model is: the base address, checked, and never with a key in it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.models.served.secret import check_name

PREFIX = 'openai:'
EXAMPLE = 'http://127.0.0.1:8000/v1'
_HIDDEN = "parameter 'base_url' of a served model"


@dataclass(frozen=True)
class Address:
    """A server, and the path before `/chat/completions`."""

    url: str
    """The whole of it, without a slash at its end."""
    scheme: str
    host: str
    port: int | None

    @property
    def local(self) -> bool:
        """Return whether it is this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == 'localhost'

    @property
    def safe(self) -> bool:
        """Return whether a key can be sent without others on the way reading it."""
        return self.scheme == 'https' or self.local


def parse_address(text: str) -> Address:
    """
    Return the address that `base_url` names.

    Raises ConfigurationError for none, and for one with user, password, query or fragment, which
    might hold a key; those are not shown.
    """
    if not text:
        raise ConfigurationError(
            f'{_HIDDEN} is empty', f'give the address of the server, such as {EXAMPLE}'
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(
            f'{_HIDDEN} cannot be read as an address', f'give one such as {EXAMPLE}'
        ) from error
    if '@' in text or parts.query or parts.fragment or '?' in text or '#' in text:
        raise ConfigurationError(
            f'{_HIDDEN} holds a user, a password or a query (not shown: it might be a key)',
            'leave it out; a key is read from the environment variable that api_key_env names',
        )
    strange = [char for char in text if not ' ' < char < '\x7f']
    if parts.scheme not in ('http', 'https') or not parts.hostname or strange or '\\' in text:
        raise ConfigurationError(f'{_HIDDEN} is {text[:200]!r}', f'give one such as {EXAMPLE}')
    return Address(text.rstrip('/'), parts.scheme, parts.hostname, port)


def check_served(model: str, base_url: str, api_key_env: str, concurrency: int) -> None:
    """
    Raise ConfigurationError for settings of a server that do not go with the model, or hold a key.

    Before a configuration is written or shown anywhere.
    """
    check_name(api_key_env)
    if model.startswith(PREFIX):
        parse_address(base_url)
        return
    if base_url:
        parse_address(base_url)
        raise ConfigurationError(
            f"parameter 'base_url' is set, and model {model!r} is not behind a server",
            f'give {PREFIX}MODEL, or leave base_url out',
        )
    if concurrency != 1:
        raise ConfigurationError(
            f"parameter 'concurrency' is {concurrency}, and model {model!r} is behind no server",
            'leave it out: a local model answers one frame after the other',
        )
