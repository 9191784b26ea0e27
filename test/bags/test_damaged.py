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

"""Bags of which something is lost."""

import json
import re
import shutil

import pytest
import yaml

from golden import replaying
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.app.labels import from_bag
from vlm_misalign_ros.bags.analyse import analyse
from vlm_misalign_ros.bags.reading import open_bag
from vlm_misalign_ros.bags.recovering import recover
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.records.schema import Closing, FrameRecord
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.report.verdict import Status

pytestmark = pytest.mark.heavy

MESSAGES = 12 * 10 + 4
"""Ten a frame, and what covers those under occlusion."""


@pytest.fixture(scope='module')
def sound(tmp_path_factory):
    """Return a live bag of twelve frames, in several chunks."""
    return replaying.write_bag(tmp_path_factory.mktemp('sound') / 'bag', live=True)


@pytest.fixture
def bag(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / 'bag')


def scored(folder):
    """Return the stamps of the frames of which nothing is missing."""
    frames = [r for r in read_records(folder / RECORDS) if isinstance(r, FrameRecord)]
    return [frame.stamp for frame in frames if frame.closed is Closing.COMPLETE]


def test_what_is_whole_of_a_damaged_bag_is_scored(bag, tmp_path):
    """What stands behind a damaged chunk is as good as what stands before it."""
    whole = analyse(bag, tmp_path / 'whole', replaying.parameters())
    assert whole.status is Status.COMPLETE
    data = bag / 'bag_0.mcap'
    held = bytearray(data.read_bytes())
    held[len(held) // 2] ^= 1
    data.write_bytes(held)
    found = analyse(bag, tmp_path / 'out', replaying.parameters())
    assert (found.status, found.exit_code) == (Status.INVALID, 3)
    assert any('a chunk of bag_0.mcap at byte' in reason for reason in found.reasons)
    before, after = scored(tmp_path / 'whole'), scored(tmp_path / 'out')
    assert len(after) < len(before) == 12 and set(after) < set(before)
    assert after[0] == before[0] and after[-1] == before[-1]
    ending = json.loads((tmp_path / 'out' / 'ending.json').read_text())
    assert re.search(r'Lost: \d+ messages, 0\.\d+ s', ending['failure'])


def test_a_bag_that_holds_fewer_messages_than_it_tells_is_not_whole(bag, tmp_path):
    metadata = bag / 'metadata.yaml'
    told = yaml.safe_load(metadata.read_text())
    topics = told['rosbag2_bagfile_information']['topics_with_message_count']
    entry = next(t for t in topics if t['topic_metadata']['name'] == '/ground_truth/labels')
    entry['message_count'] += 1
    metadata.write_text(yaml.safe_dump(told))
    found = analyse(bag, tmp_path / 'out', replaying.parameters())
    assert found.status is Status.INVALID
    message = 'the bag holds 12 messages of /ground_truth/labels, and tells of 13'
    assert any(message in reason for reason in found.reasons)


def cut(bag, at):
    data = bag / 'bag_0.mcap'
    data.write_bytes(data.read_bytes()[:at])


def spoil(key, value):
    def change(bag):
        metadata = bag / 'metadata.yaml'
        told = yaml.safe_load(metadata.read_text())
        told['rosbag2_bagfile_information'][key] = value
        metadata.write_text(yaml.safe_dump(told))

    return change


def zeroed(bag):
    """Spoil the index: its first record is one of no type."""
    data = bag / 'bag_0.mcap'
    held = bytearray(data.read_bytes())
    held[-4000:-60] = bytes(3940)
    data.write_bytes(held)


def test_a_bag_whose_index_is_spoilt_or_cut_is_read_from_its_beginning(bag, tmp_path):
    for number, change in enumerate((zeroed, lambda bag: cut(bag, -1))):
        folder = shutil.copytree(bag, tmp_path / str(number) / 'bag')
        change(folder)
        found = analyse(folder, tmp_path / f'out{number}', replaying.parameters())
        # Nothing is lost, and somebody changed it: whatever that was, it is no sound bag.
        assert found.status is Status.INVALID and len(scored(tmp_path / f'out{number}')) == 12
        assert any('Lost: 0 messages' in reason for reason in found.reasons)


BEYOND = (10**400, -1, 1 << 62, 1.5, float('inf'), float('nan'), True, 'x', [1], None)


@pytest.mark.parametrize('value', BEYOND, ids=lambda value: str(value)[:5])
def test_times_and_counts_of_metadata_that_are_none_are_not_taken(value, bag):
    """What is lost is told in numbers that can be, whatever stands for them."""
    metadata = bag / 'metadata.yaml'
    told = yaml.safe_load(metadata.read_text())
    entry = {
        'path': 'other.mcap',
        'starting_time': {'nanoseconds_since_epoch': 10},
        'duration': {'nanoseconds': 5 * 10**8},
        'message_count': 7,
    }
    changed = {'message_count': value}, {'duration': {'nanoseconds': value}}
    expected = ['other.mcap is missing (7 messages, 0.500 s)']
    for change in ({}, *changed, {'starting_time': {'nanoseconds_since_epoch': value}}):
        told['rosbag2_bagfile_information'] |= {
            'relative_file_paths': ['bag_0.mcap', 'other.mcap'],
            'files': [{**entry, **change}],
            'duration': {'nanoseconds': value} if change else {'nanoseconds': 0},
        }
        metadata.write_text(yaml.safe_dump(told))
        with open_bag(bag) as found:
            assert sum(1 for _ in found.messages()) == MESSAGES
            assert [str(loss) for loss in found.losses] == expected
            assert found.told().startswith(expected[0])
        expected = ['other.mcap is missing']


def test_what_is_told_of_names_steers_no_terminal_and_is_bounded(bag):
    metadata = bag / 'metadata.yaml'
    told = yaml.safe_load(metadata.read_text())
    information = told['rosbag2_bagfile_information']
    information['relative_file_paths'] += ['a\x1b[31m\u202e.mcap']
    information['topics_with_message_count'] += [
        {
            'message_count': 7,
            'topic_metadata': {'name': f'/\x1b]0;{"x" * 9000}', 'type': 'a/msg/B'},
        }
    ]
    metadata.write_text(yaml.safe_dump(told))
    (bag / 'b\x1b.mcap').write_bytes(b'')
    with open_bag(bag) as found:
        assert sum(1 for _ in found.messages()) == MESSAGES
        words = [found.told(), *found.faults]
    assert 'a[31m.mcap is missing' in words[0] and '(7 messages)' in words[0]
    assert 'b.mcap' in ' '.join(words[1:])
    for text in words:
        assert text.isprintable() and len(text) < 3000


NAMES = """
nested: &n0 [x, x, x, x, x, x, x, x, x, x]
{nested}
rosbag2_bagfile_information:
  version: *n9
  compression_mode: *n9
  compression_format: *n9
  ros_distro: *n9
  relative_file_paths: [bag_0.mcap, *n9, "{long}", "\\ud800.mcap"]
  topics_with_message_count:
  - message_count: 1
    topic_metadata: {{name: {name}, type: {kind}}}
"""


@pytest.mark.parametrize(
    'name, kind', [('*n9', 'a/msg/B'), ('/a', '*n9'), ('"\\ud800"', 'a/msg/B')]
)
def test_texts_of_metadata_that_are_none_are_not_taken(name, kind, bag, tmp_path):
    """A list of lists of lists has a thousand million parts once it is written out."""
    rows = (f'n{n}: &n{n} [{", ".join([f"*n{n - 1}"] * 10)}]' for n in range(1, 10))
    (bag / 'metadata.yaml').write_text(
        NAMES.format(nested='\n'.join(rows), long='y' * 400, name=name, kind=kind)
    )
    with open_bag(bag) as found:
        assert sum(1 for _ in found.messages()) == MESSAGES
        assert any('is of version unknown' in fault for fault in found.faults)
        assert '?.mcap is missing' in found.told() and 'yyy' not in found.told()
    assert recover(bag, tmp_path / 'out').messages == MESSAGES


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda bag: (bag / 'metadata.yaml').unlink(), 'has no metadata.yaml'),
        (lambda bag: (bag / 'metadata.yaml').write_bytes(b'\xff\xfe: ['), 'was passed over'),
        (lambda bag: (bag / 'metadata.yaml').write_text('7'), 'was passed over'),
        (spoil('version', 'x'), 'is of version x'),
        (spoil('topics_with_message_count', [None]), 'does not tell how many'),
        (spoil('storage_identifier', ''), ''),
        (spoil('relative_file_paths', ['other.mcap']), 'names none of the files'),
    ],
)
def test_what_is_wrong_with_the_metadata_is_said(bag, change, words):
    change(bag)
    with open_bag(bag) as found:
        assert sum(1 for _ in found.messages()) == MESSAGES and found.told() == ''
        assert any(words in fault for fault in found.faults) == bool(words)


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda bag: (bag / 'bag_0.mcap').write_bytes(b''), 'bag_0.mcap is empty'),
        (lambda bag: (bag / 'bag_0.mcap').write_bytes(b'7' * 99), 'is neither MCAP nor SQLite'),
        (lambda bag: (bag / 'bag_0.mcap').unlink(), 'no recording: bag_0.mcap is missing'),
        (lambda bag: cut(bag, 20), 'cannot be read'),
    ],
)
def test_a_bag_that_cannot_be_opened_is_one_line_and_leaves_no_folder(
    bag, tmp_path, capfd, change, words
):
    change(bag)
    assert main(['analyse', str(bag), '--out', str(tmp_path / 'out')]) == 2
    error = capfd.readouterr().err
    lines = [line for line in error.splitlines() if 'vlm-misalign: error: ' in line]
    assert len(lines) == 1 and words in lines[0] and 'Traceback' not in error
    assert not (tmp_path / 'out').exists()


def test_labels_of_a_damaged_bag_are_refused_in_one_line(bag):
    data = bag / 'bag_0.mcap'
    held = bytearray(data.read_bytes())
    held[len(held) // 2] ^= 1
    data.write_bytes(held)
    with pytest.raises(RecordError, match=r'is damaged: a chunk of .* Lost: 2 messages'):
        list(from_bag(bag, '', 20)[1])
