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

"""Messages with the fields of those of ROS: sound ones of small frames, and strange ones."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from maps import put, street
from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.types import (
    Applied,
    Camera,
    Condition,
    Confidence,
    Description,
    Judgement,
    Kind,
    Mention,
    Source,
)
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec
from vlm_misalign_ros.wire.channels import Form

NANO = 1_000_000_000
WIDTH, HEIGHT = 64, 32
MODELS = ('one', 'two')
CAMERA = Camera(WIDTH, HEIGHT, 60.0, 60.0, 32.0, 14.0, 1.22, 0.038)
_SIZES = {'mono16': 2, '16UC1': 2, '32FC1': 4, 'bgr8': 3, 'rgb8': 3, 'rgba8': 4, '8UC4': 4}


def header(stamp: int) -> Any:
    """Return a header; its parts are those of whoever wrote it, negative seconds too."""
    return SimpleNamespace(
        stamp=SimpleNamespace(sec=stamp // NANO, nanosec=stamp % NANO), frame_id='camera'
    )


def image(pixels: np.ndarray, encoding: str, stamp: int) -> Any:
    """Return an Image-like message."""
    pixels = np.ascontiguousarray(pixels)
    return SimpleNamespace(
        header=header(stamp),
        encoding=encoding,
        height=pixels.shape[0],
        width=pixels.shape[1],
        step=pixels.strides[0],
        is_bigendian=0,
        data=pixels.tobytes(),
    )


def values(pairs: Any, stamp: int, statuses: int = 1) -> Any:
    """Return a DiagnosticArray-like message of key and value pairs."""
    status = SimpleNamespace(values=[SimpleNamespace(key=k, value=v) for k, v in pairs])
    return SimpleNamespace(header=header(stamp), status=[status] * statuses)


def info(camera: Camera, stamp: int) -> Any:
    """Return a CameraInfo-like message."""
    k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    return SimpleNamespace(
        header=header(stamp), width=camera.width, height=camera.height, k=k, d=[0.0] * 5
    )


def frame(number: int, total: int, stamp: int) -> dict[str, Any]:
    """Return {topic: message} of one sound frame, each of a scene of its own."""
    rng = np.random.default_rng([7, number])
    labels, instances = street(WIDTH, HEIGHT)
    for k, name in enumerate(('person', 'car', 'bicycle')):
        put(labels, instances, name, k, 12, int(rng.integers(0, 50)), 10, 8)
    condition = Condition('occlusion', 3) if number % 3 == 2 else Condition()
    picture = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    mask = np.where(labels == 7, 0, 2).astype(np.uint8)
    occluder = np.zeros((HEIGHT, WIDTH), np.uint8)
    occluder[:8, :8] = 255
    about, covered = checksum(picture), condition.corruption == 'occlusion'
    applied = Applied(condition, number, {'share': 0.03}, covers=covered, image=about)
    if covered:
        applied = replace(applied, occluder=checksum(occluder))
    source = Source('d', f's{number}', f'k{number}', number, total, 0, condition, depth=True)
    found = {
        topics.CAMERA_SOURCE: values(codec.source_to_values(source, CAMERA).items(), stamp),
        topics.CAMERA_INFO: info(CAMERA, stamp),
        topics.TRUTH_LABELS: image(labels, 'mono8', stamp),
        topics.TRUTH_INSTANCES: image(instances, 'mono16', stamp),
        topics.TRUTH_DEPTH: image(
            rng.integers(1000, 40000, (HEIGHT, WIDTH), np.uint16), '16UC1', stamp
        ),
        topics.DEGRADED_IMAGE: image(picture, 'bgr8', stamp),
        topics.DEGRADED_CONDITION: values(codec.applied_to_values(applied).items(), stamp),
        topics.SEGMENTATION_LABELS: image(mask, 'mono8', stamp),
        topics.SEGMENTATION_CONFIDENCE: values(
            codec.confidence_to_values(Confidence(0.2, 0.9, about, checksum(mask))).items(), stamp
        ),
    }
    if covered:
        found[topics.DEGRADED_OCCLUDER] = image(occluder, 'mono8', stamp)
    for name in MODELS:
        answer = Description(
            name,
            Kind.GENERATIVE,
            'A car and a person are ahead. It is not safe.',
            mentions={'car': Mention.ASSERTED, 'person': Mention.ASSERTED},
            judgement=Judgement.UNSAFE,
            image=about,
        )
        found[topics.vlm_description(name)] = values(
            codec.description_to_values(answer).items(), stamp
        )
    return found


# Strange ones --------------------------------------------------------------------------------

TEXTS = (
    *('', ' ', 'nan', 'NaN', 'inf', '-inf', '1e400', '-1', '0', '1', '2', '5', '6', '0.5', '-0.0'),
    *('1' + '0' * 400, '٣', '0x10', 'None', 'null', 'true', '[]', '{}', '[[[', '"', '\x00', '1_0'),
    *('[0,0,1,1]', '[0.4,0.4,0.42,0.42]', '[NaN,0,1,1]', '[1,1,0,0]', '[0,0,1]', '[[0],0,1,1]'),
    *('{"car":"ASSERTED"}', '{"car":"HEDGED","person":"DENIED"}', '{"car":0.5}', '{"car":null}'),
    *('{"a":NaN}', '{"a":1e400}', '{"a":1}', '{"car":"ASSERTED","car":"DENIED"}'),
    *('\u202eevas si ti\u202c', '\ud800', '\x1b[2J', '\ufeff', 'x' * 100_000, '[' * 100_000),
    *('SAFE', 'UNSAFE', 'MAYBE', 'generative', 'contrastive', 'clean', 'blank', 'occlusion'),
    *('low_light', 'fog', 'clean:3', 'unknown', '00000000', 'f' * 64, 'A car. It is safe.'),
    *(
        json.dumps({'width': 64, 'height': 32, 'fx': fx, 'fy': 60, 'cx': 32, 'cy': 14})
        for fx in (0, -60, 1e308, 1e-300, 60, '60')
    ),
    json.dumps({'width': 2**40, 'height': 32, 'fx': 60, 'fy': 60, 'cx': 32, 'cy': 14}),
)
KEYS = (
    *('error', 'covers', 'probe', 'depth', 'camera', 'total', 'index', 'image', 'mask', 'source'),
    *('occluder', 'hood', 'severity', 'corruption', 'text', 'mentions', 'scores', 'judgement'),
    *('judgement_score', 'latency', 'view', 'kind', 'model', 'parameters', 'seed', 'entropy'),
    *('confidence', 'pass', 'frame', 'truncated', 'x', '', '\u202e', 'k' * 10_000),
)
OBJECTS: tuple[Any, ...] = (None, 7, -1, 3.5, float('nan'), b'\xff', [], {}, 'x', object())
ENCODINGS = (
    *('mono8', 'mono16', '16UC1', '32FC1', 'bgr8', 'rgb8', 'rgba8', '8UC4', 'bayer_rggb8'),
    *('', 'BGR8', '64FC7', 'x' * 100_000, '\u202e'),
)


def _strange_pairs(rng: np.random.Generator, message: Any) -> Any:
    pairs = [(pair.key, pair.value) for pair in message.status[0].values]
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(len(pairs))) if pairs else 0
        text = TEXTS[rng.integers(len(TEXTS))]
        kind = rng.integers(6)
        if kind <= 1 and pairs:
            pairs[place] = (pairs[place][0], text)
        elif kind == 2:
            pairs.append((KEYS[rng.integers(len(KEYS))], text))
        elif kind == 3 and pairs:
            del pairs[place]
        elif kind == 4 and pairs:
            pairs.append(pairs[place])
        elif pairs:
            pairs[place] = (pairs[place][0], OBJECTS[rng.integers(len(OBJECTS))])
    if rng.random() < 0.05:
        pairs *= 100
    statuses = 1 if rng.random() < 0.95 else int(rng.integers(0, 3))
    return values(pairs, 0, statuses)


def _strange_image(rng: np.random.Generator, message: Any) -> Any:
    found = SimpleNamespace(**vars(message))
    kind = rng.integers(7)
    if kind == 0:
        data = bytearray(found.data)
        place, length = int(rng.integers(len(data))), int(rng.integers(1, 64))
        data[place : place + length] = rng.bytes(len(data[place : place + length]))
        found.data = bytes(data)
    elif kind == 1:
        found.data = found.data[: int(rng.integers(len(found.data)))]
    elif kind == 2:
        found.encoding = ENCODINGS[rng.integers(len(ENCODINGS))]
    elif kind == 3:
        name = str(rng.choice(['height', 'width', 'step', 'is_bigendian']))
        numbers = [0, 1, -1, 31, 64, 2**31, 2**32 - 1, None, 'x', math.nan]
        setattr(found, name, numbers[rng.integers(len(numbers))])
    elif kind == 4:
        found.data = OBJECTS[rng.integers(len(OBJECTS))]
    elif kind == 5:
        height, width = (int(n) for n in rng.choice([1, 2, 16, 31, 32, 64, 128], 2))
        encoding = str(rng.choice(ENCODINGS[:8]))
        size = _SIZES.get(encoding, 1)
        found.height, found.width, found.step = height, width, width * size
        found.encoding, found.data = encoding, rng.bytes(height * width * size)
    else:
        ids = np.repeat(rng.choice([0, 1, 7, 11, 18, 24, 26, 33, 255], 16), len(found.data) // 16)
        found.data = ids.astype(np.uint8).tobytes()
    return found


def _strange_info(rng: np.random.Generator, message: Any) -> Any:
    numbers = [0.0, -1.0, 60.0, 32.0, math.nan, math.inf, 1e308, 1e-300, 2.0**70]
    found = SimpleNamespace(**vars(message))
    kind = rng.integers(4)
    if kind == 0:
        found.k = [float(n) for n in rng.choice(numbers, 9)]
    elif kind == 1:
        found.width = [0, -1, 63, 2**32 - 1, None, 'x', 1e9][rng.integers(7)]
    elif kind == 2:
        found.k = [[], [1.0], None, ['x'] * 9, OBJECTS[5]][rng.integers(5)]
    else:
        found.k = list(found.k)
        found.k[rng.integers(9)] = float(rng.choice(numbers))
    return found


def strange(rng: np.random.Generator, form: Form, sound: Any, stamp: Any) -> Any:
    """Return a message of a form that somebody else made of a sound one, with a header time."""
    make = {Form.IMAGE: _strange_image, Form.CAMERA_INFO: _strange_info}.get(form, _strange_pairs)
    found = make(rng, sound)
    if rng.random() < 0.02:
        # Another type altogether, as where two packages use one topic.
        return OBJECTS[rng.integers(len(OBJECTS))]
    found.header = header(stamp)
    kind = rng.random()
    if kind < 0.02:
        found.header.stamp.nanosec = [-1, NANO, 2**40, None, math.nan][rng.integers(5)]
    elif kind < 0.04:
        found.header = [None, SimpleNamespace(), SimpleNamespace(stamp=7)][rng.integers(3)]
    return found
