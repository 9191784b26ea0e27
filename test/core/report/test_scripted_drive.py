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

"""A scripted drive, from its text to the tables of time: what was worked out by hand is found."""

import json

import numpy as np
import pandas as pd
import pytest
from scripted import BY_HAND, FRAMES, RATE, during, holds_what_is_by_hand, write_scenario

from maps import ID, plain
from vlm_misalign_ros.core.corruptions import degrade
from vlm_misalign_ros.core.corruptions.scenario import Playing, load_scenario
from vlm_misalign_ros.core.evaluation.replaying import played
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.types import (
    Condition,
    Description,
    Judgement,
    Kind,
    Mention,
    Protocol,
    Source,
)

BEGIN = 5 * 10**9


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Play the script through degradation, join, evaluation and report; return the run folder."""
    folder = tmp_path_factory.mktemp('scripted')
    playing = Playing(load_scenario(write_scenario(folder / 'scenario.yaml')))
    session = Session(
        MonitorParameters(
            models=('m',),
            instances=False,
            segmentation=False,
            pictures=0,
            patience=100,
            run_folder=str(folder),
        ),
        name='scripted',
    )
    picture = np.random.default_rng(0).integers(0, 255, (32, 64, 3), np.uint8)
    clear = plain()
    blocked = clear.copy()
    blocked[18:26, 28:36] = ID['person']
    for tenth in range(FRAMES):
        stamp = BEGIN + tenth * 10**9 // RATE
        key = f'drive_000000_{tenth:06d}'
        source = Source(
            'd', 'drive_000000', key, tenth, FRAMES, 0, Condition(), protocol=Protocol.LABELLED
        )
        source = played(source, stamp, playing)
        labels = blocked if during('hazard', tenth) else clear
        (said,) = during('says', tenth)
        session.add(stamp, 'source', (source, None), 0.0)
        done = degrade(picture, source.condition, 0, source.draw)
        session.add(stamp, 'condition', done.applied, 0.0)
        session.add(stamp, 'labels', labels, 0.0)
        if said != 'nothing':
            mentions = dict.fromkeys(during('names', tenth), Mention.ASSERTED)
            answer = Description('m', Kind.GENERATIVE, 'x', mentions, judgement=Judgement(said))
            session.add(stamp, 'vlm:m', answer, 0.0)
        else:
            session.expire(100.0)
    session.end(200.0)
    finalise(folder)
    return folder


@pytest.fixture(scope='module')
def figures(run):
    return json.loads((run / 'temporal.json').read_text())['models']['m']['conditions']['all']


def test_every_frame_meets_what_the_script_says(run):
    table = pd.read_parquet(run / 'records.parquet')
    meets = [during('meets', tenth)[0].replace(' ', '') for tenth in range(FRAMES)]
    composed = table.corruption.str.contains('+', regex=False)
    assert table.corruption.where(composed, 'clean').tolist() == meets
    assert (table.hazard == 'HAZARD').tolist() == [
        bool(during('hazard', tenth)) for tenth in range(FRAMES)
    ]


@pytest.mark.parametrize('figure', BY_HAND)
def test_the_tool_finds_what_was_worked_out_by_hand(figures, figure):
    holds_what_is_by_hand(figures, figure)


def test_one_drive_tells_nothing_of_others(figures):
    # Fourteen seconds are two scenes, of ten and of four: far too few.
    assert figures['judgement_flicker']['scenes'] == 2
    assert figures['recovery_judgement']['low'] is None


def test_report_and_records_say_what_was_played(run):
    temporal = json.loads((run / 'temporal.json').read_text())
    assert temporal['protocols'] == {'labelled sequence': 140}
    page = (run / 'report.html').read_text()
    assert '140 labelled sequence' in page and 'low_light:2+motion_blur:1' in page
