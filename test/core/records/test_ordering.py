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

"""Frames of a records file are put into the order of their stamps; everything else stays."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.records.ordering import order_frames
from vlm_misalign_ros.core.stamps import format_stamp

LINES = st.lists(
    st.tuples(
        st.sampled_from(['frame', 'late', 'gap']), st.integers(0, 2), st.integers(-9, 10**11)
    )
)


@given(LINES)
def test_frames_are_sorted_among_their_places(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp('ordering') / 'records.jsonl'
    made = [
        json.dumps({'kind': kind, 'number': n, 'epoch': epoch, 'stamp': format_stamp(stamp)})
        for n, (kind, epoch, stamp) in enumerate(lines)
    ]
    path.write_text(''.join(line + '\n' for line in made))
    order_frames(path)
    numbers = [json.loads(line)['number'] for line in path.read_text().splitlines()]
    frames = [n for n, (kind, *_) in enumerate(lines) if kind == 'frame']
    wanted = iter(sorted(frames, key=lambda n: lines[n][1:]))
    assert numbers == [next(wanted) if n in frames else n for n in range(len(lines))]
    assert [entry.name for entry in path.parent.iterdir()] == ['records.jsonl']


@pytest.mark.parametrize(
    'line', ['{"kind":"frame"}', '{"kind":"frame","stamp":"soon"}', 'x', '[1]', '{"stamp":"1.0"}']
)
def test_a_line_that_is_no_record_is_named(tmp_path, line):
    path = tmp_path / 'records.jsonl'
    path.write_text(line + '\n')
    with pytest.raises(RecordError, match='holds a line that is no record'):
        order_frames(path)
    assert path.read_text() == line + '\n'
