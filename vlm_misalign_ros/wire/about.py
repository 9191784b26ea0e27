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

"""What a data set says of a frame, in the values of `camera/source`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vlm_misalign_ros.core.about import NOTHING, About
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import BY_NAME
from vlm_misalign_ros.core.language.lines import MOST_RECORDED, line, recorded
from vlm_misalign_ros.wire.scalars import loads

_LACKING, _MERGED, _RECORDED = 'lacking', 'merged', 'recorded'


def about_to_values(about: About) -> dict[str, str]:
    """Return the pairs that say it; none where there is nothing to say."""
    told: dict[str, Any] = {
        _LACKING: list(about.lacking),
        _MERGED: {name: list(others) for name, others in about.merged},
        _RECORDED: dict(recorded(about.recorded)),
    }
    return {key: json.dumps(value) for key, value in told.items() if value}


def about_from_values(values: Mapping[str, str]) -> About:
    """Read what `about_to_values` gave; RecordError names a value that is none of it."""
    lacking = _labels(loads(values, _LACKING, []), _LACKING)
    merged = loads(values, _MERGED, {})
    told = loads(values, _RECORDED, {})
    if not isinstance(merged, dict) or not isinstance(told, dict):
        key = _RECORDED if isinstance(merged, dict) else _MERGED
        raise RecordError(f'message value {key!r} is no JSON object: {values[key][:80]!r}')
    names = _labels(list(merged), _MERGED)
    others = [_labels(entry, _MERGED) for entry in merged.values()]
    if len(told) > MOST_RECORDED or not all(isinstance(value, str) for value in told.values()):
        raise RecordError(
            f'message value {_RECORDED!r} is {values[_RECORDED][:80]!r}',
            f'expected at most {MOST_RECORDED} texts by name',
        )
    found = About(lacking, tuple(zip(names, others, strict=True)), recorded(told.items()))
    return NOTHING if found == NOTHING else found


def _labels(names: Any, key: str) -> tuple[str, ...]:
    if not isinstance(names, list):
        raise RecordError(f'message value {key!r} has {line(str(names), 80)!r}, no list of labels')
    for name in names:
        if not isinstance(name, str) or name not in BY_NAME:
            raise RecordError(
                f'message value {key!r} has {line(str(name), 80)!r}',
                'expected names of Cityscapes labels',
            )
    return tuple(names)
