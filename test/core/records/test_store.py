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

"""Record files: written whole, read back, refused where they are damaged or of another version."""

import errno
import fcntl
import json
import os
import re
import subprocess
import sys

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden import replaying
from made import frame_record
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.records import document
from vlm_misalign_ros.core.records.schema import (
    SCHEMA,
    AccountingRecord,
    LateRecord,
    RunRecord,
    decode,
    encode,
    to_plain,
)
from vlm_misalign_ros.core.records.store import RecordWriter, difference, keep_frames, read_records


def frame(stamp, text='a car', **more):
    scored = {'status': 'scored', 'answer': {'text': text}, 'score': {'counts': {'frames': 1}}}
    return frame_record(
        **{
            'stamp': f'{stamp}.000000000',
            'key': f'key_{stamp}',
            'models': {'m': scored},
            'timing': {'model_seconds': {'m': 0.1 * stamp}},
            **more,
        }
    )


def write(folder, records):
    writer = RecordWriter(folder / 'records.jsonl')
    for record in records:
        writer.write(record)
    writer.close()
    return folder / 'records.jsonl'


def test_what_is_written_is_read_and_an_existing_file_is_left_alone(tmp_path):
    records = [frame(1), frame(2, text='ü\n\u2028"')]
    path = write(tmp_path, records)
    assert list(read_records(path)) == records
    with pytest.raises(RecordError, match='exists'):
        RecordWriter(path)


