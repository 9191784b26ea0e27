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

"""Runs in one process of a model made by hand: what they tell, and which frames they take."""

import dataclasses
import io

import pytest

from vlm_misalign_ros.app.in_process import LOG, InProcess
from vlm_misalign_ros.core.evaluation.engine import Models
from vlm_misalign_ros.core.evaluation.guarding import SAID
from vlm_misalign_ros.core.evaluation.lanes import open_lanes
from vlm_misalign_ros.core.evaluation.replaying import open_replayed
from vlm_misalign_ros.core.models.answering import CheckedVlm
from vlm_misalign_ros.core.records.ending import read_ending
from vlm_misalign_ros.core.records.store import RECORDS, read_frames
from vlm_misalign_ros.core.settings.configuration import parse
from vlm_misalign_ros.core.types import Description, Judgement, Kind, Mention


@dataclasses.dataclass
class Model:
    """Says the same of every frame, or fails with what it is told."""

    error: Exception | None = None
    kind = Kind.CONTRASTIVE

    def describe(self, query):
        if self.error is not None:
            raise self.error
        car = {'car': Mention.ASSERTED}
        return Description('x', self.kind, '', car, {}, {'car': 0.9}, Judgement.UNSAFE, 0.1)


@pytest.fixture
def running(scenes, tmp_path, monkeypatch):
    """Return a function that runs a model over six frames: what the terminal had, and a run."""
    (tmp_path / 'log').mkdir()

    def run(model, **changes):
        chosen = parse(
            {
                'replay': {
                    'dataset': str(scenes),
                    'conditions': ['clean', 'low_light:2'],
                    'limit': 3,
                },
                'vlms': {'a': {'model': 'miniature:clip'}},
                'monitor': {'pictures': 0, **changes},
            }
        )
        (vlm,) = chosen.vlms
        models = Models(None, ((vlm, open_lanes(CheckedVlm('by hand', model), vlm)),))
        monkeypatch.setattr(Models, 'load', lambda configuration: models)
        shown, process = io.StringIO(), InProcess(chosen, tmp_path, 6)
        process.run(shown)
        return shown.getvalue(), process

    return run


def test_words_of_a_failing_model_are_clean_and_bounded(running, tmp_path):
    error = ValueError('\x1b[2J\x1b]0;mine\x07 \udc80\nsecond line ' + 'x' * 100_000)
    shown, process = running(Model(error))
    assert process.failure is None and len(list(read_frames(tmp_path / RECORDS))) == 6
    for text in (shown, (tmp_path / LOG).read_text(encoding='utf-8')):
        assert '[2J' in text and '\x1b' not in text and '\x07' not in text
        assert not any(line.startswith('second') for line in text.splitlines())
        assert max(map(len, text.splitlines())) <= SAID + 100


def test_so_many_frames_are_those_with_which_the_graph_begins(running, tmp_path):
    running(Model(), frames=4)
    assert [record.index for record in read_frames(tmp_path / RECORDS)] == [0, 1, 2, 3]
    ending = read_ending(tmp_path)
    assert ending.expected_frames == 4 and not ending.interrupted


def test_the_data_set_is_opened_once(running, tmp_path, monkeypatch):
    opened = []

    def opening(replay):
        opened.append(replay.dataset)
        return open_replayed(replay)

    monkeypatch.setattr('vlm_misalign_ros.app.in_process.open_replayed', opening)
    running(Model())
    assert len(opened) == 1 and len(list(read_frames(tmp_path / RECORDS))) == 6
