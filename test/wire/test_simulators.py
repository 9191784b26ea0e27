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

"""
Messages as simulators publish them, by their sources and documents (docs/simulators.md).

One street, drawn as each would send it, has the labels and the things that it was drawn with.
"""

import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import recoded
import yaml

from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.labels.classes import BY_NAME
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.labels.instances import Numbered
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth
from vlm_misalign_ros.core.truth.trust import assess
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.channels import CHANNELS, Context, read

pytestmark = pytest.mark.heavy

STAMP = SimpleNamespace(sec=7, nanosec=0)


def image(array, encoding):
    array = np.ascontiguousarray(array)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=STAMP, frame_id='camera'),
        encoding=encoding,
        height=array.shape[0],
        width=array.shape[1],
        step=array.strides[0],
        is_bigendian=int(sys.byteorder == 'big'),
        data=array.tobytes(),
    )


def info(width, height, degrees, model='plumb_bob', lens=5):
    """Return camera_info as CARLA and Gazebo make it of a field of view."""
    focal = width / (2 * np.tan(np.radians(degrees) / 2))
    return SimpleNamespace(
        header=SimpleNamespace(stamp=STAMP, frame_id='camera'),
        width=width,
        height=height,
        distortion_model=model,
        d=[0.0] * lens,
        k=[focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[focal, 0.0, width / 2, 0.0, 0.0, focal, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0],
        binning_x=0,
        binning_y=0,
        roi=SimpleNamespace(x_offset=0, y_offset=0, width=width, height=height, do_rectify=True),
    )


def bgra(red, green=None, blue=None):
    """Return CARLA's raw pixels: blue, green, red and 255 behind one another."""
    zeros = np.zeros_like(red)
    planes = [zeros if plane is None else plane for plane in (blue, green, red)]
    return np.dstack([*planes, np.full_like(red, 255)])


@pytest.fixture(scope='module')
def frame(scenes):
    dataset = open_dataset(scenes)
    return max((dataset.read(n) for n in range(6)), key=lambda f: len(np.unique(f.instances)))


@pytest.fixture(scope='module')
def objects(frame):
    """Return a number for each thing, as an engine numbers its actors, and 0 elsewhere."""
    numbers = np.zeros(65536, np.int64)
    things = np.unique(frame.instances[frame.instances >= 1000])
    numbers[things] = np.random.default_rng(1).permutation(60_000)[: len(things)] + 1
    return numbers[frame.instances]


def ask(topic, message, context):
    channel = next(row for row in CHANNELS if row.topic == topic)
    return read(channel, message, context)


def context(encoding, **chosen):
    return Context(open_encoding(str(encoding)), 1.22, 0.038, **chosen)


def check(found_labels, found_instances, wanted_labels, objects, telling=None):
    """Hold labels to those that are wanted, and things to those that were numbered."""
    labels = found_labels.labels
    assert np.array_equal(labels, wanted_labels) and not found_labels.problem
    instances = found_instances
    if isinstance(instances, Numbered):
        instances = instances.resolved(labels)
    things = instances >= 1000
    assert np.array_equal(things, (objects > 0) & (instances // 1000 == labels))
    assert things.any()
    pairs = np.unique(np.stack([objects[things], instances[things]]), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]
    assert assess(found_labels, instances).scorable
    return instances


def ids_of(tagged, old=False):
    """Return the label ids of tags, by names."""
    table = recoded.CARLA_0_9_13 if old else recoded.CARLA
    values = np.zeros(256, np.uint8)
    for tag, (_, name, _) in table.items():
        values[tag] = BY_NAME[name].id if name else 0
    return values[tagged]


@pytest.mark.parametrize('old', [False, True])
def test_carla_native_sends_tags_and_objects_in_colours(frame, objects, old):
    """Publishers of LibCarla/source/carla/ros2: bgra8 of the sensor's own bytes."""
    tagged = recoded.tags(frame.labels, old)
    how = context('carla_tags_0_9_13' if old else 'carla_tags')
    low, high = (objects & 255).astype(np.uint8), (objects >> 8).astype(np.uint8)
    instance_camera = image(bgra(tagged, low, high), 'bgra8')
    instances = ask(topics.TRUTH_INSTANCES, instance_camera, how)
    semantic = image(bgra(tagged), 'bgra8')
    for labels in (semantic, instance_camera):
        check(ask(topics.TRUTH_LABELS, labels, how), instances, ids_of(tagged, old), objects)


def test_carla_native_sends_depth_in_colours(frame):
    metres = np.where(frame.depth > 0, frame.depth / 1000, 1000.0)
    steps = np.rint(metres / 1000 * (2**24 - 1)).astype(np.uint32)
    planes = [(steps >> shift & 255).astype(np.uint8) for shift in (0, 8, 16)]
    sent = image(bgra(*planes), 'bgra8')
    found = ask(topics.TRUTH_DEPTH, sent, context('carla_tags', depth='carla'))
    assert np.abs(found.astype(int) - frame.depth).max() <= 1


@pytest.mark.parametrize('old', [False, True])
def test_the_ros_bridge_of_carla_sends_a_palette(frame, old):
    """Its camera.py converts to CityScapesPalette and sends bgra8; depth is 32FC1 in metres."""
    tagged = recoded.tags(frame.labels, old)
    colors = recoded.palette(tagged, old)
    how = context('carla_palette_0_9_13' if old else 'carla_palette')
    sent = image(bgra(*np.moveaxis(colors, -1, 0)), 'bgra8')
    found = ask(topics.TRUTH_LABELS, sent, how)
    assert np.array_equal(found.labels, ids_of(tagged, old))
    depth = image((frame.depth / 1000).astype(np.float32), '32FC1')
    assert np.array_equal(ask(topics.TRUTH_DEPTH, depth, how), frame.depth)


def table_of(path, labels, numbers):
    """Write a file that says what the numbers of a simulator's labels are."""
    names = {entry.id: name for name, entry in BY_NAME.items()}
    values = {numbers[label]: names[label] for label in np.unique(labels).tolist()}
    path.write_text(yaml.safe_dump({'values': values}), encoding='utf-8')
    return path


def test_isaac_sim_sends_numbers_of_32_bits(frame, objects, tmp_path):
    """Its image publisher sends rgb8, rgba8, 32FC1 and 32SC1."""
    numbers = {label: label + 2 for label in range(34)}
    file = table_of(tmp_path / 'isaac.yaml', frame.labels, numbers)
    how = context(file)
    labels = ask(topics.TRUTH_LABELS, image(frame.labels.astype(np.int32) + 2, '32SC1'), how)
    # Numbers of engines go beyond sixteen bits.
    wide = np.where(objects > 0, objects + 100_000, 0).astype(np.int32)
    instances = ask(topics.TRUTH_INSTANCES, image(wide, '32SC1'), how)
    check(labels, instances, frame.labels, objects)
    metres = np.where(frame.depth > 0, frame.depth / 1000, np.inf).astype(np.float32)
    found = ask(topics.TRUTH_DEPTH, image(metres, '32FC1'), how)
    assert np.array_equal(found, frame.depth)


def test_gazebo_sends_the_label_in_the_last_channel(frame, objects, tmp_path):
    """gz-sensors, segmentation_camera.md: label in [2], number in 256 * [1] + [0]."""
    file = table_of(tmp_path / 'gazebo.yaml', frame.labels, dict(enumerate(range(34))))
    how = context(file, instances='gazebo')
    semantic = ask(topics.TRUTH_LABELS, image(np.dstack([frame.labels] * 3), 'rgb8'), how)
    low, high = (objects & 255).astype(np.uint8), (objects >> 8).astype(np.uint8)
    panoptic = image(np.dstack([low, high, frame.labels]), 'rgb8')
    check(semantic, ask(topics.TRUTH_INSTANCES, panoptic, how), frame.labels, objects)


@pytest.mark.parametrize('encoding', ['bgr8', 'rgb8', 'bgra8', 'rgba8', 'uyvy', 'nv12'])
def test_pictures_of_every_simulator_are_bgr(frame, encoding):
    """AWSIM sends bgr8, CARLA bgra8, Isaac Sim and Gazebo rgb8; cameras send video."""
    codes = {
        'rgb8': cv2.COLOR_BGR2RGB,
        'bgra8': cv2.COLOR_BGR2BGRA,
        'rgba8': cv2.COLOR_BGR2RGBA,
        'uyvy': cv2.COLOR_BGR2YUV_UYVY,
    }
    made = frame.image
    if encoding == 'nv12':
        planes = cv2.cvtColor(made, cv2.COLOR_BGR2YUV_I420).reshape(-1)
        luma, chroma = np.split(planes, [made.shape[0] * made.shape[1]])
        mixed = np.stack(np.split(chroma, 2), -1).reshape(-1, made.shape[1])
        sent = image(np.vstack([luma.reshape(made.shape[:2]), mixed]), encoding)
        sent.height = made.shape[0]
    else:
        sent = image(made if encoding == 'bgr8' else cv2.cvtColor(made, codes[encoding]), encoding)
    found = ask(topics.CAMERA_IMAGE, sent, context('carla_tags'))
    off = np.abs(found.astype(int) - made).mean()
    assert off < 3 if encoding in ('uyvy', 'nv12') else off == 0


def test_cameras_of_simulators_are_known_by_their_field_of_view(frame):
    height, width = frame.labels.shape
    how = context('carla_tags')
    found = ask(topics.CAMERA_INFO, info(width, height, 90.0), how)
    assert (found.fx, found.fy) == pytest.approx((width / 2, width / 2))
    assert (found.cx, found.cy, found.width, found.height) == (
        width / 2,
        height / 2,
        width,
        height,
    )
    truth = read_truth(TruthMaps(frame.labels, frame.instances), found, TruthSettings())
    assert truth.known
