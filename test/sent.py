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

"""What tests send to real nodes: sources, a scenario, all parts of a frame."""

import numpy as np

from vlm_misalign_ros.core.types import (
    Applied,
    Condition,
    Description,
    Judgement,
    Kind,
    Mention,
    Source,
)
from vlm_misalign_ros.nodes import messages
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec

LABELS = np.full((64, 128), 7, np.uint8)
LABELS[20:60, 50:70] = 24
INSTANCES = LABELS.astype(np.uint16)
INSTANCES[LABELS == 24] = 24000


def scenario(folder):
    """Return the path of a scenario: clean for .4 s, two at once for .4 s, clean."""
    path = folder / 'scenario.yaml'
    path.write_text(
        '- {condition: clean, seconds: 0.4}\n'
        '- {condition: "low_light:2 + motion_blur:1", seconds: 0.4}\n'
        '- {condition: clean}\n'
    )
    return str(path)


def source_message(stamp, condition, key='k_000000_000000'):
    return messages.values_message(
        'source',
        codec.source_to_values(Source('d', 's', key, 0, 1, 0, condition)),
        messages.make_header(stamp, 'front'),
    )


def strange_source(stamp, **values):
    pairs = codec.source_to_values(Source('d', 's', 'k', 0, 1, 0, Condition('low_light', 2)))
    return messages.values_message(
        'source', {**pairs, **values}, messages.make_header(stamp, 'front')
    )


def parts_of(stamp, answer=None, condition='clean'):
    """Return {topic: message} of one frame with a person straight ahead."""
    header = messages.make_header(stamp, 'front')
    name, _, severity = condition.partition(':')
    applied = Applied(Condition(name, int(severity or 0)), 1)
    answer = answer or Description(
        'm',
        Kind.GENERATIVE,
        'a person',
        {'person': Mention.ASSERTED, 'bus': Mention.ASSERTED},
        judgement=Judgement.SAFE,
    )
    return {
        topics.TRUTH_LABELS: messages.image_message(LABELS, header, 'mono8'),
        topics.TRUTH_INSTANCES: messages.image_message(INSTANCES, header, 'mono16'),
        topics.DEGRADED_CONDITION: messages.values_message(
            'condition', codec.applied_to_values(applied), header
        ),
        topics.SEGMENTATION_LABELS: messages.image_message(np.zeros_like(LABELS), header, 'mono8'),
        topics.SEGMENTATION_CONFIDENCE: messages.values_message(
            'confidence', {'entropy': '0.25', 'confidence': '0.5', 'entropy/car': '0.75'}, header
        ),
        topics.vlm_description('m'): messages.values_message(
            'vlm', codec.description_to_values(answer), header
        ),
    }
