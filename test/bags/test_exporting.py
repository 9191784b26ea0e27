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

"""A bag's content in formats of others, read again by what reads them."""

import json
import shutil

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from jsonschema import validate
from mcap.reader import make_reader
from recoded import tags

from bagged import (
    FRONT,
    SEMANTIC,
    bag_of,
    camera_bag,
    image_message,
    packed_message,
    picture,
    strange_bag,
    time_of,
    values_message,
)
from golden import replaying
from made import frame_record
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.app.exporting_runs import Choice, export_run
from vlm_misalign_ros.bags.analyse import analyse
from vlm_misalign_ros.bags.copying import merge_bags
from vlm_misalign_ros.bags.exporting import export_parquet, export_png
from vlm_misalign_ros.bags.seen import recorded_frames
from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.reasons import Reasons
from vlm_misalign_ros.core.labels.classes import to_train_ids
from vlm_misalign_ros.core.records.schema import encode
from vlm_misalign_ros.core.records.store import RECORDS, read_frames
from vlm_misalign_ros.core.report.annotating import HALLUCINATED, OMITTED
from vlm_misalign_ros.core.stamps import parse_stamp
from vlm_misalign_ros.core.types import Description, Failed, Judgement, Kind, Mention
from vlm_misalign_ros.wire.values import description_to_values, failed_to_values

ANNOTATED = 'foxglove.ImageAnnotations'


