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

"""The annotator, its markers and the label table, over real rclpy."""

import sys
import time
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

from made import frame_record  # noqa: E402
from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES, IGNORE  # noqa: E402
from vlm_misalign_ros.core.records.schema import encode  # noqa: E402
from vlm_misalign_ros.core.report.annotating import HALLUCINATED, OMITTED, Outline, Span  # noqa: E402
from vlm_misalign_ros.nodes import label_table, markers, messages, qos  # noqa: E402
from vlm_misalign_ros.nodes.annotator import Annotator  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]

NANO = 1_000_000_000
PERSON = CLASSES.index('person')
LEFT_OUT = {
    'clip': {
        'status': 'scored',
        'answer': {'judgement': 'SAFE', 'mentions': {'road': 'ASSERTED'}},
        'score': {'hallucinated': [], 'omitted': ['person']},
    }
}


class Scene:
    """The annotator, and a node that plays the rest of a run."""

    def __init__(self, **parameters):
        self.executor = SingleThreadedExecutor()
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.annotator = Annotator(parameter_overrides=overrides)
        self.node = rclpy.create_node('rest')
        self.nodes = [self.annotator, self.node]
        for node in self.nodes:
            self.executor.add_node(node)
        images, results = qos.image_qos('reliable'), qos.result_qos()
        self.pictures = self.node.create_publisher(Image, topics.DEGRADED_IMAGE, images)
        self.masks = self.node.create_publisher(Image, topics.SEGMENTATION_LABELS, images)
        self.truths = self.node.create_publisher(Image, topics.TRUTH_LABELS, images)
        self.frames = self.node.create_publisher(DiagnosticArray, topics.MONITOR_FRAME, results)

    def until(self, condition, seconds=20.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, 'waited in vain'
            self.executor.spin_once(timeout_sec=0.02)

    def listen(self, kind, topic):
        got = []
        self.node.create_subscription(kind, topic, got.append, qos.image_qos('reliable'))
        self.until(lambda: self.listened() == [1, 1, 1, 1])
        return got

    def listened(self):
        ends = (self.pictures, self.masks, self.truths, self.frames)
        return [end.get_subscription_count() for end in ends]

    def frame(self, stamp, record=None, height=100, width=200):
        header = messages.make_header(stamp, 'camera')
        grey = np.full((height, width, 3), 90, np.uint8)
        ids = np.zeros((height, width), np.uint8)
        labels = np.full((height, width), BY_NAME['road'].id, np.uint8)
        labels[20:60, 40:80] = BY_NAME['person'].id
        self.pictures.publish(messages.image_message(grey, header, 'bgr8'))
        self.masks.publish(messages.image_message(ids, header, 'mono8'))
        self.truths.publish(messages.image_message(labels, header, 'mono8'))
        self.until(lambda: all(stamp in kept for kept in self.kept()))
        record = record or frame_record(models=LEFT_OUT)
        values = {'record': encode(record).decode()}
        self.frames.publish(messages.values_message('frame', values, header))

    def kept(self):
        return (self.annotator._pictures, self.annotator._masks, self.annotator._truths)

    def end(self):
        for node in self.nodes:
            node.destroy_node()
        self.executor.shutdown()


@pytest.fixture
def scene():
    scenes = []

    def make(**parameters):
        scenes.append(Scene(**parameters))
        return scenes[-1]

    yield make
    for made in scenes:
        made.end()


def test_nothing_is_listened_to_until_somebody_listens(scene):
    made = scene()
    beat = []
    made.annotator.create_timer(0.7, lambda: beat.append(1))
    made.until(lambda: beat)
    assert made.listened() == [0, 0, 0, 0] and not made.annotator.listening
    got = made.listen(Image, topics.ANNOTATED_IMAGE)
    assert made.annotator.listening and not got
    made.node.destroy_subscription(next(iter(made.node.subscriptions)))
    made.until(lambda: made.listened() == [0, 0, 0, 0])
    again = made.listen(Image, topics.ANNOTATED_IMAGE)
    made.frame(NANO)
    made.until(lambda: again)


def test_a_frame_is_drawn_as_it_is_closed(scene):
    made = scene(opacity=0.0)
    got = made.listen(Image, topics.ANNOTATED_IMAGE)
    made.frame(5 * NANO)
    made.until(lambda: got)
    (message,) = got
    assert messages.stamp_of(message.header) == 5 * NANO and message.header.frame_id == 'camera'
    assert (message.encoding, message.width) == ('rgb8', 200) and message.height > 100
    drawn = np.frombuffer(message.data, np.uint8).reshape(message.height, 200, 3)
    # The left edge of the person that was left out, and the street beside it.
    assert tuple(drawn[40, 40]) == OMITTED and tuple(drawn[40, 20]) == (90, 90, 90)
    assert not any(made.kept())


def test_pictures_are_scaled_down_and_packed(scene):
    made = scene(width=160, jpeg_quality=70)
    got = made.listen(CompressedImage, topics.ANNOTATED_COMPRESSED)
    made.frame(NANO, height=200, width=400)
    assert made.annotator._pictures[NANO][0].shape == (80, 160, 3)
    made.until(lambda: got)
    assert got[0].format.startswith('bgr8; jpeg') and bytes(got[0].data[:2]) == b'\xff\xd8'


def test_packed_labels_are_taken_where_labels_are_packed(scene):
    made = scene(image_transport='compressed', opacity=0.0)
    packed = made.node.create_publisher(
        CompressedImage, topics.TRUTH_LABELS + '/compressed', qos.image_qos('reliable')
    )
    got = []
    made.node.create_subscription(
        Image, topics.ANNOTATED_IMAGE, got.append, qos.image_qos('reliable')
    )
    made.until(lambda: packed.get_subscription_count() and made.listened() == [1, 1, 0, 1])
    labels = np.full((100, 200), BY_NAME['road'].id, np.uint8)
    labels[20:60, 40:80] = BY_NAME['person'].id
    header = messages.make_header(NANO, 'camera')
    message = CompressedImage(header=header, format='mono8; png compressed mono8')
    message.data = cv2.imencode('.png', labels)[1].tobytes()
    packed.publish(message)
    made.until(lambda: NANO in made.annotator._truths)
    grey = np.full((100, 200, 3), 90, np.uint8)
    made.pictures.publish(messages.image_message(grey, header, 'bgr8'))
    made.until(lambda: NANO in made.annotator._pictures)
    values = {'record': encode(frame_record(models=LEFT_OUT)).decode()}
    made.frames.publish(messages.values_message('frame', values, header))
    made.until(lambda: got)
    drawn = np.frombuffer(got[0].data, np.uint8).reshape(got[0].height, 200, 3)
    assert tuple(drawn[40, 40]) == OMITTED


def test_what_waits_is_bounded_and_strangers_are_survived(scene):
    made = scene(capacity=2)
    got = made.listen(Image, topics.ANNOTATED_IMAGE)
    for number in range(1, 6):
        header = messages.make_header(number * NANO, 'camera')
        made.pictures.publish(
            messages.image_message(np.zeros((20, 30, 3), np.uint8), header, 'bgr8')
        )
    made.until(lambda: 5 * NANO in made.annotator._pictures)
    assert sorted(made.annotator._pictures) == [4 * NANO, 5 * NANO]
    header = messages.make_header(5 * NANO, 'camera')
    for text in ('{', '{"kind": "frame"}', '[' * 5000):
        made.frames.publish(messages.values_message('frame', {'record': text}, header))
    made.masks.publish(messages.image_message(np.zeros((4, 4), np.uint16), header, 'mono16'))
    made.frame(9 * NANO)
    made.until(lambda: got)
    assert messages.stamp_of(got[0].header) == 9 * NANO


def test_opacity_changes_while_it_runs(scene):
    made = scene()
    (answer,) = made.annotator.set_parameters([Parameter('opacity', value=0.5)])
    assert answer.successful and made.annotator._opacity == 0.5
    (answer,) = made.annotator.set_parameters([Parameter('opacity', value=1.5)])
    assert not answer.successful and made.annotator._opacity == 0.5


def test_markers_go_with_the_picture_of_the_run(scene):
    kind = pytest.importorskip('visualization_msgs.msg').ImageMarker
    if markers.marker_type() is not kind:
        pytest.skip('foxglove_msgs is installed')
    made = scene(width=160)
    got = []
    made.node.create_subscription(kind, topics.ANNOTATED_MARKERS, got.append, qos.result_qos())
    made.until(lambda: made.listened() == [1, 1, 1, 1])
    made.frame(NANO, height=200, width=400)
    made.until(lambda: got)
    columns = [point.x for point in got[0].points]
    # From 40 to 79 of 400 pixels, whatever the width of what is shown.
    assert 39 < min(columns) < 42.5 and 77.5 < max(columns) < 81
    assert messages.stamp_of(got[0].header) == NANO


class Strict:
    """A message that has the fields of its type, and no others."""

    fields: dict = {}

    def __init__(self, **given):
        assert set(given) <= set(self.fields), set(given) - set(self.fields)
        for name, default in self.fields.items():
            object.__setattr__(self, name, given.get(name, default() if default else None))

    def __setattr__(self, name, value):
        assert name in self.fields, name
        object.__setattr__(self, name, value)


def typed(name, fields, **constants):
    return type(name, (Strict,), {'fields': fields, **constants})


@pytest.fixture
def foxglove(monkeypatch):
    """Return foxglove_msgs as the .msg files of foxglove/schemas have it."""
    module, package = ModuleType('foxglove_msgs.msg'), ModuleType('foxglove_msgs')
    fields = {
        'Color': {'r': float, 'g': float, 'b': float, 'a': float},
        'Point2': {'x': float, 'y': float},
        'TextAnnotation': dict.fromkeys(
            ('timestamp', 'position', 'text', 'font_size', 'text_color', 'background_color')
        ),
        'ImageAnnotations': {'circles': list, 'points': list, 'texts': list},
    }
    for name, entries in fields.items():
        setattr(module, name, typed(name, entries))
    points = ('timestamp', 'type', 'outline_color', 'fill_color', 'thickness')
    entries = {**dict.fromkeys(points), 'points': list, 'outline_colors': list}
    module.PointsAnnotation = typed('PointsAnnotation', entries, LINE_LOOP=2)
    package.msg = module
    monkeypatch.setitem(sys.modules, 'foxglove_msgs', package)
    monkeypatch.setitem(sys.modules, 'foxglove_msgs.msg', module)
    return module


SHAPE = Outline('person', OMITTED, np.array([[0.1, 0.2], [0.5, 0.2], [0.5, 0.6]]))
LINES = [[Span('clean')], [Span('clip: '), Span('truck', HALLUCINATED)]]


def test_foxglove_gets_outlines_and_texts(foxglove):
    kind = markers.marker_type()
    assert kind is foxglove.ImageAnnotations
    header = messages.make_header(3 * NANO, 'camera')
    found = markers.markers(kind, header, [SHAPE], LINES, (100, 200))
    (shape,) = found.points
    assert np.allclose([(p.x, p.y) for p in shape.points], [(20, 20), (100, 20), (100, 60)])
    assert shape.type == 2 and shape.timestamp == header.stamp
    assert (shape.outline_color.r, shape.outline_color.b) == (1.0, OMITTED[2] / 255)
    assert [text.text for text in found.texts] == ['clean', 'clip: truck']
    assert found.texts[1].text_color.g == HALLUCINATED[1] / 255
    assert found.texts[1].position.y > found.texts[0].position.y


def test_a_marker_has_all_outlines_as_closed_lines(monkeypatch):
    kind = typed(
        'ImageMarker',
        {
            **dict.fromkeys(('header', 'ns', 'id', 'type', 'action', 'scale', 'outline_color')),
            'points': list,
            'outline_colors': list,
        },
        LINE_LIST=2,
        ADD=0,
    )
    found = markers.markers(kind, messages.make_header(1, ''), [SHAPE], LINES, (100, 200))
    ends = [(point.x, point.y) for point in found.points]
    wanted = [(20, 20), (100, 20), (100, 20), (100, 60), (100, 60), (20, 20)]
    assert np.allclose(ends, wanted) and len(found.outline_colors) == len(ends)
    none = markers.markers(kind, messages.make_header(1, ''), [], LINES, (100, 200))
    assert none.points == [] and none.action == 0


def test_without_a_marker_type_there_are_none(monkeypatch):
    for name in ('foxglove_msgs', 'visualization_msgs'):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, f'{name}.msg', None)
    assert markers.marker_type() is None