@pytest.mark.parametrize('code', [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_a_file_system_has_no_locks_records_are_written_all_the_same(
    tmp_path, monkeypatch, code
):
    def flock(file, how):
        raise OSError(code, 'none')

    monkeypatch.setattr(fcntl, 'flock', flock)
    assert list(read_records(write(tmp_path, [frame(1)]))) == [frame(1)]


def test_over_a_network_a_lock_is_asked_for_by_who_may_write(tmp_path, monkeypatch):
    def flock(file, how):
        # As of NFS: an exclusive lock is for a file that is open for writing.
        if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, 'Bad file descriptor')

    monkeypatch.setattr(fcntl, 'flock', flock)
    path = write(tmp_path, [frame(1, index=0), frame(2, index=1)])
    keep_frames(path, {1})
    assert list(read_records(path)) == [frame(2, index=1)]


@given(st.integers(0, 10**6))
def test_a_file_cut_anywhere_yields_its_whole_records(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp('cut')
    records = [frame(stamp) for stamp in (1, 2, 3)]
    path = write(folder, records)
    data = path.read_bytes()
    path.write_bytes(data[: cut % (len(data) + 1)])
    found = list(read_records(path))
    assert found == records[: path.read_bytes().count(b'\n')]


def test_a_damaged_line_is_named(tmp_path):
    path = write(tmp_path, [frame(1), frame(2)])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"kind": fra\n' + lines[1])
    with pytest.raises(RecordError, match='line 2 is no record'):
        list(read_records(path))
    path.write_bytes(b'[1]\n')
    with pytest.raises(RecordError, match='line 1 is no record'):
        list(read_records(path))
    with pytest.raises(RecordError, match='cannot be read'):
        list(read_records(tmp_path / 'none'))


FULL = """
import sys
from pathlib import Path

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.records.schema import LateRecord
from vlm_misalign_ros.core.records.store import RecordWriter
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = RecordWriter(Path(sys.argv[1]))
try:
    for number in range(1000):
        writer.write(LateRecord(f'{number}.000000000', 'x' * 300))
except RecordError as error:
    print(error)
"""


def test_on_a_full_disk_no_half_line_is_left(tmp_path):
    path = tmp_path / 'records.jsonl'
    done = subprocess.run(
        [sys.executable, '-c', FULL, str(path)], capture_output=True, text=True, check=True
    )
    assert 'cannot be written: File too large' in done.stdout
    assert path.read_bytes().endswith(b'\n')
    assert len(list(read_records(path))) > 5


def test_differences_name_frame_and_field_and_times_are_none(tmp_path):
    for name in 'abc':
        (tmp_path / name).mkdir()
    first = write(tmp_path / 'a', [frame(1), frame(2)])
    other = frame(2, timing={'model_seconds': {'m': 9.9}})
    assert difference(first, write(tmp_path / 'b', [other, frame(1)])) == []
    other = frame(2, text='a bus')
    found = difference(first, write(tmp_path / 'c', [other]))
    assert any('models.m.answer.text' in line and 'a bus' in line for line in found)
    assert any('only in' in line for line in found)


def test_two_empty_files_are_not_called_identical(tmp_path):
    (tmp_path / 'a').write_text('')
    assert difference(tmp_path / 'a', tmp_path / 'a')


# Versions ------------------------------------------------------------------------------------


def test_another_version_is_named_with_what_to_do(tmp_path):
    old = {'kind': 'frame', 'schema': 2, 'stamp': '1.000000000', 'models': {}}
    newer = {**to_plain(frame(1)), 'schema': SCHEMA + 1}
    start = to_plain(RunRecord(2, 'run', ['m']))
    for plain, version in ((old, 2), (newer, SCHEMA + 1), (start, 2)):
        path = tmp_path / 'records.jsonl'
        path.write_text(json.dumps(plain) + '\n')
        with pytest.raises(RecordError, match=f'line 1 has the schema {version}.* reads {SCHEMA}'):
            list(read_records(path))


@pytest.mark.parametrize(
    'change, words',
    [
        ({'closed': 'sometime'}, 'sometime'),
        ({'index': 'first'}, 'Expected `int | null`'),
        ({'models': {'m': {'status': 'ok'}}}, "Invalid enum value 'ok'"),
        ({'truth': {}}, 'missing required field'),
        ({'kind': 'dragon'}, 'dragon'),
    ],
)
def test_a_record_with_a_wrong_value_is_named(change, words):
    line = json.dumps({**to_plain(frame(1)), **change}).encode()
    with pytest.raises(RecordError, match='file x, line 7 is no record') as caught:
        decode(line, 'file x, line 7')
    assert words in str(caught.value)


@pytest.mark.parametrize('counts', [{'luck': 1}, {'frames': 1.5}, {'frames': True}])
def test_counts_are_counts(counts):
    plain = to_plain(frame(1))
    plain['models']['m']['score']['counts'] = counts
    with pytest.raises(RecordError, match='is no record'):
        decode(json.dumps(plain).encode(), 'x')


def test_what_could_not_be_read_again_is_not_written(tmp_path):
    record = frame(1)
    wrong = msgspec.structs.replace(record, timing=type(record.timing)({'m': float('nan')}))
    writer = RecordWriter(tmp_path / 'records.jsonl')
    writer.write(record)
    with pytest.raises(RecordError, match='cannot be written: Expected `float`, got `null`'):
        writer.write(wrong)
    writer.close()
    assert list(read_records(tmp_path / 'records.jsonl')) == [record]


# The schema that is shipped ------------------------------------------------------------------


def test_the_schema_and_the_tables_are_those_of_the_types():
    assert json.loads(document.SCHEMA_FILE.read_text()) == document.json_schema()
    docs = document.PACKAGE.parent / 'docs' / 'data.md'
    if not docs.is_file():
        pytest.skip('docs/data.md comes with the source tree only')
    assert document.tables() in docs.read_text()


def test_every_type_that_a_table_leads_to_has_a_table():
    linked = set(re.findall(r'\[(\w+)\]\(#', document.tables()))
    assert linked and linked <= {kind.__name__ for kind in document.DOCUMENTED}


def test_records_are_what_the_schema_says():
    schema = json.loads(document.SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    others = [
        RunRecord(SCHEMA, 'run', ['m']),
        LateRecord('1.000000000', 'vlm:m'),
        AccountingRecord({'m': {'scored': 1}}, {}, {}),
    ]
    golden = replaying.frames_of(replaying.HERE / 'records.jsonl.gz')
    for record in (*golden, *(json.loads(encode(record)) for record in others)):
        validator.validate(record)
    wrong = {**golden[0], 'closed': 'sometime'}
    assert not validator.is_valid(wrong)