def read_png(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@pytest.fixture(scope='module')
def streets():
    return open_dataset(replaying.SCENES)


def test_pictures_and_maps_are_written_to_the_last_bit(tmp_path, streets):
    frame, bgr = streets.read(0), picture(1)
    metres = np.full((8, 8), 1.5, np.float32)
    metres[0, 0] = np.nan
    rows = [
        (FRONT, image_message(bgr, time_of(0), 'bgr8'), 1),
        ('/rgb', image_message(np.ascontiguousarray(bgr[:, :, ::-1]), time_of(0), 'rgb8'), 2),
        (SEMANTIC, image_message(frame.labels, time_of(0), 'mono8'), 3),
        ('/instances', image_message(frame.instances, time_of(0), 'mono16'), 4),
        ('/depth', image_message(metres, time_of(0), '32FC1'), 5),
        ('/packed', packed_message(bgr, time_of(0), 'png'), 6),
        ('/strange', image_message(bgr, time_of(0), 'no8'), 7),
    ]
    found = export_png(bag_of(tmp_path / 'bag', rows), tmp_path / 'out')
    name = '1700000000.000000000.png'
    for topic in (FRONT, '/rgb', '/packed'):
        assert np.array_equal(read_png(tmp_path / 'out' / topic[1:] / name), bgr)
    labels = read_png(tmp_path / 'out' / SEMANTIC[1:] / name)
    assert np.array_equal(labels, frame.labels)
    assert np.array_equal(read_png(tmp_path / 'out/instances' / name), frame.instances)
    depth = read_png(tmp_path / 'out/depth' / name)
    assert depth.dtype == np.uint16 and depth[0, 0] == 0 and (depth.ravel()[1:] == 1500).all()
    assert '/strange' not in found.counts and 'no8' in found.notes[0]


def test_doubled_stamps_and_hostile_names_stay_in_their_folders(tmp_path):
    rows = [('/../../a', image_message(picture(k), time_of(0), 'bgr8'), k) for k in range(2)] + [
        ('/a', image_message(picture(9), time_of(0), 'bgr8'), 5)
    ]
    export_png(bag_of(tmp_path / 'bag', rows), tmp_path / 'out')
    written = sorted(p.relative_to(tmp_path / 'out') for p in tmp_path.rglob('*.png'))
    assert [str(path) for path in written] == [
        'a/1700000000.000000000.png',
        'a/1700000000.000000000_2.png',
        'a_/1700000000.000000000.png',
    ]


@pytest.mark.parametrize(
    'form, kind, definition, data',
    [
        ('png', 'sensor_msgs/msg/CompressedImage', 'string data', b'\3\0\0\0ab\0'),
        ('png', 'sensor_msgs/msg/Image', 'string encoding', b'\3\0\0\0ab\0'),
        ('parquet', 'diagnostic_msgs/msg/DiagnosticArray', 'int32 status', b'\1\0\0\0'),
    ],
)
def test_a_type_with_other_fields_is_one_line(form, kind, definition, data, tmp_path, capsys):
    bag = strange_bag(tmp_path / 'bag', '/strange', kind, definition, data)
    out = tmp_path / 'out'
    assert main(['bag', 'export', str(bag), str(out), '--format', form]) == 2
    told = capsys.readouterr().err
    assert 'could be written: 1 x /strange' in told and 'Traceback' not in told
    assert not out.exists()


def test_topics_that_are_asked_for_are_written_alone(tmp_path, capsys):
    bag = camera_bag(tmp_path / 'bag', 2)
    words = ['bag', 'export', str(bag), str(tmp_path / 'out'), '--format', 'png', '--topic']
    assert main([*words, '/other']) == 2
    assert f'it has them on {FRONT}' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
    assert main([*words, FRONT[1:]]) == 0
    assert len(list(tmp_path.rglob('*.png'))) == 2


def test_values_and_answers_become_tables(tmp_path):
    answer = Description(
        'm',
        Kind.GENERATIVE,
        'A car,\nno bus =1+1.',
        {'car': Mention.ASSERTED, 'bus': Mention.DENIED, 'rider': Mention.ASSERTED},
        scores={'car': 0.25},
        judgement=Judgement.SAFE,
        latency=0.5,
    )
    rows = [
        ('/vlm/m/description', values_message(description_to_values(answer), time_of(0)), 1),
        ('/vlm/m/description', values_message(failed_to_values(Failed('why')), time_of(1)), 2),
        ('/diagnostics', values_message({'a': '1', 'b': '2'}, time_of(2)), 3),
    ]
    found = export_parquet(bag_of(tmp_path / 'bag', rows), tmp_path / 'out')
    assert found.counts == {'/vlm/m/description': 2, '/diagnostics': 1}
    told, failed = pq.read_table(tmp_path / 'out/answers.parquet').to_pylist()
    assert (told['model'], told['stamp'], told['arrival']) == ('m', time_of(0), 1)
    assert told['text'] == answer.text and told['asserted'] == ['car', 'rider']
    assert told['denied'] == ['bus'] and told['hedged'] == []
    assert (told['judgement'], told['latency']) == ('SAFE', 0.5)
    assert dict(told['scores']) == {'car': 0.25}
    assert (failed['status'], failed['reason'], failed['text']) == ('failed', 'why', None)
    values = pq.read_table(tmp_path / 'out/values.parquet').to_pylist()
    assert [(row['key'], row['value'], row['stamp']) for row in values] == [
        ('a', '1', time_of(2)),
        ('b', '2', time_of(2)),
    ]


def test_a_bag_without_values_leaves_no_table(tmp_path):
    with pytest.raises(RecordError, match='has no diagnostic_msgs'):
        export_parquet(camera_bag(tmp_path / 'bag', 1), tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_cityscapes_folders_come_back_equal(tmp_path, streets):
    bag, out = tmp_path / 'bag', tmp_path / 'out'
    assert main(['bag', 'from-cityscapes', str(replaying.SCENES), str(bag)]) == 0
    assert main(['bag', 'export', str(bag), str(out), '--format', 'cityscapes']) == 0
    found = open_dataset(out)
    assert [entry.key for entry in found.entries] == [entry.key for entry in streets.entries]
    for one, other in zip(found, streets, strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.labels, other.labels)
        assert np.array_equal(one.instances, other.instances)
        assert one.camera == other.camera


def test_somebody_elses_labels_become_cityscapes(tmp_path, streets):
    rows = []
    for index, frame in enumerate(streets):
        stamp = time_of(index)
        rows.append((FRONT, image_message(frame.image, stamp, 'bgr8'), stamp))
        rows.append((SEMANTIC, image_message(tags(frame.labels), stamp, 'mono8'), stamp))
    bag, out = bag_of(tmp_path / 'my drive', rows), tmp_path / 'out'
    rules = [f'camera/image_raw:={FRONT}', f'ground_truth/labels:={SEMANTIC}']
    words = ['bag', 'export', str(bag), str(out), '--format', 'cityscapes', '--split', 'test']
    assert main([*words, *(word for rule in rules for word in ('--topic', rule))]) == 0
    found = open_dataset(out, split='test')
    assert found.entries[1].key == 'my-drive_000000_000001'
    for one, other in zip(found, streets, strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(tags(one.labels), tags(other.labels))


def test_pictures_without_labels_are_a_sequence(tmp_path):
    words = ['bag', 'export', str(camera_bag(tmp_path / 'bag', 3)), str(tmp_path / 'out')]
    rule = f'camera/image_raw:={FRONT}'
    assert main([*words, '--format', 'cityscapes', '--topic', rule]) == 0
    found = open_dataset(tmp_path / 'out', sequences=True)
    assert [np.array_equal(f.image, picture(n)) for n, f in enumerate(found)] == [True] * 3


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    """Return (bag with pictures, folder of its analysis)."""
    folder = tmp_path_factory.mktemp('drawn')
    live = replaying.write_bag(folder / 'live', True, ('clean', 'low_light:3'))
    frames, rows = replaying.dataset(), []
    for position, source in replaying.plan(('clean', 'low_light:3')):
        stamp = replaying.live_stamp(source)
        image = replaying.degraded(frames.read(position), source.condition).image
        rows.append(('/degraded/image_raw', image_message(image, stamp, 'bgr8'), stamp))
    merge_bags([live, bag_of(folder / 'pictures', rows)], folder / 'bag')
    analyse(live, folder / 'run', replaying.parameters())
    return folder / 'bag', folder / 'run'


@pytest.mark.heavy
def test_foxglove_has_pictures_and_what_is_wrong_with_the_answers(drawn, tmp_path):
    bag, run = drawn
    out = tmp_path / 'drawn'
    words = ['bag', 'export', str(bag), str(out), '--format', 'foxglove', '--records', str(run)]
    assert main(words) == 0
    records = {parse_stamp(r.stamp): r for r in read_frames(run / RECORDS)}
    pictures, found = {}, {}
    with open(out / 'drawn.mcap', 'rb') as stream:
        for schema, channel, message in make_reader(stream).iter_messages():
            if channel.topic == '/annotations':
                assert (
                    schema.name == 'foxglove.ImageAnnotations' and schema.encoding == 'jsonschema'
                )
                plain = json.loads(message.data)
                validate(plain, json.loads(schema.data))
                found[message.publish_time] = plain
            else:
                assert channel.topic == '/degraded/image_raw'
                pictures[message.publish_time] = message.data
    assert found.keys() == pictures.keys() == records.keys()

    def colors(entries, key):
        return {tuple(round(255 * e[key][c]) for c in 'rgb') for e in entries}

    for stamp, record in records.items():
        plain = found[stamp]
        names = [text['text'].partition(':')[0] for text in plain['texts'][1:]]
        assert names == sorted(record.models)
        scores = [entry.score for entry in record.models.values() if entry.score is not None]
        omitted = {name for score in scores for name in score.omitted}
        made_up = {name for score in scores for name in score.hallucinated}
        shown = colors(plain['texts'], 'text_color')
        assert (OMITTED in shown or HALLUCINATED in shown) == bool(omitted or made_up)
        assert colors(plain['points'], 'outline_color') <= {OMITTED, HALLUCINATED}
    assert any(OMITTED in colors(plain['points'], 'outline_color') for plain in found.values())


@pytest.mark.heavy
def test_a_recorded_run_is_seen_with_its_pictures_masks_and_truth(drawn):
    bag, run = drawn
    records = {r.stamp: r for r in read_frames(run / RECORDS)}
    dataset = replaying.dataset()
    by_key = {frame.key: frame for frame in dataset}
    seen = list(recorded_frames(bag, run))
    assert {one.record.stamp for one in seen} == set(records)
    for one in seen:
        assert checksum(one.picture) == one.record.image
        frame = by_key[one.record.key] if one.record.key in by_key else None
        if frame is not None:
            assert np.array_equal(one.labels, frame.labels)
            assert np.array_equal(one.instances, frame.instances)
        cells = one.record.segmentation.cells
        if one.mask is not None and one.labels is not None and cells:
            truth = to_train_ids(one.labels)
            known = truth != 255
            assert sum(cell[2] for cell in cells) == np.count_nonzero(known)
    clean = list(recorded_frames(bag, run, wanted=lambda r: r.condition.name == 'clean'))
    assert 0 < len(clean) < len(seen)
    assert any(one.mask is not None for one in seen)


def test_frames_of_one_stamp_are_left_out_and_told(tmp_path):
    rows = [
        ('/degraded/image_raw', image_message(picture(0), n * 10**9, 'bgr8'), n) for n in (1, 2)
    ]
    bag, run = bag_of(tmp_path / 'bag', rows), tmp_path / 'run'
    run.mkdir()
    # Time jumped back: of two frames of stamp 1 nobody knows whose the picture is.
    frames = [
        frame_record(stamp='1.000000000'),
        frame_record(stamp='1.000000000', epoch=1),
        frame_record(stamp='2.000000000', epoch=1),
    ]
    (run / RECORDS).write_bytes(b''.join(encode(frame) + b'\n' for frame in frames))
    left = Reasons()
    seen = list(recorded_frames(bag, run, left=left))
    assert [one.record.stamp for one in seen] == ['2.000000000']
    assert 'several frames have one stamp' in left.first and left.number == 1
    shutil.copytree(bag, run / 'bag')
    (run / 'config.yaml').write_text('mode: live\nvlms: {a: {model: "miniature:clip"}}\n')
    found = export_run(run, tmp_path / 'coco', 'coco', Choice())
    assert found.pictures == 1 and found.notes == left.told('left out')


def test_a_frame_that_was_not_degraded_is_left_out_and_told(tmp_path):
    rows = [
        ('/degraded/image_raw', image_message(picture(0), 10**9, 'bgr8'), 1),
        ('/ground_truth/labels', image_message(picture(0)[..., 0], 10**9, 'mono8'), 2),
        ('/ground_truth/labels', image_message(picture(0)[..., 0], 2 * 10**9, 'mono8'), 3),
    ]
    bag, run = bag_of(tmp_path / 'bag', rows), tmp_path / 'run'
    run.mkdir()
    failed = 'the picture could not be degraded: no noise'
    frames = [frame_record(), frame_record(stamp='2.000000000', problem=failed)]
    (run / RECORDS).write_bytes(b''.join(encode(frame) + b'\n' for frame in frames))
    left = Reasons()
    assert len(list(recorded_frames(bag, run, left=left))) == 1
    assert left.told('left out') == [f'1 frame left out: {failed}']


def test_a_bag_without_records_says_what_to_do(tmp_path, capsys):
    rows = [('/degraded/image_raw', image_message(picture(0), time_of(0), 'bgr8'), 1)]
    words = ['bag', 'export', str(bag_of(tmp_path / 'bag', rows)), str(tmp_path / 'out')]
    assert main([*words, '--format', 'foxglove']) == 2
    assert '--records FOLDER' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
