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

"""Frames whose ground truth proves nothing: counted, named, never scored, never PASS."""

import numpy as np
import pytest
import recoded

from golden import replaying
from maps import put, street
from vlm_misalign_ros.bags.analyse import analyse
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.evaluation.evaluator import Evaluator
from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.labels.fitting import candidates
from vlm_misalign_ros.core.labels.maps import read_labels
from vlm_misalign_ros.core.records.schema import Closing, FrameRecord, Status, decode, encode
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.report.labels_evidence import LabelsEvidence
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters, MonitorParameters
from vlm_misalign_ros.core.truth.trust import WRONG, Fault
from vlm_misalign_ros.core.types import Applied, Condition, Description, Kind, Mention, Source
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.channels import CHANNELS, Context

LABELS = next(entry for entry in CHANNELS if entry.topic == topics.TRUTH_LABELS)
SECOND = 1_000_000_000
ANSWER = Description('m', Kind.GENERATIVE, 'A car.', {'car': Mention.ASSERTED})
PLAIN = {
    'models': ('m', 'silent'),
    'source': False,
    'instances': False,
    'confidence': False,
    'segmentation_classes': CLASSES,
}


def parts_of(labels, **more):
    return {
        'condition': Applied(Condition(), 1),
        'labels': labels,
        'segmentation': np.zeros((64, 128), np.uint8),
        'vlm:m': ANSWER,
        **more,
    }


def evaluated(labels, chosen=None, **more):
    evaluator = Evaluator(EvaluationParameters(**{**PLAIN, **(chosen or {})}))
    joined = Joined(SECOND, parts_of(labels, **more), (), Closing.COMPLETE)
    return evaluator.evaluate(joined)


def statuses(record):
    return {*(entry.status for entry in record.models.values()), record.segmentation.status}


def spoilt(share):
    labels, _ = street(128, 64)
    labels[: round(64 * share)] = 0
    return labels


def test_a_frame_of_black_labels_is_scored_for_nobody():
    found = evaluated(np.zeros((64, 128), np.uint8))
    record = found.record
    assert statuses(record) == {Status.UNSCORABLE}
    assert (found.counts, found.confusion, record.truth) == ({}, None, None)
    assert record.models['m'].answer is not None and record.models['m'].score is None
    assert (record.labels.fault, record.labels.unlabelled) == (Fault.UNLABELLED, 1.0)
    assert decode(encode(record), 'the record') == record


@pytest.mark.parametrize(
    'share, chosen, expected',
    [
        (0.19, {}, True),
        (0.22, {}, False),
        (0.22, {'unlabelled_share': 0.25}, True),
        (0.0, {'unlabelled_share': 0.0}, True),
        (0.05, {'unlabelled_share': 0.0}, False),
    ],
)
def test_the_share_is_a_parameter(share, chosen, expected):
    record = evaluated(spoilt(share), chosen).record
    assert (record.models['m'].status is Status.SCORED) == expected
    assert record.labels.unlabelled == pytest.approx(round(64 * share) / 64, abs=1e-6)


def test_the_share_is_that_before_an_occluder_and_a_crop():
    """Covered pixels are not unlabelled, and a view of the labelled part rescues nothing."""
    covered = np.full((64, 128), 255, np.uint8)
    dirt = Applied(Condition('occlusion', 5), 1, covers=True)
    record = evaluated(spoilt(0), condition=dirt, occluder=covered).record
    assert record.models['m'].status is Status.SCORED
    lower = Description('m', Kind.GENERATIVE, '', view=(0.0, 0.5, 1.0, 1.0))
    record = evaluated(spoilt(0.5), **{'vlm:m': lower}).record
    assert record.models['m'].status is Status.UNSCORABLE


def test_a_source_that_does_not_tell_the_hood_has_the_other_limit():
    labels = spoilt(0.25)
    for tells, expected in ((True, Status.UNSCORABLE), (False, Status.SCORED)):
        source = Source('d', 's', 'k', 0, 1, 0, Condition(), tells_hood=tells)
        record = evaluated(labels, source=(source, None)).record
        assert record.models['m'].status is expected


def test_values_outside_the_table_are_in_the_record():
    labels, _ = street(128, 64)
    labels[:20] = 137
    record = evaluated(read_labels(open_encoding('cityscapes_label_ids'), labels)).record
    assert record.labels.outside == {'137': 20 * 128}
    assert record.labels.fault is Fault.OUTSIDE
    assert 'value 137 (31 %)' in record.problem


def test_frames_without_labels_stay_unmatched():
    parts = parts_of(None)
    del parts['labels']
    evaluator = Evaluator(EvaluationParameters(**PLAIN))
    record = evaluator.evaluate(Joined(SECOND, parts, ('labels',), Closing.DEADLINE)).record
    assert statuses(record) == {Status.UNMATCHED} and record.labels is None