def test_the_label_table_is_there_for_who_comes_later():
    executor = SingleThreadedExecutor()
    early, late = rclpy.create_node('early'), rclpy.create_node('late')
    kept = label_table.announce_labels(early)
    got = []
    late.create_subscription(
        DiagnosticArray, topics.SEGMENTATION_TABLE, got.append, qos.latched_qos()
    )
    for node in (early, late):
        executor.add_node(node)
    end = time.monotonic() + 20
    while not got:
        assert time.monotonic() < end, 'waited in vain'
        executor.spin_once(timeout_sec=0.02)
    assert kept
    names, colors = ({p.key: p.value for p in status.values} for status in got[0].status)
    assert names == {**{str(i): n for i, n in enumerate(CLASSES)}, str(IGNORE): 'unlabelled'}
    # Of Cityscapes: a person is (220, 20, 60).
    assert colors[str(PERSON)] == '#dc143c'
    for node in (early, late):
        node.destroy_node()
    executor.shutdown()


def test_label_info_has_the_classes_of_the_mask():
    info = typed('LabelInfo', {'header': None, 'class_map': list, 'threshold': float})
    header = messages.make_header(1, '')
    found = label_table.info_message(info, SimpleNamespace, header)
    by_id = {entry.class_id: entry.class_name for entry in found.class_map}
    assert by_id[0] == 'road' and by_id[18] == 'bicycle' and by_id[255] == 'unlabelled'
    assert len(by_id) == 20
