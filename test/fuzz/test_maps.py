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

"""Ground truth of any content, size and type: never an error, never a number of nothing."""

import math

import cv2
import msgspec
import numpy as np
import pytest
import recoded

from fuzz.command import case
from fuzz.strangers import NANO, image
from maps import put, street
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.evaluator import Evaluator
from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.evaluation.parts import Wanted
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.labels.encodings import ENCODINGS, open_encoding
from vlm_misalign_ros.core.records.schema import Closing, Status, decode, encode
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
from vlm_misalign_ros.core.types import Applied, Camera, Condition, Description, Kind, Mention
from vlm_misalign_ros.wire.channels import Context, listened, read

pytestmark = pytest.mark.heavy

CHANNELS = {channel.part: channel for channel in listened(Wanted(models=('m',), depth=True))}
NAMES = ENCODINGS.builtin()
TRUSTED = (Status.SCORED, Status.UNSCORABLE)
FORMS = ('mono8', 'mono16', '16UC1', '32FC1', 'bgr8', 'rgb8', 'rgba8', '8UC4')
SHAPES = ((1, 1), (2, 3), (1, 64), (16, 16), (31, 33), (32, 64), (64, 128), (64, 128), (128, 96))


def a_street(rng, height, width):
    """Return (labels, instances) of a street with a few things in it."""
    labels, instances = street(width, height)
    for number in range(rng.integers(0, 5)):
        name = str(rng.choice(['person', 'car', 'bicycle', 'pole', 'bus', 'sky']))
        put(
            labels,
            instances,
            name,
            number,
            int(rng.integers(height)),
            int(rng.integers(width)),
            int(rng.integers(1, height + 1)),
            int(rng.integers(1, width + 1)),
        )
    return labels, instances


def a_map(rng, labels, instances):
    """
    Return a map of any kind, of a street or not, whether it is noise, and its encoding.

    The map is uint8 or uint16 (H, W), or RGB (H, W, 3).
    """
    height, width = labels.shape
    kind = rng.integers(12)
    if kind == 0:
        return rng.integers(0, 256, (height, width), np.uint8), True, ''
    if kind == 1:
        return rng.integers(1, 29, (height, width), np.uint8), True, ''
    if kind == 2:
        colors = np.array([color for _, _, color in recoded.CARLA.values()], np.uint8)
        return colors[rng.integers(0, len(colors), (height, width))], True, ''
    if kind == 3:
        return rng.integers(0, 256, (height, width, 3), np.uint8), True, ''
    if kind == 4:
        return np.full((height, width), rng.integers(256), np.uint8), False, ''
    if kind == 5:
        return instances, False, ''
    if kind == 6:
        # Blended: a palette brought to another size as if it were a picture.
        colors = recoded.palette(recoded.tags(labels))
        return cv2.resize(colors, (width, height + 7), interpolation=cv2.INTER_LINEAR), False, ''
    every = recoded.every(labels)
    name = str(rng.choice(list(every)))
    return every[name], False, name


def a_message(rng, pixels):
    """Return a message with a map in it, mostly in an encoding that can hold it."""
    if pixels.ndim == 3:
        form = str(rng.choice(['rgb8', 'bgr8']))
        return image(pixels if form == 'rgb8' else pixels[:, :, ::-1], form, NANO)
    message = image(pixels, 'mono8' if pixels.dtype == np.uint8 else 'mono16', NANO)
    if rng.random() < 0.15:
        message.encoding = str(rng.choice(FORMS))
        message.width = message.step // {'mono16': 2, '16UC1': 2, '32FC1': 4, 'rgba8': 4}.get(
            message.encoding, 3 if '8' in message.encoding and message.encoding[0] != 'm' else 1
        )
    return message


def other_maps(rng, instances):
    """Return {part: message} of some of the maps beside the labels, of any size and content."""
    found = {}
    if rng.random() < 0.2:
        _, instances = a_street(rng, *(int(n) for n in rng.choice([1, 7, 32, 64, 128], 2)))
    height, width = instances.shape
    noise = rng.integers(0, 65536, (height, width), np.uint16)
    constant = np.full((height, width), rng.choice([0, 1, 26, 26001, 65535]), np.uint16)
    if rng.random() < 0.6:
        chosen = (instances, instances, noise, constant)[rng.integers(4)]
        found['instances'] = image(chosen, 'mono16', NANO)
    if rng.random() < 0.6:
        metres = rng.choice([np.nan, np.inf, -1.0, 0.0, 3.0, 1e30], (height, width))
        found['depth'] = (
            image((noise, constant)[rng.integers(2)], '16UC1', NANO)
            if rng.random() < 0.5
            else image(metres.astype(np.float32), '32FC1', NANO)
        )
    if rng.random() < 0.5:
        covered = (noise > 30000, constant > 0)[rng.integers(2)]
        found['occluder'] = image(covered.astype(np.uint8) * 255, 'mono8', NANO)
    if rng.random() < 0.7:
        mask = (rng.integers(0, 19, (height, width)), constant % 19)[rng.integers(2)]
        found['segmentation'] = image(mask.astype(np.uint8), 'mono8', NANO)
    return found


