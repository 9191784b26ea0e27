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

"""The configuration that shows asks, on the graph."""

import subprocess
import sys

import pytest

from vlm_misalign_ros.core.records.schema import Status
from vlm_misalign_ros.core.records.store import RECORDS, read_frames
from vlm_misalign_ros.core.types import Input, Kind

SHOWN = {
    'grounded_plain': (Kind.GENERATIVE, Input.IMAGE),
    'grounded_objects': (Kind.GENERATIVE, Input.IMAGE_OBJECTS),
    'grounded_uncertainty': (Kind.GENERATIVE, Input.IMAGE_OBJECTS_UNCERTAINTY),
    'grounded_words': (Kind.GENERATIVE, Input.OBJECTS),
    'mask': (Kind.MASK, Input.MASK),
}


@pytest.mark.heavy
@pytest.mark.timeout(240)
def test_the_configuration_that_shows_asks_scores_every_ask(tmp_path):
    scenes = tmp_path / 'streets'
    for arguments in (
        ['scenes', str(scenes), '--frames', '2', '--split', 'test', '--seed', '5'],
        ['run', 'grounded', f'replay.dataset={scenes}', 'replay.conditions=[clean,"occlusion:3"]']
        + ['--out', str(tmp_path), '--name', 'run'],
    ):
        done = subprocess.run(
            [sys.executable, '-m', 'vlm_misalign_ros.app.cli', *arguments],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    frames = list(read_frames(tmp_path / 'run' / RECORDS))
    assert len(frames) == 4
    for frame in frames:
        assert {name: entry.status for name, entry in frame.models.items()} == dict.fromkeys(
            SHOWN, Status.SCORED
        )
        answers = {name: entry.answer for name, entry in frame.models.items()}
        assert {name: (a.kind, a.input) for name, a in answers.items()} == SHOWN
        # Five paraphrases beside each ask; the mask is asked nothing.
        asked = {name: len(answer.paraphrases) for name, answer in answers.items()}
        assert asked == {**dict.fromkeys(SHOWN, 5), 'mask': 0}
        # Told of the same mask, so of the same classes, whatever is shown beside it.
        told = {tuple(answers[f'grounded_{ask}'].prompted) for ask in ('objects', 'words')}
        assert len(told) == 1 and told != {()}
        assert not answers['grounded_plain'].prompted
