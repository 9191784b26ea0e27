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

"""Answers of a node outside, from the bag in which they were recorded."""

import pytest

from golden.replaying import _STORE, values_message
from vlm_misalign_ros.bags.analyse import analyse
from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.records.account import AccountingRecord
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
from vlm_misalign_ros.core.types import Applied, Condition
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec
from vlm_misalign_ros.wire.outside import MOST_BYTES

SECOND = 1_000_000_000
STRING, VALUES = 'std_msgs/msg/String', 'diagnostic_msgs/msg/DiagnosticArray'
THEIRS = '{"name": "m", "topic": "/said", "rule": "published", "tolerance": 0.1}'
CHOSEN = EvaluationParameters(
    models=('m',), outside=(THEIRS,), source=False, segmentation=False, pictures=0, truth=False
)
_AROUND = 4 + 4 + 1
"""Bytes of a String in CDR beside those of its text: head, length, the zero at its end."""


@pytest.mark.parametrize('more, refused', [(0, 0), (1, 1)])
def test_a_message_is_refused_beyond_the_size_that_is_refused_live(tmp_path, more, refused):
    writer = BagWriter(tmp_path / 'bag', 'none')
    condition = '/' + topics.DEGRADED_CONDITION
    writer.add_topic(condition, VALUES)
    writer.add_topic('/said', STRING)
    applied = codec.applied_to_values(Applied(Condition('low_light', 2), 1))
    for stamp in (1 * SECOND, 21 * SECOND):
        message = values_message(applied, stamp)
        writer.write(condition, bytes(_STORE.serialize_cdr(message, VALUES)), stamp)
        text = 'A car.'.ljust(MOST_BYTES - _AROUND + more)
        data = bytes(_STORE.serialize_cdr(_STORE.types[STRING](text), STRING))
        assert len(data) == MOST_BYTES + more
        writer.write('/said', data, stamp)
    writer.close()
    verdict = analyse(tmp_path / 'bag', tmp_path / 'out', CHOSEN)
    records = read_records(tmp_path / 'out' / RECORDS)
    (total,) = [record for record in records if isinstance(record, AccountingRecord)]
    assert total.frames.get('malformed', 0) == 2 * refused
    told = [note for note in verdict.notes if f'has {MOST_BYTES + more} bytes' in note]
    assert len(told) == refused
