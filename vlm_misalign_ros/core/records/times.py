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

"""What of results and of records are times: never part of what is compared or told apart."""

from __future__ import annotations

from typing import Any

from vlm_misalign_ros.core.settings.outside import ARRIVAL

IN_RESULTS = ('latency', 'waited', 'age', 'cached', 'placing')
"""Fields of what comes in: a looped recording has the same frame described in other times."""
IN_RECORDS = ('timing',)
"""Fields of a frame's record."""


def without_times(frame: dict[str, Any]) -> dict[str, Any]:
    """
    Return a frame's record, which is plain data, without its times.

    How an answer from outside was joined stays, and by how much its stamp lies beside the
    picture's. By arrival that is how long its node took, which no two runs have alike.
    """
    found = {key: value for key, value in frame.items() if key not in IN_RECORDS}
    found['models'] = {name: _joined(entry) for name, entry in frame['models'].items()}
    return found


def _joined(model: dict[str, Any]) -> dict[str, Any]:
    answer = model.get('answer') or {}
    placing = answer.get('placing') or {}
    if placing.get('time') != ARRIVAL:
        return model
    kept = {key: value for key, value in placing.items() if key != 'seconds'}
    return {**model, 'answer': {**answer, 'placing': kept}}