@pytest.mark.parametrize(
    'more, words',
    [
        ({'instances': np.zeros((32, 64), np.uint16)}, 'instances 64 x 32 do not fit labels'),
        ({'depth': np.ones((3, 3), np.uint16)}, 'depth 3 x 3 do not fit labels 128 x 64'),
        ({'image': np.zeros((64, 64, 3), np.uint8)}, 'do not fit the picture 64 x 64'),
        ({'image': np.zeros((2048, 4096, 3), np.uint8)}, 'do not fit the picture 4096 x 2048'),
    ],
)
def test_maps_that_do_not_go_together_are_unscorable(more, words):
    record = evaluated(street(128, 64)[0], **more).record
    assert statuses(record) == {Status.UNSCORABLE}
    assert record.labels.fault is Fault.SIZE and words in record.problem


def test_a_picture_of_another_size_and_the_same_proportions_fits():
    picture = np.zeros((128, 256, 3), np.uint8)
    assert evaluated(street(128, 64)[0], image=picture).record.problem is None


def test_depth_that_says_nothing_is_not_used_and_said():
    labels, instances = street(128, 64)
    put(labels, instances, 'car', 1, 40, 54, 12, 20)
    flat = evaluated(labels, instances=instances).record
    found = evaluated(labels, instances=instances, depth=np.zeros((64, 128), np.uint16)).record
    assert found.truth == flat.truth
    assert found.problem == 'depth is 0 throughout and was not used'
    assert found.models['m'].status is Status.SCORED


def test_an_instance_map_of_other_things_is_unscorable():
    labels, instances = street(128, 64)
    put(labels, instances, 'car', 1, 40, 54, 12, 20)
    instances[instances == 26001] = 24001
    record = evaluated(labels, instances=instances).record
    assert record.labels.fault is Fault.INSTANCES
    assert 'car where it has person' in record.problem


# A session -----------------------------------------------------------------------------------


def session(tmp_path=None, **chosen):
    log = []
    parameters = MonitorParameters(
        models=('m',),
        source=False,
        instances=False,
        segmentation=False,
        pictures=0,
        lockstep=False,
        run_folder='' if tmp_path is None else str(tmp_path),
        **chosen,
    )
    return Session(parameters, log=log.append), log


def feed(run, stamp, labels):
    run.add(stamp, 'condition', Applied(Condition(), 1), 0.0)
    run.add(stamp, 'labels', labels, 0.0)
    return run.add(stamp, 'vlm:m', ANSWER, 0.0)[0]


def test_a_session_counts_them_in_their_own_state_and_in_no_rate(tmp_path):
    run, log = session(tmp_path)
    good, _ = street(128, 64)
    for number in range(6):
        closed = feed(run, (number + 1) * SECOND, good if number == 0 else np.zeros_like(good))
    assert run.accounting['m'] == {'scored': 1, 'unscorable': 5}
    assert closed.metrics['rolling: m']['unscorable'] == '5'
    # Of the one scored frame: a car where there is none.
    for span in ('rolling', 'total'):
        rates = closed.metrics[f'{span}: m']
        assert rates['hallucination_rate/denominator'] == '1'
    run.end(0.0)
    assert run.coverage('m') == pytest.approx(1 / 6)
    assert list(read_records(tmp_path / RECORDS))[-1].parts['m'] == {'scored': 1, 'unscorable': 5}


def test_the_log_says_it_once_with_the_remedy():
    run, log = session()
    black = np.zeros((64, 128), np.uint8)
    tags = read_labels(open_encoding('cityscapes_label_ids'), np.full_like(black, 77))
    for number, labels in enumerate((black, black, tags, tags, black)):
        feed(run, (number + 1) * SECOND, labels)
    assert len(log) == 2 and log == run.notes
    assert 'unscorable (unlabelled)' in log[0] and 'use data that are labelled' in log[0]
    assert 'value 77 (100 %)' in log[1] and 'set monitor.label_encoding' in log[1]


def test_what_auto_decided_is_said_once(scenes):
    run, log = session(label_encoding='auto')
    auto = open_encoding('auto')
    for number, frame in enumerate(open_dataset(scenes)):
        labels = read_labels(auto, recoded.tags(frame.labels, old=True))
        record = feed(run, (number + 1) * SECOND, labels).record
        assert record.labels.encoding == 'carla_tags_0_9_13'
    assert log == ['label_encoding auto: the labels are carla_tags_0_9_13']


# Whole runs from bags ------------------------------------------------------------------------

SENDERS = {
    'black': lambda labels: (np.zeros_like(labels), 'mono8'),
    'tags': lambda labels: (recoded.tags(labels), 'mono8'),
    'old tags': lambda labels: (recoded.tags(labels, old=True), 'mono8'),
    'train ids': lambda labels: (recoded.train_ids(labels), 'mono8'),
    'palette': lambda labels: (recoded.palette(recoded.tags(labels)), 'rgb8'),
    'old palette': lambda labels: (
        np.dstack(
            [
                recoded.palette(recoded.tags(labels, old=True), old=True)[:, :, ::-1],
                np.full_like(labels, 255),
            ]
        ),
        'bgra8',
    ),
    'red tags': lambda labels: (
        np.dstack([recoded.tags(labels), np.zeros_like(labels), np.zeros_like(labels)]),
        'rgb8',
    ),
}
NO_ROOM = ('cityscapes_colors', 'carla_palette', 'carla_palette_0_9_13')
"""Encodings that have no map of one channel at all."""
RIGHT = {
    'tags': 'carla_tags',
    'old tags': 'carla_tags_0_9_13',
    'train ids': 'cityscapes_train_ids',
    'palette': 'carla_palette',
    'old palette': 'carla_palette_0_9_13',
    'red tags': 'carla_tags',
}


