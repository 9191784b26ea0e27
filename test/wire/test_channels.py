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

"""The tables of channels and parts: what is heard, recorded and needed, and how it is read."""

from types import SimpleNamespace

import numpy as np
import pytest
import recoded

from golden import replaying
from vlm_misalign_ros.bags.analyse import analyse
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation import parts
from vlm_misalign_ros.core.evaluation.parts import PARTS, Wanted, needs, taken
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.records.schema import AccountingRecord
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
from vlm_misalign_ros.core.types import Applied, Condition, Source
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.channels import CHANNELS, Context, Form, listened, recorded
from vlm_misalign_ros.wire.values import source_from_values, source_to_values

CONTEXT = Context(open_encoding('cityscapes_label_ids'), 1.22, 0.038)
ALL = Wanted(models=('a', 'b'), depth=True, source_image=True, recorder=True, reference=True)


def channel(topic):
    return next(entry for entry in CHANNELS if entry.topic == topic)


def image(pixels, encoding):
    pixels = np.ascontiguousarray(pixels)
    return SimpleNamespace(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=pixels.strides[0],
        is_bigendian=0,
        data=pixels.tobytes(),
    )


def test_every_topic_is_a_channel_or_only_an_output():
    constants = {name: value for name, value in vars(topics).items() if name.isupper()}
    named = {value for value in constants.values() if isinstance(value, str)}
    outputs = {
        topics.SEGMENTATION_OVERLAY,
        topics.SEGMENTATION_TABLE,
        topics.SEGMENTATION_INFO,
        topics.ANNOTATED_IMAGE,
        topics.ANNOTATED_COMPRESSED,
        topics.ANNOTATED_MARKERS,
        topics.DIAGNOSTICS,
        topics.DEGRADED_COMPRESSED,
        topics.DEGRADED_SOURCE,
        # Taken for ground_truth/labels, which the run remaps.
        topics.REFERENCE_LABELS,
        # The end of a name, and no topic.
        topics.COMPRESSED,
    }
    assert {entry.topic for entry in CHANNELS} == named - outputs | {
        topics.vlm_description('{model}')
    }


def test_every_part_has_one_channel():
    carried = [entry.part for entry in CHANNELS if entry.read is not None]
    assert sorted(carried) == sorted([*(row.name for row in PARTS), parts.vlm_part('{model}')])


def test_every_part_that_is_needed_is_listened_for():
    covered = {parts.CONDITION: Applied(Condition('occlusion', 3), 0, covers=True)}
    told = {parts.SOURCE: (Source('d', 's', 'k', 0, 1, 0, Condition(), depth=True), None)}
    for wanted in (ALL, Wanted(), Wanted(source=False, any_depth=False, instances=False)):
        for have in ({}, covered, told, {**covered, **told}):
            assert set(needs(wanted, have)) <= set(taken(wanted))
            topics_of = {entry.part for entry in listened(wanted)}
            assert set(needs(wanted, have)) <= topics_of


@pytest.mark.parametrize(
    'wanted, have, extra',
    [
        (Wanted(('m',)), {}, set()),
        (Wanted(('m',), depth=True), {}, {parts.DEPTH}),
        (Wanted(('m',), recorder=True), {}, {parts.RECORDER}),
        (
            Wanted(('m',)),
            {parts.CONDITION: Applied(Condition('mud', 2), 0, covers=True)},
            {parts.OCCLUDER},
        ),
        (
            Wanted(('m',)),
            {parts.SOURCE: (Source('d', 's', 'k', 0, 1, 0, Condition(), depth=True), None)},
            {parts.DEPTH},
        ),
    ],
)
def test_what_a_frame_needs(wanted, have, extra):
    plain = {
        parts.CONDITION,
        parts.LABELS,
        parts.SOURCE,
        parts.INSTANCES,
        parts.SEGMENTATION,
        parts.CONFIDENCE,
        parts.IMAGE,
        'vlm:m',
    }
    assert set(needs(wanted, have)) == plain | extra


