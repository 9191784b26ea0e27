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

"""A bag cut anywhere, or with a byte flipped: what is whole comes out, and the loss is told."""

import re
import shutil

import numpy as np
import pytest
from mcap.reader import make_reader
from recorded import SECOND, metadata, some_messages, write_mcap, write_metadata, write_sqlite

from vlm_misalign_ros.bags.reading import open_bag
from vlm_misalign_ros.core.errors import RecordError

FAST, SLOW = range(20), range(20, 220)
KINDS = ('mcap', 'db3')
LOST = re.compile(r'Lost: (?:at least )?(\d+|an unknown number of) messages')


@pytest.fixture(scope='module')
def sound(tmp_path_factory):
    """Return {kind: (folder of a sound bag, its file, what is in it)}."""
    found = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind) / 'bag'
        messages = some_messages()
        file = folder / f'bag_0.{kind}'
        (write_mcap if kind == 'mcap' else write_sqlite)(file, messages)
        write_metadata(folder, metadata({file.name: messages}))
        found[kind] = folder, file, messages
    return found


def spoilt(sound, kind, folder, change, told=True):
    """Return a copy of the sound bag whose file is `change` of its bytes."""
    whole, file, _ = sound[kind]
    shutil.copytree(whole, folder)
    (folder / file.name).write_bytes(change(file.read_bytes()))
    if not told:
        (folder / 'metadata.yaml').unlink()
    return folder


def read(folder):
    """Return (messages, what was lost); ([], the refusal) for a bag that is refused."""
    try:
        with open_bag(folder) as bag:
            found = [(raw.topic, raw.arrival, raw.data) for raw in bag.messages()]
            return found, bag.told(), bag.losses
    except RecordError as error:
        assert '\n' not in str(error) and str(folder) in str(error)
        return [], str(error), None


def flipped(rng):
    def change(data):
        at = int(rng.integers(len(data)))
        change.at = at
        return data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1 :]

    return change


def cut(rng):
    def change(data):
        change.at = int(rng.integers(len(data)))
        return data[: change.at]

    return change


def chunk_ends(file):
    """Return (last arrival, where the chunk ends) of the chunks, by mcap's own reader."""
    with open(file, 'rb') as stream:
        summary = make_reader(stream).get_summary()
    return [
        (entry.message_end_time, entry.chunk_start_offset + entry.chunk_length)
        for entry in summary.chunk_indexes
    ]


def before(sound, kind, at):
    """Return the messages that lie whole before a byte of the file."""
    _, file, messages = sound[kind]
    if kind == 'mcap':
        last = max((time for time, end in chunk_ends(file) if end <= at), default=-1)
        return [message for message in messages if message.arrival <= last]
    # A row begins on the page of its table, and goes on on pages of its own, in order.
    pages = file.read_bytes()[: at // 4096 * 4096]
    return [m for m in messages if m.data[:24] in pages and m.data[-24:] in pages]


def check(sound, kind, spoil, number, tmp_path):
    """Spoil the bag and read it; return how many messages were lost."""
    rng = np.random.default_rng([3, KINDS.index(kind), number, spoil is cut])
    change = spoil(rng)
    told = number % 3 > 0
    folder = spoilt(sound, kind, tmp_path / f'{spoil.__name__}{number}', change, told)
    messages = sound[kind][2]
    found, text, losses = read(folder)
    case = (kind, spoil.__name__, number, change.at, text)
    lost = len(messages) - len(found)
    exact = kind == 'mcap' or spoil is cut
    if exact:
        # SQLite has no checksums: a flipped byte of a message is one of its bytes.
        assert found == [message for message in messages if message in found], case
        assert set(before(sound, kind, change.at)) <= set(found), case
    else:
        assert len(set(messages) - set(found)) <= 60 and lost < 60, case
    if lost and told:
        assert text, case
        count = LOST.search(text)
        if losses is not None:
            assert count and int(count[1]) == lost, case
    if lost and not told and exact:
        assert text, case
    if lost and told and spoil is cut and losses and found:
        end = messages[-1].arrival
        spans = [loss for loss in losses if loss.end == end]
        assert spans and min(loss.start for loss in spans) == found[-1][1], case
        assert f'{(end - found[-1][1]) / SECOND:.3f} s' in text, case
    shutil.rmtree(folder)
    return lost


def play(sound, kind, spoil, numbers, tmp_path):
    lost = [check(sound, kind, spoil, number, tmp_path) for number in numbers]
    # Else nothing was put to the test.
    hit = sum(count > 0 for count in lost)
    assert min(lost) < 60 and (hit > len(lost) // 3 or (kind, spoil) == ('db3', flipped)), lost


@pytest.mark.parametrize('spoil', [cut, flipped])
@pytest.mark.parametrize('kind', KINDS)
def test_what_is_whole_comes_out_and_the_loss_is_told(sound, kind, spoil, tmp_path):
    play(sound, kind, spoil, FAST, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize('spoil', [cut, flipped])
@pytest.mark.parametrize('kind', KINDS)
def test_of_hundreds_what_is_whole_comes_out_and_the_loss_is_told(sound, kind, spoil, tmp_path):
    play(sound, kind, spoil, SLOW, tmp_path)


@pytest.mark.parametrize('kind', KINDS)
def test_the_sound_bag_loses_nothing(sound, kind):
    folder, file, messages = sound[kind]
    assert read(folder) == (messages, '', [])
    assert read(file) == (messages, '', [])
