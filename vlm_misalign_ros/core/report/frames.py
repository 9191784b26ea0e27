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

"""The frames of a run that went wrong most, as the report shows them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.evaluation.evaluator import badness
from vlm_misalign_ros.core.records.pictures import picture_name
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.stamps import parse_stamp
from vlm_misalign_ros.core.types import Presence


def worst_frames(folder: Path, frames: Sequence[FrameRecord]) -> list[dict[str, Any]]:
    """
    Return the frames that pictures were kept of, the worst first, as plain data.

    `frames` may have been kept in any order; those without a picture are left out.
    """
    found = []
    for record in frames:
        name = picture_name(parse_stamp(record.stamp))
        picture = folder / 'pictures' / f'{name}.jpg'
        if picture.is_file():
            found.append((badness(record), record, picture))
    found.sort(key=lambda entry: (-entry[0], parse_stamp(entry[1].stamp)))
    shown = []
    for _, record, picture in found:
        mask = picture.with_name(picture.stem + '_mask.jpg')
        states = record.truth.presence if record.truth else {}
        required = [name for name, state in states.items() if state is Presence.REQUIRED]
        shown.append(
            {
                'record': record,
                'required': required,
                'picture': _data(picture),
                'mask': _data(mask) if mask.is_file() else '',
            }
        )
    return shown


def _data(path: Path) -> str:
    try:
        return 'data:image/jpeg;base64,' + base64.b64encode(path.read_bytes()).decode()
    except OSError:
        return ''