def test_a_picture_that_could_not_be_degraded_needs_what_is_there_without_it():
    failed = {parts.CONDITION: Applied(Condition('mud', 2), 0, covers=True, error='too small')}
    assert set(needs(Wanted(('m',)), failed)) == {
        parts.CONDITION,
        parts.LABELS,
        parts.SOURCE,
        parts.INSTANCES,
    }


def test_without_confidence_it_is_listened_to_all_the_same():
    """It says where there will be no mask."""
    wanted = Wanted.by(EvaluationParameters(models=('m',), confidence=False))
    assert parts.CONFIDENCE not in needs(wanted, {})
    assert parts.CONFIDENCE in {entry.part for entry in listened(wanted)}


def test_what_is_turned_off_is_neither_needed_nor_listened_for():
    chosen = EvaluationParameters(
        models=('m',), source=False, instances=False, segmentation=False, pictures=0
    )
    wanted = Wanted.by(chosen)
    assert set(needs(wanted, {})) == {parts.CONDITION, parts.LABELS, 'vlm:m'}
    assert {entry.part for entry in listened(wanted)} == {
        parts.CONDITION,
        parts.LABELS,
        parts.OCCLUDER,
        parts.CAMERA,
        'vlm:m',
    }


def test_a_bag_has_what_an_evaluation_takes_and_what_the_monitor_says():
    names = {entry.topic for entry in recorded(ALL)}
    assert names == {
        entry.topic.format(model=model)
        for entry in CHANNELS
        for model in ('a', 'b')
        if entry.part != parts.RECORDER
    }
    assert topics.CAMERA_IMAGE not in {entry.topic for entry in recorded(Wanted())}


@pytest.mark.parametrize(
    'topic, good, encoding, wrong, other, words',
    [
        (topics.TRUTH_INSTANCES, np.uint16, 'mono16', np.uint8, 'mono8', 'publish mono16'),
        (topics.SEGMENTATION_LABELS, np.uint8, 'mono8', np.uint16, 'mono16', 'publish mono8'),
        (topics.DEGRADED_OCCLUDER, np.uint8, 'mono8', np.float32, '32FC1', 'publish mono8'),
        (topics.TRUTH_DEPTH, np.uint16, '16UC1', np.uint8, 'mono8', 'publish 16UC1'),
    ],
)
def test_maps_are_checked_where_they_arrive(topic, good, encoding, wrong, other, words):
    read = channel(topic).read
    assert read(image(np.ones((2, 3), good), encoding), CONTEXT).shape == (2, 3)
    with pytest.raises(RecordError, match=words):
        read(image(np.ones((2, 3), wrong), other), CONTEXT)


LABELS = np.array([[7, 26, 24], [0, 11, 23]], np.uint8)


@pytest.mark.parametrize('encoding', ['mono8', '8UC1', 'mono16', '16UC1'])
def test_labels_of_one_channel_are_read_in_eight_and_sixteen_bits(encoding):
    pixels = LABELS.astype(np.uint16) if '16' in encoding else LABELS
    found = channel(topics.TRUTH_LABELS).read(image(pixels, encoding), CONTEXT)
    assert np.array_equal(found.labels, LABELS) and not found.problem
    assert found.outside.total == 0


@pytest.mark.parametrize(
    'encoding, order',
    [
        ('rgb8', (0, 1, 2)),
        ('bgr8', (2, 1, 0)),
        ('8UC3', (2, 1, 0)),
        ('rgba8', (0, 1, 2, 3)),
        ('bgra8', (2, 1, 0, 3)),
        ('8UC4', (2, 1, 0, 3)),
    ],
)
@pytest.mark.parametrize('name', ['carla_tags', 'carla_palette', 'cityscapes_colors'])
def test_colours_are_read_in_the_order_of_the_message(encoding, order, name):
    """The tag is in the red channel wherever that is; what is in the others must not matter."""
    if name == 'carla_tags':
        rgb = np.full((*LABELS.shape, 4), 99, np.uint8)
        rgb[..., 0] = recoded.tags(LABELS)
    else:
        drawn = recoded.every(LABELS)[name]
        rgb = np.dstack([drawn, np.full(LABELS.shape, 255, np.uint8)])
    context = Context(open_encoding(name), 1.22, 0.038)
    found = channel(topics.TRUTH_LABELS).read(image(rgb[..., list(order)], encoding), context)
    assert (found.encoding, found.problem, found.outside.total) == (name, '', 0)
    assert found.labels.tolist() == LABELS.tolist()


