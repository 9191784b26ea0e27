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

"""`view`: a run or a recorded bag in Rerun, on this machine alone."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from vlm_misalign_ros.app.cli.parser import count

HELP = 'show a run or a recorded bag in Rerun: pictures, masks, truth, answers, rates'
EXAMPLES = """
vlm-misalign view runs/NAME
vlm-misalign view runs/NAME --condition low_light:3 --limit 100 --save run.rrd
vlm-misalign view runs/NAME/bag --web
"""
LOOPBACK = '127.0.0.1'
"""Where the viewer listens: Rerun itself would on every interface."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('what', metavar='RUN|BAG', help='run folder, or a recorded bag')
    parser.add_argument('--save', metavar='FILE', help='write an .rrd file, and show nothing')
    parser.add_argument(
        '--condition',
        action='append',
        default=[],
        help='only pictures under this condition; may be given again',
    )
    parser.add_argument(
        '--limit', type=count, default=500, help='so many pictures at most (0: all)'
    )
    parser.add_argument('--dataset', default='', help='where the data set of the run lies by now')
    parser.add_argument(
        '--masks',
        action='store_true',
        help='make the masks of the segmentation again, by its model',
    )
    parser.add_argument(
        '--records',
        default='',
        help='run folder with the records of a bag (default: the run that it lies in, or its own)',
    )
    parser.add_argument(
        '--web', action='store_true', help='show it in a browser, served on this machine alone'
    )
    parser.add_argument(
        '--port', type=count, default=0, help='port of the viewer (0: any that is free)'
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the recording; show it unless it is saved."""
    from vlm_misalign_ros.app.exporting_runs import Choice, save_recording
    from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
    from vlm_misalign_ros.core.report.audit.showing import safe

    choice = Choice(
        tuple(arguments.condition), arguments.limit, arguments.dataset, masks=arguments.masks
    )
    what = Path(arguments.what)
    records = Path(arguments.records) if arguments.records else None
    if arguments.save:
        if arguments.web:
            raise ConfigurationError('--save and --web are given', 'give one of them')
        found = save_recording(what, Path(arguments.save), choice, records)
        print(safe(f'{arguments.save}: {found.pictures} pictures'))
        _note(found.notes)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f'{what.resolve().name[:80]}.rrd'
        found = save_recording(what, path, choice, records)
        _note(found.notes)
        print(safe(f'{found.pictures} pictures; end with Ctrl-C'), flush=True)
        code = _show(command(path, arguments.web, arguments.port))
    if code:
        raise RecordError(
            f'the viewer of Rerun ended with {code}',
            'without a display show it in a browser (--web), or write it (--save FILE.rrd)',
        )
    return 0


def _note(notes: list[str]) -> None:
    from vlm_misalign_ros.core.report.audit.showing import safe

    for note in notes:
        print(safe(f'note: {note}'))


def _show(words: list[str]) -> int:
    """Run the viewer until it is closed; whatever ends this process ends it, too."""
    # The viewer is a child of what is started: both are ended as a group.
    with subprocess.Popen(words, start_new_session=True) as viewer:
        try:
            return viewer.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(viewer.pid, signal.SIGTERM)


def command(path: Path, web: bool, port: int) -> list[str]:
    """Return the command of the viewer, which listens on this machine alone."""
    words = [sys.executable, '-m', 'rerun_cli', '--bind', LOOPBACK, '--port', str(port or _free())]
    return [*words, *(['--web-viewer', '--web-viewer-port', '0'] if web else []), str(path)]


def _free() -> int:
    """Return a port that nobody has."""
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return int(one.getsockname()[1])
