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
Walks through a page of the docs: its commands are run as they stand, one after the other.

Fences are read by their language:

- `bash`: commands; all of a page in one shell and one folder. A comment `<!-- exit: 1 -->` on the
  line before says with which code the last of them ends, else every one has to end with 0;
- `yaml`, `python`: a file, where the first line is a comment with its name; else shown only;
- `text`: lines of the output of the commands before, in any order; `...` stands for anything;
- anything else is shown only.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_FENCE = re.compile(
    r'(?:^<!-- exit: (?P<exit>\d+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
_NAMED = re.compile(r'# ([\w.-]+\.(?:yaml|yml|py))\n')
_CLI = 'import sys; from vlm_misalign_ros.app.cli import main; sys.exit(main(sys.argv[1:]))'


@dataclass
class Step:
    """Commands of a page, the files that stand before them, and what is promised of them."""

    commands: str
    exit: int = 0
    files: dict[str, str] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)


def steps(text: str) -> list[Step]:
    """Return the steps of a page."""
    found: list[Step] = []
    files: dict[str, str] = {}
    for fence in _FENCE.finditer(text):
        language, body = fence['language'], fence['text']
        if language == 'bash':
            found.append(Step(body, int(fence['exit'] or 0), files))
            files = {}
        elif language in ('yaml', 'python') and (named := _NAMED.match(body)):
            files[named[1]] = body
        elif language == 'text' and found:
            found[-1].shown += body.splitlines()
    return found


def lacking(shown: list[str], output: str) -> list[str]:
    """Return the lines that were promised and are not in an output."""
    said = [' '.join(line.split()) for line in output.splitlines()]
    patterns = {
        line: re.compile('.*'.join(map(re.escape, ' '.join(line.split()).split('...'))))
        for line in shown
        if line.strip(' .')
    }
    return [line for line, pattern in patterns.items() if not any(map(pattern.search, said))]


def commands(text: str) -> list[list[str]]:
    """Return the words of every `vlm-misalign` that a page has in its steps."""
    lines = '\n'.join(step.commands for step in steps(text)).replace('\\\n', ' ').splitlines()
    split = [shlex.split(line, comments=True) for line in lines]
    return [words for words in split if words[:1] == ['vlm-misalign']]


def walk(text: str, folder: Path, timeout: float) -> None:
    """Do what a page says in a folder; AssertionError tells where it is not true."""
    place = folder / '.walk'
    place.mkdir()
    _executables(place)
    script = ['trap \'echo "$at $?" > .walk/end\' EXIT']
    for number, step in enumerate(steps(text)):
        block = place / f'{number}.sh'
        block.write_text(step.commands)
        script += [f'at={number}']
        for name, body in step.files.items():
            (place / f'{number}.{name}').write_text(body)
            script += [f'cp .walk/{number}.{name} {name}']
        script += [
            f'set {"+" if step.exit else "-"}e',
            f'. ./{block.relative_to(folder)} > .walk/{number}.out 2>&1',
            f'code=$?; [ $code -eq {step.exit} ] || exit $((code ? code : 99))',
        ]
    (place / 'all.sh').write_text('\n'.join([*script, '']))
    path = os.pathsep.join([str(place / 'bin'), os.environ.get('PATH', '')])
    shell = subprocess.Popen(
        ['bash', str(place / 'all.sh')],
        cwd=folder,
        env={**os.environ, 'PATH': path},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        done = shell.wait(timeout)
    except subprocess.TimeoutExpired:
        done = -1
    finally:
        # What a page has put into the background, too.
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    for number, step in enumerate(steps(text)):
        output = place / f'{number}.out'
        said = output.read_text(errors='replace') if output.exists() else ''
        at = (place / 'end').read_text().split()[0] if (place / 'end').exists() else '?'
        assert done == 0 or at != str(number), f'exit code {done}:\n{step.commands}\n{said}'
        assert output.exists(), f'exit code {done}, never came to:\n{step.commands}'
        missing = lacking(step.shown, said)
        assert not missing, f'never said {missing}:\n{step.commands}\n{said}'
    assert done == 0, f'exit code {done}'


def _executables(place: Path) -> None:
    """Have `vlm-misalign` and `python` be those of this environment."""
    (place / 'bin').mkdir()
    python = shlex.quote(sys.executable)
    for name, line in (
        ('python', f'exec {python} "$@"'),
        ('vlm-misalign', f'exec {python} -c {shlex.quote(_CLI)} "$@"'),
    ):
        path = place / 'bin' / name
        path.write_text(f'#!/bin/sh\n{line}\n')
        path.chmod(0o755)
