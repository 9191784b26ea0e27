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
A script: runs or sweeps a configuration in one process, killed at random and gone on with.

    python killing.py run|sweep|analyse CONFIG OUT SEED KILLS

Models are made by hand. OUT/whole is one that nobody stops; OUT/cut is one that is killed at
most KILLS times, each time at a call of a function that is drawn, or in the middle of a line of
its records, and gone on with. `analyse` has the bag OUT/bag scored, into OUT/whole/out and
OUT/cut/out. What happened is printed as JSON. Each is a process of its own, forked when all is
imported.
"""

import json
import os
import random
import signal
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace

import numpy as np

# Imported before there are processes, so that it is done once.
import vlm_misalign_ros.app.analysing
import vlm_misalign_ros.app.in_process
import vlm_misalign_ros.app.preflight
import vlm_misalign_ros.app.resuming
import vlm_misalign_ros.app.sweeping  # noqa: F401
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.app.ray_pool import RemoteWorker
from vlm_misalign_ros.core.errors import FrameError, ModelError
from vlm_misalign_ros.core.evaluation.engine import Models
from vlm_misalign_ros.core.evaluation.lanes import open_lanes
from vlm_misalign_ros.core.models.answering import CheckedSegmentation, CheckedVlm
from vlm_misalign_ros.core.models.factory import load_vlm
from vlm_misalign_ros.core.records.store import RecordWriter
from vlm_misalign_ros.core.settings.nodes import vlm_options
from vlm_misalign_ros.core.types import Description, Judgement, Kind, Mention, Segmented


class ByHand:
    """Says by the means of all pictures what there is; fails on some pictures, or on dark ones."""

    kind = Kind.GENERATIVE

    def __init__(self, name):
        self._name = name

    def describe(self, query):
        means = [float(picture.mean()) for picture in query.pictures]
        if self._name.startswith('moody') and round(means[-1] * 100) % 3 == 0:
            raise FrameError(f'{self._name} does not like {means[-1]:.6f}')
        if self._name.startswith('lost') and means[-1] < 60:
            raise FrameError(f'{self._name} is afraid of {means[-1]:.6f}')
        score = sum(mean / (place + 1) for place, mean in enumerate(means)) % 1
        return Description(
            'x',
            self.kind,
            f'{len(means)} pictures of {means[-1]:.6f}',
            {'car': Mention.ASSERTED if score > 0.5 else Mention.DENIED},
            {},
            {'car': score},
            Judgement.SAFE if score > 0.4 else Judgement.UNSAFE,
            score,
            shown=len(means),
        )


def segment(picture):
    # Few and large areas: who reads a mask looks at each.
    coarse = picture[::32, ::32, 0] % 19
    labels = np.kron(coarse, np.ones((32, 32), np.uint8)).astype(np.uint8)
    return Segmented(labels, 0.25, 0.75, {'road': 0.1})


def load(configuration, kept=None):
    """Return models made by hand under the names of a configuration; mask readers are real."""
    vlms = []
    for vlm in configuration.vlms:
        if vlm.name == 'broken':
            raise ModelError('this model is broken', 'leave it out')
        if vlm.model == 'mask_reader':
            model = load_vlm(vlm.model, **vlm_options(vlm))
        else:
            model = CheckedVlm('by hand', ByHand(vlm.name))
        vlms.append((vlm, open_lanes(model, vlm)))
    return Models(CheckedSegmentation('by hand', SimpleNamespace(segment=segment)), tuple(vlms))


ARMING = ('keep_frames', '_take', '_begin')
"""Functions with which a run opens its records, or goes on with them; a sweep its folder."""
RESULTS = 'finalise'
"""The function with which the results of a run begin."""


class ByHandWorker(RemoteWorker):
    """A process of a Ray cluster that has these models."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        Models.load = load


class Bomb:
    """Counts the calls of functions of the package once records are open; kills at the `at`-th."""

    def __init__(self, at):
        self.count = self.measured = 0
        self._at = at
        self._armed = False

    def __call__(self, frame, event, argument):
        code = frame.f_code
        if event != 'call' or 'vlm_misalign_ros' not in code.co_filename:
            return
        self._armed = self._armed or code.co_name in ARMING
        self.count += self._armed
        if code.co_name == RESULTS and not self.measured:
            self.measured = self.count
        if self._armed and self.count == self._at:
            os.kill(os.getpid(), signal.SIGKILL)

    def half(self, line):
        """Have the `line`-th record written by half, and nothing after."""
        write, lines = RecordWriter.write, 0

        def spoilt(writer, record):
            nonlocal lines
            lines += 1
            if lines == line:
                os.write(writer._file, b'{"kind":"frame","schema":4,"stamp":"7.0')
                os.kill(os.getpid(), signal.SIGKILL)
            write(writer, record)

        RecordWriter.write = spoilt


def forked(words, log, at=0, line=0, count=None):
    """Run the words of a command in a process of its own; return how it ended."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    code = 99
    try:
        with open(log, 'a') as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        bomb = Bomb(at)
        if line:
            bomb.half(line)
        sys.setprofile(bomb if at or count else None)
        code = main(words)
        sys.setprofile(None)
        if count:
            count.write_text(f'{bomb.measured} {bomb.count}')
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def kill_and_go_on(verb, config, out, seed, kills):
    """Return how each attempt began and ended."""
    drawn, told = random.Random(seed), []
    begin = [verb, str(config), '--out', str(out), *(['--in-process'] if verb == 'run' else [])]
    names = {name: [*begin, '--name', name] for name in ('whole', 'cut')}
    if verb == 'analyse':
        begin = [verb, str(out / 'bag'), '--config', str(config)]
        names = {name: [*begin, '--out', str(out / name / 'out')] for name in names}
    code = forked(names['whole'], out / 'log', count=out / 'count')
    # A bag may be one of which nobody should believe anything.
    ended = (0, 3) if verb == 'analyse' else (0,)
    assert code in ended, (out / 'log').read_text()
    measured, calls = map(int, (out / 'count').read_text().split())
    words = names['cut']
    for number in range(kills + 1):
        if drawn.random() < 0.2:
            cut = {'line': 1 if number else drawn.randint(2, 6)}
        elif number < kills // 2:
            # Soon, so that there is something left to be done.
            cut = {'at': drawn.randint(1, max(measured // 6, 2))}
        else:
            # Among the results, too, up to where there is nothing left.
            cut = {'at': drawn.randint(1, calls)}
        code = forked(words, out / 'log', **(cut if number < kills else {}))
        told.append({'words': words, 'cut': cut, 'code': code})
        if code in ended:
            break
        if verb == 'analyse':
            words = names['cut'] if code == 2 else [*names['cut'], '--resume']
        elif verb == 'run' and code == 2:
            # Nothing stands yet: as it says, it is begun anew.
            words = [*names['cut'], '--overwrite']
        elif verb == 'run':
            words = ['run', '--resume', 'cut', '--out', str(out)]
    return told


if __name__ == '__main__':
    Models.load = load
    verb, config, out, seed, kills = sys.argv[1:]
    found = kill_and_go_on(verb, Path(config), Path(out), int(seed), int(kills))
    print(json.dumps(found))
