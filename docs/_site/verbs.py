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


"""Adds to docs/commands.md, on the site, what `--help` prints of every verb."""

from __future__ import annotations

import os
from unittest import mock

PAGE = 'docs/commands'
_COLUMNS = '92'


def helps() -> dict[str, str]:
    """Return what `vlm-misalign VERB --help` prints, by verb; the exit codes stand apart."""
    from vlm_misalign_ros.app.cli.parser import EXITS, VERBS, build

    with mock.patch.dict(os.environ, {'COLUMNS': _COLUMNS, 'NO_COLOR': '1'}):
        (verbs,) = (action for action in build()._actions if action.dest == 'verb')
        told = {verb: verbs.choices[verb].format_help() for verb in VERBS}
    return {verb: text.replace(EXITS, '').rstrip() for verb, text in told.items()}


def section() -> str:
    """Return the section of the page with all of them."""
    parts = [f'### {verb}\n\n```text\n{text}\n```\n' for verb, text in helps().items()]
    return '\n'.join(['\n## Arguments\n', *parts])


def _add(app, page, source) -> None:
    if page == PAGE:
        source[0] += section()


def setup(app) -> None:
    """Connect it to Sphinx."""
    app.connect('source-read', _add)
