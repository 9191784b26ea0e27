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


"""A bag of a camera alone: its models are held against themselves, or it is refused."""

from dataclasses import replace

import numpy as np
import pytest

from golden.replaying import _STORE, image_message, values_message
from vlm_misalign_ros.bags.analyse import analyse
from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.files import read_json
from vlm_misalign_ros.core.report.verdict import Status
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
from vlm_misalign_ros.core.types import (
    AgainstClean,
    Applied,
    Condition,
    Confidence,
    Description,
    Judgement,
    Kind,
    Mention,
)
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec

SECOND = 1_000_000_000
MASK = np.zeros((32, 64), np.uint8)
SOURCE, IMAGE = '64x32:00000001', '64x32:00000002'
CHOSEN = EvaluationParameters(models=('m',), source=False, pictures=0, truth=False)


def said(judgement, *names, image=IMAGE, clean=None):
    mentions = dict.fromkeys(names, Mention.ASSERTED)
    return Description(
        'm', Kind.CONTRASTIVE, '', mentions, judgement=judgement, image=image, clean=clean
    )


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    """Return a bag of three frames: alike, flipped to SAFE with a bus more, never asked."""
    folder = tmp_path_factory.mktemp('recorded') / 'bag'
    writer = BagWriter(folder)
    told = 'diagnostic_msgs/msg/DiagnosticArray'
    names = (
        topics.DEGRADED_CONDITION,
        topics.SEGMENTATION_CONFIDENCE,
        topics.vlm_description('m'),
    )
    for name in names:
        writer.add_topic('/' + name, told)
    writer.add_topic('/' + topics.SEGMENTATION_LABELS, 'sensor_msgs/msg/Image')
    clean = said(Judgement.UNSAFE, 'car', image=SOURCE)
    answers = (
        said(Judgement.UNSAFE, 'car', clean=clean),
        said(Judgement.SAFE, 'car', 'bus', clean=clean),
        said(Judgement.SAFE, 'train'),
    )
    against = AgainstClean(((0, 0, 3), (0, 13, 1)), SOURCE)
    sure = Confidence(0.5, 0.5, IMAGE, checksum(MASK), against_clean=against)
    for number, answer in enumerate(answers, 1):
        stamp = number * 20 * SECOND
        applied = Applied(Condition('low_light', 2), 1, image=IMAGE, source=SOURCE)
        sent = {
            topics.DEGRADED_CONDITION: values_message(codec.applied_to_values(applied), stamp),
            topics.SEGMENTATION_CONFIDENCE: values_message(
                codec.confidence_to_values(sure), stamp
            ),
            topics.SEGMENTATION_LABELS: image_message(MASK, stamp, 'mono8'),
            topics.vlm_description('m'): values_message(
                codec.description_to_values(answer), stamp
            ),
        }
        for name, message in sent.items():
            data = bytes(_STORE.serialize_cdr(message, message.__msgtype__))
            writer.write('/' + name, data, stamp)
    writer.close()
    return folder


def test_models_are_held_against_themselves(bag, tmp_path):
    verdict = analyse(bag, tmp_path / 'out', replace(CHOSEN, minimum_coverage=0.6))
    assert verdict.status is Status.COMPLETE
    found = read_json(tmp_path / 'out' / 'self_consistency.json', '')
    entry = found['models']['m']['conditions']['low_light:2']
    # car twice alike, bus once more; two of three frames asked; one UNSAFE of two became SAFE.
    assert (entry['asked'], entry['compared']) == (2, 2)
    assert entry['self_consistency']['value'] == pytest.approx(2 / 3)
    assert entry['self_added']['value'] == pytest.approx(1 / 3)
    assert entry['self_dropped']['value'] == 0
    assert entry['self_flip_to_safe']['value'] == 0.5
    # Road 3 of 4; car 0 of 1.
    masks = found['segmentation']['conditions']['low_light:2']
    assert masks['compared'] == 3 and masks['self_miou']['value'] == pytest.approx(3 / 8)


def test_too_few_compared_is_invalid(bag, tmp_path):
    verdict = analyse(bag, tmp_path / 'out', replace(CHOSEN, minimum_coverage=0.7))
    assert verdict.status is Status.INVALID
    assert [check.name for check in verdict.wrong] == ['self-consistency of m']


def test_a_limit_is_not_kept_by_it(bag, tmp_path):
    verdict = analyse(bag, tmp_path / 'out', CHOSEN, limits=['hallucination_rate < 1'])
    assert verdict.status is Status.INVALID


def test_truth_that_was_expected_is_missed_with_the_remedy(bag, tmp_path):
    with pytest.raises(RecordError, match=r'ground_truth/labels') as raised:
        analyse(bag, tmp_path / 'out', replace(CHOSEN, truth=True))
    assert 'monitor.truth=false' in raised.value.remedy
