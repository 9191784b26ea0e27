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

"""Bags that bad disks and killed writers leave: scored for what is left in them, or refused."""

import json
import shutil

import pytest
import yaml
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from fuzz.command import call, case
from fuzz.spoiling import spoil_bytes
from golden import replaying
from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.records.store import RECORDS, comparable, read_records

pytestmark = pytest.mark.heavy

CONFIG = {
    'vlms': {name: {'model': f'miniature:{name}'} for name in replaying.MODELS},
    'segmentation': {'model': 'miniature:segformer'},
    'monitor': {
        'limits': ['hallucination_rate <= 1'],
        'minimum_coverage': 1.0,
        'minimum_scenes': 1,
        'pictures': 0,
    },
    'replay': {'dataset': str(replaying.SCENES)},
}


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    """Return a sound bag that tells no number of frames, how its analysis ends, and records."""
    folder = tmp_path_factory.mktemp('bag')
    whole = replaying.write_bag(folder / 'whole', live=True)
    (folder / 'config.yaml').write_text(yaml.safe_dump(CONFIG))
    ended = call('analyse', whole, '--out', folder / 'out')
    assert ended.code == 0 and 'verdict: PASS' in ended.out, ended
    return whole, ended, frames(folder / 'out')


def frames(folder):
    return {
        record.stamp: comparable(record)
        for record in read_records(folder / RECORDS)
        if isinstance(record, FrameRecord)
    }


def test_the_sound_bag_passes(bag):
    """Else a fuzz that never sees PASS would prove nothing."""
    _, ended, found = bag
    assert ended.code == 0 and 'verdict: PASS' in ended.out, ended
    assert len(found) == 12


@pytest.fixture(scope='module')
def plain(bag):
    """Return the same bag, its messages as they are, so that a spoilt byte is one of a message."""
    whole, _, _ = bag
    again = BagWriter(whole.parent / 'plain', 'none')
    with AnyReader([whole], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
        for connection in reader.connections:
            again.add_topic(connection.topic, connection.msgtype)
        for connection, stamp, raw in reader.messages():
            again.write(connection.topic, bytes(raw), stamp)
    again.close()
    return whole.parent / 'plain'


def spoil(rng, folder):
    """Spoil a bag's data or metadata, or take one of them away."""
    data, metadata = next(folder.glob('*.mcap')), folder / 'metadata.yaml'
    kind = rng.random()
    if kind < 0.03:
        data.unlink()
    elif kind < 0.06:
        metadata.unlink()
    elif kind < 0.2:
        metadata.write_bytes(spoil_bytes(rng, metadata.read_bytes()))
    elif kind < 0.25:
        told = yaml.safe_load(metadata.read_bytes())
        info = told['rosbag2_bagfile_information']
        topic = info['topics_with_message_count'][rng.integers(8)]
        changes = (
            (info, 'relative_file_paths', []),
            (info, 'storage_identifier', 'sqlite3'),
            (info, 'compression_mode', str(rng.choice(['file', 'message', 'x']))),
            (info, 'version', float('nan')),
            (topic, 'topic_metadata', None),
            (topic, 'message_count', 10**30),
            (topic['topic_metadata'], 'type', 'std_msgs/msg/String'),
            (topic['topic_metadata'], 'offered_qos_profiles', '- depth: 3'),
        )
        holder, key, value = changes[rng.integers(len(changes))]
        holder[key] = value
        metadata.write_text(yaml.safe_dump(told))
    elif kind < 0.4:
        # The summary at the end is a small part of the file and has as many ways to be wrong.
        whole = data.read_bytes()
        at = len(whole) - 6000
        data.write_bytes(whole[:at] + spoil_bytes(rng, whole[at:]))
    else:
        data.write_bytes(spoil_bytes(rng, data.read_bytes()))


def play(numbers, bag, plain, tmp_path):
    """Spoil the bag and analyse it, once a number; return how often each code came."""
    whole, _, sound = bag
    codes = dict.fromkeys(range(5), 0)
    for number in numbers:
        rng = case('bags', number)
        folder, out = tmp_path / f'b{number}' / 'bag', tmp_path / f'b{number}' / 'out'
        shutil.copytree(plain if rng.random() < 0.5 else whole, folder)
        spoil(rng, folder)
        alone = rng.random() < 0.2
        given = next(folder.glob('*.mcap'), folder) if alone else folder
        config = whole.parent / 'config.yaml'
        ended = call('analyse', given, '--config', config, '--out', out)
        codes[ended.code] += 1
        told = (number, ended)
        if ended.code == 2:
            assert not out.exists(), told
        else:
            found = frames(out)
            assert found.keys() <= sound.keys(), told
            # A verdict of PASS is one over exactly what was recorded: what was spoilt is of no
            # message, as the copy of the metadata that an MCAP file has.
            assert ('verdict: PASS' in ended.out) == (ended.code == 0), told
            assert ended.code != 0 or found == sound, told
            wrong = [stamp for stamp in found if found[stamp] != sound[stamp]]
            states = json.loads((out / 'verdict.json').read_text())['checks']
            assert not wrong or any(check['status'] != 'PASS' for check in states), told
        shutil.rmtree(folder.parent)
    return codes


def test_a_bag_that_lost_something_never_passes(bag, plain, tmp_path):
    codes = play(range(10), bag, plain, tmp_path)
    assert codes[2] and codes[3], codes


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_bags_that_lost_something_never_pass(bag, plain, tmp_path):
    codes = play(range(10, 110), bag, plain, tmp_path)
    # Few are beyond all reading: what is whole is read.
    assert codes[2] > 1 and codes[3] > 30, codes
