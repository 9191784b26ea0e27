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
Answers kept on disk, so that a run can be resumed and repeated without asking again.

A file each, named by the SHA-256 of everything that was asked (server, model, words, hashes of
the pictures, parameters). A file is written whole or not at all, under a name of its own first, so
that several processes may use one folder. What cannot be read, or is of another question, is none.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.models.served.replies import Reply, Token, Told, is_number

VERSION = 1
MOST_BYTES = 2 * 1024 * 1024
"""Of one file; an answer that needs more is not kept."""
_LOG = logging.getLogger(__name__)


class Answers:
    """A folder of answers."""

    def __init__(self, folder: Path) -> None:
        """Make the folder; ConfigurationError where that cannot be done."""
        self.folder = folder
        self._warned = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise ConfigurationError(
                f"parameter 'answer_cache' is {str(folder)!r}, which cannot be written: "
                f'{error.strerror}',
                'give a folder of your own, or leave it out',
            ) from error

    def path(self, asked: Mapping[str, Any]) -> Path:
        """Return where the answer to a question lies."""
        name = hashlib.sha256(_canonical(asked)).hexdigest()
        return self.folder / name[:2] / f'{name}.json'

    def get(self, asked: Mapping[str, Any]) -> Reply | None:
        """Return the kept answer to a question; None where there is none that can be used."""
        try:
            with open(self.path(asked), 'rb') as stream:
                body = stream.read(MOST_BYTES + 1)
            data = json.loads(body) if len(body) <= MOST_BYTES else None
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(data, dict) or data.get('version') != VERSION:
            return None
        # Whoever changed a file by hand is answered by what its name stands for, or not at all.
        if not isinstance(data.get('asked'), dict) or data['asked'] != _plain(asked):
            return None
        return _reply(data.get('answer'))

    def put(self, asked: Mapping[str, Any], reply: Reply) -> None:
        """Keep an answer; where the disk refuses, say so once and go on."""
        body = _canonical(
            {'version': VERSION, 'asked': _plain(asked), 'answer': _answer(reply)}, indent=1
        )
        if len(body) > MOST_BYTES:
            return
        path = self.path(asked)
        try:
            path.parent.mkdir(exist_ok=True)
            handle, partial = tempfile.mkstemp('.part', dir=path.parent)
            try:
                with open(handle, 'wb') as stream:
                    stream.write(body)
                os.replace(partial, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(partial)
                raise
        except OSError as error:
            if not self._warned:
                self._warned = True
                _LOG.warning('answers cannot be kept in %s: %s', self.folder, error.strerror)


def _canonical(data: Mapping[str, Any], indent: int | None = None) -> bytes:
    return json.dumps(data, sort_keys=True, indent=indent, allow_nan=False).encode()


def _plain(asked: Mapping[str, Any]) -> Any:
    """Return a question as it is read back: tuples are lists in JSON."""
    return json.loads(_canonical(asked))


def _answer(reply: Reply) -> dict[str, Any]:
    return {
        'text': reply.text,
        'truncated': reply.truncated,
        'tokens': [[token.text, token.logprob, token.top] for token in reply.tokens],
        'used': reply.used,
        'model': reply.told.model,
        'fingerprint': reply.told.fingerprint,
        'server': reply.told.server,
        'left_out': list(reply.left_out),
    }


def _reply(data: Any) -> Reply | None:
    """Return an answer that was kept; None for what cannot be one."""
    if not isinstance(data, dict):
        return None
    names = ('text', 'model', 'fingerprint', 'server')
    texts = [data.get(name) for name in names]
    used, truncated = data.get('used'), data.get('truncated')
    if not all(isinstance(text, str) for text in texts) or not isinstance(truncated, bool):
        return None
    if used is not None and (not isinstance(used, int) or isinstance(used, bool) or used < 0):
        return None
    try:
        tokens = tuple(
            Token(*_chance(text, logprob), tuple(_chance(*entry) for entry in top))
            for text, logprob, top in data.get('tokens', [])
        )
        left_out = tuple(_name(name) for name in data.get('left_out', []))
    except (TypeError, ValueError):
        return None
    text, model, fingerprint, server = map(str, texts)
    told = Told(model, fingerprint, server)
    return Reply(text, truncated, tokens, used, told, left_out, cached=True)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _chance(text: Any, logprob: Any) -> tuple[str, float]:
    if not isinstance(text, str) or not is_number(logprob) or logprob > 0:
        raise ValueError
    return text, float(logprob)
