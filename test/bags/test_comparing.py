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

"""What `bag diff` tells of two bags."""

import json

import pytest
from mcap.writer import Writer

from bagged import (
    FRONT,
    bag_of,
    camera_bag,
    image_message,
    picture,
    text_message,
    time_of,
    values_message,
)
from golden import replaying
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.bags.comparing import compare_bags
from vlm_misalign_ros.bags.spooling import Spool
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.types import Description, Judgement, Kind, Mention
from vlm_misalign_ros.wire.values import description_to_values

ANSWER = '/vlm/m/description'


def answers(folder, *given, first=0):
    return bag_of(
        folder,
        [
            (ANSWER, values_message(description_to_values(answer), time_of(n)), time_of(n + first))
            for n, answer in enumerate(given)
        ],
    )


def answer(text='A car.', latency=0.1, **more):
    return Description('m', Kind.GENERATIVE, text, latency=latency, **more)


def test_a_bag_is_the_same_as_one_recorded_at_another_time(tmp_path):
    one = replaying.write_bag(tmp_path / 'one', True, ('clean',))
    other = replaying.write_bag(tmp_path / 'other', True, ('clean',))
    found = compare_bags(one, other)
    assert found.same and all(entry.counts[0] == entry.counts[1] for entry in found.topics)
    with_times = (answers(tmp_path / 'a', answer(latency=0.1, age=2.0)),)
    later = answers(tmp_path / 'b', answer(latency=0.7, waited=1.0), first=9)
    assert compare_bags(*with_times, later).same


def test_messages_that_are_in_one_bag_only_are_counted_by_topic(tmp_path):
    one, other = camera_bag(tmp_path / 'one', 9, (2,)), camera_bag(tmp_path / 'other', 9, (5, 6))
    found = compare_bags(one, other)
    (entry,) = found.topics
    # Of nine frames the first lacks one that the other has, and has two that the other lacks.
    assert (entry.counts, entry.alone, entry.differ) == ((8, 7), (2, 1), 0)
    assert not found.same


def test_the_fields_that_differ_are_told(tmp_path):
    safe = answer(judgement=Judgement.SAFE, mentions={'car': Mention.ASSERTED})
    one = answers(tmp_path / 'one', safe, safe, safe)
    changed = answer(judgement=Judgement.UNSAFE, mentions={'car': Mention.ASSERTED})
    other = answers(tmp_path / 'other', safe, changed, answer('A bus.', judgement=Judgement.SAFE))
    (entry,) = compare_bags(one, other).topics
    assert entry.differ == 2
    assert entry.fields == {'judgement': 1, 'mentions': 1, 'text': 1}
    assert entry.first.startswith('1700000000.100000000: judgement')


def test_doubled_stamps_are_matched_one_by_one(tmp_path):
    def bag(name, *numbers):
        return bag_of(
            tmp_path / name,
            [
                (FRONT, image_message(picture(n), time_of(0), 'bgr8'), time_of(k))
                for k, n in enumerate(numbers)
            ],
        )

    (entry,) = compare_bags(bag('one', 1, 2, 3), bag('other', 1, 4)).topics
    assert (entry.alone, entry.differ) == ((1, 0), 1)


def test_messages_without_a_stamp_are_matched_in_their_order(tmp_path):
    def bag(name, *texts):
        return bag_of(
            tmp_path / name,
            [('/chatter', text_message(t), time_of(n)) for n, t in enumerate(texts)],
        )

    (entry,) = compare_bags(bag('one', 'a', 'b', 'c'), bag('other', 'a', 'x')).topics
    assert (entry.alone, entry.differ, entry.by_order) == ((1, 0), 1, True)
    assert entry.first == 'message 3 is in one bag only'


def test_many_messages_without_a_stamp_take_no_longer_each():
    def steps(number):
        counted = 0

        def count():
            nonlocal counted
            counted += 1

        with Spool() as spool:
            spool._base.set_progress_handler(count, 100)
            for side in (0, 1):
                for _ in range(number):
                    spool.add(side, '/chatter', 0, bytes([side]), '')
            assert len(list(spool.differing('/chatter'))) == number
            assert not list(spool.alone('/chatter', 0))
        return counted

    assert steps(2000) < 2.5 * steps(1000)


def test_no_room_for_what_is_compared_is_one_line(tmp_path, monkeypatch):
    with pytest.raises(RecordError, match='TMPDIR'), Spool() as spool:
        spool._base.execute('pragma max_page_count = 8')
        for number in range(2000):
            spool.add(0, '/a', number, b'', 'x' * 100)
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path / 'nowhere'))
    with pytest.raises(RecordError, match='TMPDIR'):
        Spool()


def test_what_is_no_cdr_is_never_the_same(tmp_path, capsys):
    for name in ('one', 'other'):
        with open(tmp_path / f'{name}.mcap', 'wb') as stream:
            writer = Writer(stream)
            writer.start(profile='ros2')
            schema = writer.register_schema('x', 'jsonschema', b'{}')
            channel = writer.register_channel('/j', 'json', schema)
            writer.add_message(channel, 1, json.dumps(name).encode(), 1)
            writer.finish()
    paths = [str(tmp_path / f'{name}.mcap') for name in ('one', 'other')]
    assert main(['bag', 'diff', *paths]) == 1
    told = capsys.readouterr().out
    assert '/j' in told and 'the same' not in told


def test_a_topic_of_another_type_and_one_that_is_not_there(tmp_path):
    one = bag_of(tmp_path / 'one', [('/a', text_message('x'), 1), ('/b', text_message('x'), 2)])
    other = bag_of(tmp_path / 'other', [('/a', values_message({}, 1), 1)])
    found = {entry.name: entry for entry in compare_bags(one, other).topics}
    assert not found['/a'].same and found['/a'].types[0] != found['/a'].types[1]
    assert found['/b'].types == ('std_msgs/msg/String', '') and found['/b'].alone == (1, 0)


def test_the_verb_ends_with_one_where_bags_differ(tmp_path, capsys):
    one = camera_bag(tmp_path / 'one', 3)
    other = camera_bag(tmp_path / 'other', 4)
    assert main(['bag', 'diff', str(one), str(one)]) == 0
    assert 'the same messages' in capsys.readouterr().out
    assert main(['bag', 'diff', str(one), str(other)]) == 1
    text = capsys.readouterr().out
    assert f'{FRONT}: 3 and 4 messages; 0 only in the first, 1 only in the second' in text
    assert main(['bag', 'diff', str(one), str(other), '--json']) == 1
    assert json.loads(capsys.readouterr().out)['topics'][0]['alone'] == [0, 1]


@pytest.mark.parametrize('lost', [0, 1])
def test_a_bag_of_which_something_is_lost_is_never_the_same(lost, tmp_path):
    paths = [camera_bag(tmp_path / name, 9) for name in ('one', 'other')]
    (file,) = paths[lost].glob('*.mcap')
    (paths[lost] / 'metadata.yaml').unlink()
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    found = compare_bags(*paths)
    assert not found.same and found.lost[lost]