def test_instance_ids_that_were_sent_as_labels_are_outside_the_table():
    wide = LABELS.astype(np.uint16) * 1000
    found = channel(topics.TRUTH_LABELS).read(image(wide, 'mono16'), CONTEXT)
    assert found.outside.values['26000'] == 1 and found.outside.total == 5


@pytest.mark.parametrize(
    'pixels, encoding, words',
    [
        (np.dstack([LABELS, LABELS, LABELS + 1]), 'bgr8', 'is not cityscapes_label_ids'),
        (LABELS.astype(np.float32), '32FC1', 'float32 is not cityscapes_label_ids'),
    ],
)
def test_labels_that_the_encoding_cannot_read_are_labels_all_the_same(pixels, encoding, words):
    found = channel(topics.TRUTH_LABELS).read(image(pixels, encoding), CONTEXT)
    assert words in found.problem and not found.labels.any()


def test_labels_of_a_buffer_too_small_are_no_labels():
    message = image(LABELS, 'mono8')
    message.height = 9
    with pytest.raises(RecordError, match='has 6 bytes'):
        channel(topics.TRUTH_LABELS).read(message, CONTEXT)


def test_whether_labels_tell_the_hood_travels_with_the_source():
    for tells in (True, False):
        source = Source('d', 's', 'k', 0, 1, 0, Condition(), tells_hood=tells)
        assert source_from_values(source_to_values(source))[0] == source
    older = source_to_values(source)
    del older['hood']
    assert source_from_values(older)[0].tells_hood


def test_a_picture_of_an_unknown_encoding_goes_to_the_fallback_where_there_is_one():
    read = channel(topics.DEGRADED_IMAGE).read
    message = image(np.ones((2, 3), np.uint8), '64FC3')
    with pytest.raises(RecordError, match="'64FC3' is not supported"):
        read(message, CONTEXT)
    made = np.zeros((2, 3, 3), np.uint8)
    with_bridge = Context(CONTEXT.encoding, 1.22, 0.038, lambda given: made)
    assert read(message, with_bridge) is made


def test_a_message_that_cannot_be_read_is_counted_offline_as_it_is_live(tmp_path, monkeypatch):
    """One mask of 16 bits among the golden frames: that frame lacks it, the others do not."""
    real = replaying.image_message

    def sometimes(pixels, stamp, encoding):
        wrong = encoding == 'mono8' and pixels.max() < 20 and stamp == replaying.NANO
        if wrong and not sometimes.done:
            sometimes.done = True
            return real(pixels.astype(np.uint16), stamp, 'mono16')
        return real(pixels, stamp, encoding)

    sometimes.done = False
    monkeypatch.setattr(replaying, 'image_message', sometimes)
    monkeypatch.setattr(replaying, 'CONDITIONS', ('clean',))
    bag = replaying.write_bag(tmp_path / 'bag', live=False)
    verdict = analyse(bag, tmp_path / 'out', replaying.parameters())
    records = list(read_records(tmp_path / 'out' / RECORDS))
    assert sometimes.done and isinstance(records[-1], AccountingRecord)
    assert records[-1].parts['segmentation'] == {'missing': 1, 'scored': 3}
    assert records[-1].frames['malformed'] == 1
    assert any("a mask is 'mono16'" in note for note in verdict.notes)


def test_the_forms_are_message_types():
    assert {form.value for form in Form} == {
        'sensor_msgs/msg/Image',
        'diagnostic_msgs/msg/DiagnosticArray',
        'sensor_msgs/msg/CameraInfo',
    }