def sent(sender, labels):
    """Return the message that a sender makes of labels."""
    pixels, encoding = SENDERS[sender](labels)
    return replaying.image_message(np.ascontiguousarray(pixels), SECOND, encoding)


@pytest.mark.parametrize('read_as', [entry.name for entry in candidates()])
@pytest.mark.parametrize('sender', SENDERS)
def test_truth_that_is_read_wrongly_is_never_scored(scenes, sender, read_as):
    """Colours apart: the palettes of CARLA and Cityscapes give a class one colour."""
    context = Context(open_encoding(read_as), 1.22, 0.038)
    right = RIGHT.get(sender)
    for frame in open_dataset(scenes):
        found = LABELS.read(sent(sender, frame.labels), context)
        record = evaluated(found, segmentation=np.zeros(frame.labels.shape, np.uint8)).record
        if read_as == right:
            assert statuses(record) == {Status.SCORED, Status.MISSING}, record.problem
        elif not (right and 'palette' in right and read_as.endswith(('colors', '0_9_13', 'e'))):
            assert statuses(record) == {Status.UNSCORABLE}
            assert (record.labels.fault in WRONG) == (sender != 'black' or read_as in NO_ROOM)


def bag_of(tmp_path, monkeypatch, sender):
    """Write the golden live run with its labels as another source would send them."""
    real_message, real_parts = replaying.image_message, replaying.frame_parts
    came = []

    def message(pixels, stamp, encoding):
        if came and pixels is came[-1]:
            pixels, encoding = SENDERS[sender](pixels)
        return real_message(np.ascontiguousarray(pixels), stamp, encoding)

    def frame_parts(*arguments):
        found = real_parts(*arguments)
        came.append(found['labels'])
        return found

    monkeypatch.setattr(replaying, 'image_message', message)
    monkeypatch.setattr(replaying, 'frame_parts', frame_parts)
    return replaying.write_bag(tmp_path / 'bag', live=True)


def judged(bag, folder, encoding):
    chosen = EvaluationParameters(
        label_encoding=encoding, instances=False, minimum_coverage=0.5, pictures=0
    )
    verdict = analyse(bag, folder, chosen)
    frames = [r for r in read_records(folder / RECORDS) if isinstance(r, FrameRecord)]
    return verdict, frames


def test_a_run_whose_truth_is_read_wrongly_is_invalid_for_its_data(tmp_path, monkeypatch):
    """Every value is in both tables; before, everything was ABSENT, CLEAR and PASS."""
    verdict, frames = judged(
        bag_of(tmp_path, monkeypatch, 'old tags'), tmp_path / 'run', 'carla_tags'
    )
    assert set().union(*map(statuses, frames)) == {Status.UNSCORABLE}
    assert verdict.status.value == 'INVALID' and verdict.exit_code == 3
    (check,) = [check for check in verdict.checks if check.name == 'ground truth']
    assert f'{len(frames)} of {len(frames)} frames unscorable: ground truth' in check.message
    assert 'the labels fit carla_tags_0_9_13' in check.message and check.data


def test_auto_reads_a_bag_as_the_right_encoding_does(tmp_path, monkeypatch):
    bag = bag_of(tmp_path, monkeypatch, 'old tags')
    _, by_name = judged(bag, tmp_path / 'named', 'carla_tags_0_9_13')
    verdict, by_auto = judged(bag, tmp_path / 'auto', 'auto')
    assert by_auto == by_name and {frame.labels.encoding for frame in by_auto} == {
        'carla_tags_0_9_13'
    }
    assert set().union(*map(statuses, by_auto)) == {Status.SCORED}
    assert 'ground truth' not in {check.name for check in verdict.checks}


def test_a_street_upside_down_is_scored_and_said_to_be_in_doubt(scenes):
    """No other encoding fits it, either: record and verdict tell, nothing is refused."""
    tagged = recoded.tags(open_dataset(scenes).read(0).labels)[::-1].copy()
    upright = evaluated(read_labels(open_encoding('carla_tags'), tagged[::-1].copy())).record
    record = evaluated(read_labels(open_encoding('carla_tags'), tagged)).record
    assert record.models['m'].status is Status.SCORED and record.labels.fault is None
    assert 'of the road ahead would be' in record.problem or 'of what is above' in record.problem
    assert 'by carla_tags' in record.problem and 'no other encoding fits' in record.problem
    found = LabelsEvidence()
    found.add(upright)
    assert upright.problem is None and found.notes() == []
    found.add(record)
    assert found.notes() == [f'1 frame was scored in doubt: {record.problem}']