def a_camera(rng):
    if rng.random() < 0.5:
        return None
    f, c, height = (
        float(rng.choice(n)) for n in ([1e-3, 60, 1e5], [-1e4, 16, 1e4], [0.1, 1.2, 9])
    )
    return Camera(64, 32, f, f, c, c, height, float(rng.choice([-1.5, 0.0, 0.038, 1.5])))


def numbers(value):
    """Yield every number in plain data."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        if isinstance(value, (int, float)):
            yield value
        return
    for inner in value:
        yield from numbers(inner)


def score(rng):
    """Return (record of a frame with any maps, whether its labels are noise), or None."""
    height, width = SHAPES[rng.integers(len(SHAPES))]
    labels, instances = a_street(rng, height, width)
    pixels, noise, name = a_map(rng, labels, instances)
    if not name or rng.random() < 0.3:
        name = str(rng.choice(NAMES))
    context = Context(open_encoding(name), 1.22, 0.038)
    messages = {'labels': a_message(rng, pixels), **other_maps(rng, instances)}
    view = ((0.0, 0.0, 1.0, 1.0), (0.3, 0.3, 0.31, 0.31), (0.0, 0.5, 1.0, 1.0))[rng.integers(3)]
    said = {'car': Mention.ASSERTED, 'person': Mention.DENIED}
    parts = {
        'condition': Applied(Condition('occlusion', 3), 1, covers='occluder' in messages),
        'vlm:m': Description('m', Kind.GENERATIVE, 'A car.', said, view=view),
    }
    for part, message in messages.items():
        try:
            parts[part] = read(CHANNELS[part], message, context)
        except RecordError:
            # Only what a message cannot hold is no map at all.
            assert part != 'labels' or not message.width or message.encoding in FORMS[3:]
    evaluator = Evaluator(
        EvaluationParameters(
            models=('m',), source=False, confidence=False, segmentation_classes=CLASSES, pictures=0
        )
    )
    found = evaluator.evaluate(Joined(NANO, parts, (), Closing.COMPLETE), a_camera(rng))
    return parts, found, noise and min(height, width) >= 16


def play(cases):
    """Score maps of any kind, once a number; return how often each state came."""
    states = {}
    for number in cases:
        parts, found, noise = score(case('maps', number))
        record = found.record
        assert 'could not be evaluated' not in (record.problem or ''), (number, record.problem)
        assert decode(encode(record), 'again') == record, number
        plain = msgspec.to_builtins(record)
        assert all(math.isfinite(n) for n in numbers(plain)), number
        status = record.models['m'].status
        states[status] = states.get(status, 0) + 1
        assert status in (TRUSTED if 'labels' in parts else (Status.UNMATCHED,)), (number, status)
        assert not (noise and status is Status.SCORED), number
        if status is not Status.SCORED:
            assert record.truth is None and record.models['m'].score is None, number
            assert record.problem or 'labels' not in parts, number
            assert found.counts == {} and found.confusion is None, number
            continue
        counts = found.counts['m']
        assert all(n >= 0 for n in numbers(msgspec.to_builtins(counts))), number
        assert counts.hallucinated <= counts.assertions and counts.omitted <= counts.required
        if found.confusion is not None:
            assert found.confusion.min() >= 0
            assert found.confusion.sum() <= parts['labels'].labels.size, number
    return states


def test_any_map_is_scored_or_not_and_says_why():
    states = play(range(150))
    assert states[Status.SCORED] > 20 and states[Status.UNSCORABLE] > 40, states


@pytest.mark.slow
def test_thousands_of_maps_are_scored_or_not_and_say_why():
    states = play(range(150, 3150))
    assert states[Status.SCORED] > 200 and states[Status.UNSCORABLE] > 1000, states
