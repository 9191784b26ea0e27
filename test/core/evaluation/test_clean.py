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


"""Frames without ground truth whose models were asked about both pictures, to their verdict."""

import dataclasses
import json

import numpy as np
import pytest

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.errors import FrameError
from vlm_misalign_ros.core.evaluation.clean import (
    ANOTHER,
    NEVER_CAME,
    OTHER_SIZE,
    against_clean,
    describe_clean,
)
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.metrics.confusion import from_cells, miou
from vlm_misalign_ros.core.records.ending import Ending, write_ending
from vlm_misalign_ros.core.records.schema import Closing, FrameRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.verdict import Status as Verdict
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.types import (
    AgainstClean,
    Applied,
    Condition,
    Confidence,
    Description,
    Failed,
    Kind,
    Mention,
    Segmented,
)

SECOND = 1_000_000_000
MASK = np.zeros((32, 64), np.uint8)
OWN, OTHER = '64x32:00000001', '64x32:00000002'
DARK = Applied(Condition('low_light', 3), 1, image='64x32:000000ff', source=OWN)


def said(*names, image='', clean=None):
    mentions = dict.fromkeys(names, Mention.ASSERTED)
    return Description('m', Kind.GENERATIVE, 'x', mentions=mentions, image=image, clean=clean)


def asked(*names, clean=OWN):
    return said(*names, image=DARK.image, clean=said('car', image=clean))


class Run:
    """A session of one model without ground truth, written into a folder."""

    def __init__(self, folder, **chosen):
        self.folder = folder
        self.parameters = MonitorParameters(
            models=('m',),
            source=False,
            lockstep=False,
            truth=False,
            segmentation=False,
            pictures=0,
            deadline=1.0,
            run_folder=str(folder),
            **chosen,
        )
        self.session = Session(self.parameters, log=lambda text: None)

    def frame(self, number, answer):
        parts = {'condition': DARK, 'vlm:m': answer}
        closed = []
        for name, part in parts.items():
            closed += self.session.add(number * SECOND, name, part, 0.0)
        return [frame.record for frame in closed]

    def verdict(self):
        self.session.end(now=0.0)
        self.session.close()
        settings = dataclasses.asdict(self.parameters)
        write_json(self.folder / 'manifest.json', {'configuration': {'monitor': settings}})
        write_ending(self.folder, Ending(None))
        return finalise(self.folder)


def test_a_frame_without_truth_is_complete_with_its_answer(tmp_path):
    run = Run(tmp_path)
    (record,) = run.frame(1, asked('bus'))
    run.session.close()
    assert (record.closed, record.missing, record.truth) == (Closing.COMPLETE, [], None)
    entry = record.models['m']
    assert entry.status is Status.UNMATCHED and entry.score is None
    assert entry.answer.clean.mentions == {'car': Mention.ASSERTED}
    (kept,) = [one for one in read_records(tmp_path / RECORDS) if isinstance(one, FrameRecord)]
    assert kept == record


def test_the_clean_picture_of_another_frame_is_not_compared(tmp_path):
    run = Run(tmp_path)
    (record,) = run.frame(1, asked('bus', clean=OTHER))
    run.session.close()
    assert record.models['m'].answer.clean.error == ANOTHER
    assert record.models['m'].answer.mentions == {'bus': Mention.ASSERTED}


def test_self_consistency_alone_is_complete_and_never_passes(tmp_path):
    run = Run(tmp_path)
    for number in (1, 2):
        run.frame(number, asked('bus'))
    verdict = run.verdict()
    assert verdict.status is Verdict.COMPLETE
    assert 'self-consistency of m' in [check.name for check in verdict.checks]
    assert not any('coverage' in check.name for check in verdict.checks)
    told = json.loads((tmp_path / 'self_consistency.json').read_text(encoding='utf-8'))
    found = told['models']['m']['conditions']['low_light:3']
    assert (found['compared'], found['self_consistency']['value']) == (2, 0)
    plain = json.loads((tmp_path / 'verdict.json').read_text(encoding='utf-8'))
    assert plain['rules']['truth'] is False


@pytest.mark.parametrize('limit', ['critical_omission_rate < 1', 'hallucination_rate.high < 1'])
def test_no_limit_is_kept_without_truth(tmp_path, limit):
    run = Run(tmp_path, limits=(limit,))
    for number in range(1, 41):
        run.frame(number, asked('car'))
    verdict = run.verdict()
    assert verdict.status is Verdict.INVALID
    assert not any(check.status is Verdict.PASS and check.found for check in verdict.checks)


@pytest.mark.parametrize(
    'answer', [said('bus'), asked('bus', clean=OTHER), said('bus', clean=Failed('out of memory'))]
)
def test_a_run_of_which_nothing_was_compared_is_invalid(tmp_path, answer):
    run = Run(tmp_path)
    run.frame(1, answer)
    assert run.verdict().status is Verdict.INVALID


class Answering:
    """An ask that says what it was shown; or fails."""

    def __init__(self, error=None):
        self.error, self.asked = error, []

    def answer(self, shown, paraphrased=True):
        self.asked.append((len(shown.pictures), paraphrased))
        if self.error is not None:
            raise self.error
        return said('car')


def test_the_clean_answer_is_of_the_last_picture_and_without_paraphrases():
    asker, pictures = Answering(), [np.full((4, 4, 3), n, np.uint8) for n in (1, 2)]
    found = describe_clean(asker, pictures)
    assert found.image == checksum(pictures[1]) and asker.asked == [(2, False)]


def test_whatever_goes_wrong_costs_the_comparison_alone():
    assert describe_clean(Answering(), None) == Failed(NEVER_CAME)
    asker = Answering(FrameError('out of memory'))
    assert describe_clean(asker, [MASK]) == Failed('out of memory')


def test_masks_are_compared_pixel_by_pixel():
    clean, degraded = MASK.copy(), MASK.copy()
    clean[:8] = 255
    degraded[8:12] = 13
    found = against_clean(Segmented(degraded, 0, 1), Segmented(clean, 0, 1), MASK)
    # 24 rows are road in the clean mask, 4 of them cars in the other; 8 void rows do not count.
    assert found == AgainstClean(((0, 0, 20 * 64), (0, 13, 4 * 64)), checksum(MASK))
    assert miou(from_cells(found.cells)) == pytest.approx((20 / 24 + 0) / 2)


def test_masks_of_two_sizes_are_not_compared():
    found = against_clean(Segmented(MASK, 0, 1), Segmented(MASK[1:], 0, 1), MASK)
    assert found.error == OTHER_SIZE and not found.cells


def test_a_mask_against_that_of_another_clean_picture_is_not_compared(tmp_path):
    run = Run(tmp_path)
    session = Session(
        dataclasses.replace(run.parameters, segmentation=True, run_folder=''),
        log=lambda text: None,
    )
    run.session.close()
    told = Confidence(0.5, 0.5, DARK.image, against_clean=AgainstClean(((0, 0, 5),), OTHER))
    parts = {'condition': DARK, 'vlm:m': asked('car'), 'confidence': told, 'segmentation': MASK}
    closed = []
    for name, part in parts.items():
        closed += session.add(SECOND, name, part, 0.0)
    session.close()
    assert closed[0].record.segmentation.confidence.clean.error == ANOTHER
