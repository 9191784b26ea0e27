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

"""Records made by hand: what a test does not name has a plain value."""

from __future__ import annotations

import json
from typing import Any

from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.records.schema import SCHEMA, FrameRecord, decode


def frame_record(**given: Any) -> FrameRecord:
    """
    Return a frame's record with the given fields, read as from a file.

    `condition` may be its name; `truth`, `segmentation` and the `answer` and `score` of each of
    `models` need name only what matters.
    """
    name = given.pop('condition', 'clean')
    corruption, _, severity = name.partition(':')
    truth = given.pop('truth', {})
    plain = {
        'kind': 'frame',
        'schema': SCHEMA,
        'stamp': '1.000000000',
        'index': 0,
        'dataset': 'd',
        'sequence': '',
        'key': 'k',
        'pass': 0,
        'condition': {
            'corruption': corruption,
            'severity': int(severity or 0),
            'name': name,
            'seed': 1,
            'parameters': {},
        },
        'closed': 'complete',
        'missing': [],
        'truth': truth
        if truth is None
        else {
            'presence': dict.fromkeys(SCORED, 'ABSENT'),
            'visible': None,
            'required': {},
            'objects': 3,
            'hazard': 'CLEAR',
            'nearest': None,
            'nearest_class': None,
            'distance_source': 'flat ground',
            'sweep': {'3.00 m x 20.0 m': truth.get('hazard', 'CLEAR')},
            **truth,
        },
        'segmentation': {
            'status': 'scored',
            'frame_iou': 0.9,
            'confidence': None,
            'cells': [],
            **given.pop('segmentation', {}),
        },
        'models': {name: _model(entry) for name, entry in given.pop('models', {}).items()},
        'timing': {'model_seconds': {}},
        **given,
    }
    return decode(json.dumps(plain).encode(), 'a record made by hand')


def _model(entry: dict[str, Any]) -> dict[str, Any]:
    if entry['status'] != 'scored':
        return entry
    return {
        'status': 'scored',
        'answer': {
            'kind': 'generative',
            'text': '',
            'mentions': {},
            'scores': {},
            'judgement': 'SAFE',
            'judgement_score': None,
            'prompt_id': 'default',
            'truncated': False,
            'view': [0.0, 0.0, 1.0, 1.0],
            **entry.get('answer', {}),
        },
        'score': {'counts': {}, 'hallucinated': [], 'omitted': [], **entry.get('score', {})},
    }
