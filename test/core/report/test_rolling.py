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

"""The rates that `run` shows while it goes on."""

import io
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from made import frame_record
from vlm_misalign_ros.app import progress
from vlm_misalign_ros.app.progress import Records, Terminal
from vlm_misalign_ros.core.records.schema import encode
from vlm_misalign_ros.core.records.store import RecordWriter
from vlm_misalign_ros.core.report.rolling import HEAD, LAST, MODELS, Rolling


def a_frame(made_up, condition='clean', models=('m',), status='scored', number=1):
    counts = {'frames': 1, 'assertions': 4, 'hallucinated': made_up}
    entry = {'status': status, 'answer': {}, 'score': {'counts': counts}}
    entry = entry if status == 'scored' else {'status': status}
    return frame_record(
        condition=condition, stamp=f'{number}.000000000', models=dict.fromkeys(models, entry)
    )


def lines_of(frames):
    rolling = Rolling()
    for frame in frames:
        rolling.add(frame)
    return list(rolling.lines())


def test_clean_and_degraded_frames_have_rates_of_their_own():
    assert HEAD.startswith('hallucination / omission / false safe / false alarm')
    frames = [a_frame(0), a_frame(1), a_frame(2, 'low_light:3'), a_frame(4, 'blank')]
    # 1 of 8 and 2 of 4; nothing was required or judged, and the blank control is left out.
    assert lines_of(frames) == ['m  clean .12 / - / - / -   low_light:3 .50 / - / - / -']
    # 2 and 1 of 8.
    several = [a_frame(2, 'low_light:3'), a_frame(1, 'occlusion:1')]
    assert lines_of(several) == ['m  degraded .38 / - / - / -']


@given(st.lists(st.integers(0, 4), min_size=1, max_size=3 * LAST))
def test_the_rates_are_of_the_newest_frames(made_up):
    newest = made_up[-LAST:]
    (line,) = lines_of(map(a_frame, made_up))
    told = float(line.split()[2])
    assert abs(told - sum(newest) / (4 * len(newest))) <= 0.00501


def test_what_was_not_scored_is_in_no_rate_and_of_many_models_some_are_shown():
    assert lines_of([a_frame(4, status='missing')]) == []
    many = lines_of([a_frame(0, models=[f'm{n}' for n in range(MODELS + 2)])])
    assert len(many) == MODELS + 1 and many[-1] == 'and 2 more models'


def test_a_log_has_them_seldom(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    out = io.StringIO()
    terminal = Terminal(10, out)
    for now[0] in range(150):
        terminal.rate('head', lambda: ['m  clean .10'])
    # At 60 and at 120 seconds.
    assert out.getvalue() == 'head:\n  m  clean .10\n' * 2
    terminal.rate('head', lambda: [], last=True)
    assert out.getvalue().count('head') == 2


def test_the_file_of_a_run_gives_every_frame_once(tmp_path):
    taken = []
    path = tmp_path / 'records.jsonl'
    records = Records(path, taken.append)
    writer = RecordWriter(path)
    for number in (1, 2, 3):
        writer.write(a_frame(1, number=number))
        if number == 2:
            assert records.read() == ('clean', 2)
    writer.close()
    assert records.read() == records.read() == ('clean', 3)
    assert [record.stamp[0] for record in taken] == ['1', '2', '3']


def test_records_of_any_size_are_counted_a_line_at_a_time(tmp_path):
    path = tmp_path / 'records.jsonl'
    line = encode(frame_record(condition='low_light:3')) + b'\n'
    path.write_bytes(line * 2000 + line[:50])
    records = Records(path)
    tracemalloc.start()
    try:
        assert records.read() == ('low_light:3', 2000)
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 10
    finally:
        tracemalloc.stop()
    # The line that was being written counts once it is whole.
    with open(path, 'ab') as stream:
        stream.write(line[50:])
    assert records.read() == records.read() == ('low_light:3', 2001)
