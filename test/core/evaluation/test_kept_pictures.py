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

"""The worst frames as a run keeps them: picture, mask and outlines, also in shards."""

import cv2
import numpy as np

from maps import put, street
from vlm_misalign_ros.core.evaluation.assembling import assemble
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.labels.classes import CLASSES, to_train_ids
from vlm_misalign_ros.core.records.pictures import MASK, TRUTH, Pictures
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.truth import outlines
from vlm_misalign_ros.core.types import Applied, Condition, Description, Kind, Mention

SECOND = 1_000_000_000
LABELS, INSTANCES = street(512, 256)
put(LABELS, INSTANCES, 'car', 1, 130, 230, 60, 60)
MASK_IDS = to_train_ids(LABELS)
GREY = np.full((256, 512, 3), 90, np.uint8)


def said(*names):
    return Description('m', Kind.GENERATIVE, 'x', dict.fromkeys(names, Mention.ASSERTED))


WRONG, RIGHT = said('car', 'bus'), said('car')
WORSE = said('bus', 'train')


def session(folder, keep=2):
    chosen = MonitorParameters(
        models=('m',),
        source=False,
        instances=True,
        confidence=False,
        segmentation_classes=CLASSES,
        pictures=keep,
        run_folder=str(folder),
        deadline=1e9,
    )
    return Session(chosen, log=lambda text: None)


def run(folder, frames, keep=2):
    """Have frames, (second, answer), go through a session into a run folder."""
    going = session(folder, keep)
    for second, answer in frames:
        for part, value in (
            ('condition', Applied(Condition('low_light', 1), 1)),
            ('labels', LABELS),
            ('instances', INSTANCES),
            ('image', GREY),
            ('segmentation', MASK_IDS),
            ('vlm:m', answer),
        ):
            going.add(second * SECOND, part, value, 0.0)
    going.end(1.0)
    return Pictures(folder / 'pictures')


def seconds(kept):
    return sorted(stamp // SECOND for stamp in kept.stamps())


def test_picture_mask_and_outlines_of_the_worst_frames_are_kept(tmp_path):
    kept = run(tmp_path, [(5, RIGHT), (15, WRONG)])
    assert seconds(kept) == [15]
    assert np.array_equal(cv2.imread(str(kept.path(15 * SECOND, MASK)), -1), MASK_IDS)
    found = outlines.decode(kept.path(15 * SECOND, TRUTH).read_bytes())
    assert [(thing.name, thing.required) for thing in found.things] == [('car', True)]


def test_of_ten_seconds_of_a_drive_one_frame_is_kept_the_worst(tmp_path):
    frames = [(12, WRONG), (13, WORSE), (14, WRONG), (25, WRONG), (35, WRONG), (36, WRONG)]
    # Made up: 13 (two) and 25, the first of two alike; left out: 13 alone.
    assert seconds(run(tmp_path, frames)) == [13, 25]


def test_shards_keep_what_one_process_would_have_kept(tmp_path):
    frames = [(12, WRONG), (25, WORSE), (35, WRONG), (45, WORSE), (55, WRONG)]
    whole = seconds(run(tmp_path / 'whole', frames))
    shards = []
    for number, part in enumerate((frames[3:], frames[:2], frames[2:3])):
        run(tmp_path / str(number), part)
        shards.append(tmp_path / str(number))
    (tmp_path / 'joined').mkdir()
    assert assemble(tmp_path / 'joined', shards, 2) == 5
    joined = Pictures(tmp_path / 'joined' / 'pictures')
    assert seconds(joined) == whole == [25, 45]
    assert all(joined.has(second * SECOND, TRUTH) for second in whole)
