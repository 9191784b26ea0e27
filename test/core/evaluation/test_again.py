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

"""Pictures of a run, made again one by one, are those that its replay sent, or none."""

from collections import namedtuple

import numpy as np
import pytest
from msgspec import structs

from made import frame_record
from vlm_misalign_ros.core.corruptions import Manner, parse_conditions
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation import again
from vlm_misalign_ros.core.evaluation.again import Again
from vlm_misalign_ros.core.evaluation.degraded import degrade_frame
from vlm_misalign_ros.core.evaluation.replaying import Sending, lockstep_stamp, schedule
from vlm_misalign_ros.core.settings.degrading import scenario_of
from vlm_misalign_ros.core.settings.nodes import CorruptionParameters, ReplayParameters
from vlm_misalign_ros.core.stamps import format_stamp
from vlm_misalign_ros.core.types import Frame

Entry = namedtuple('Entry', 'key sequence city')
SEED = 7
RAMP = """
- {condition: occlusion, ramp: [1, 5], seconds: 0.5}
- {condition: low_light:2}
"""


class Noise:
    """Three frames of one drive, and two of the next."""

    name, has_depth = 'noise', False
    entries = [Entry(f'{s}_{n}', s, s) for s, count in (('a', 3), ('b', 2)) for n in range(count)]

    def __len__(self):
        return len(self.entries)

    def __iter__(self):
        return map(self.read, range(len(self)))

    def read(self, index):
        picture = np.random.default_rng(index).integers(0, 256, (32, 64, 3), np.uint8)
        return Frame('noise', self.entries[index].sequence, self.entries[index].key, picture,
                     None, None)  # fmt: skip


@pytest.fixture(autouse=True)
def noise(monkeypatch):
    monkeypatch.setattr(again, 'open_replayed', lambda chosen: Noise())


def sent(replay, shift=0):
    """Yield (record, picture, clean picture) of everything that a replay sends."""
    sending = Sending(Noise(), scenario_of(replay))
    conditions = parse_conditions(list(replay.conditions))
    for position, source in schedule(Noise(), conditions, hold=replay.hold):
        stamp = lockstep_stamp(source.index, replay)
        one = sending.take(position, source, stamp)
        condition, draw = one.source.condition, one.source.draw or one.source.key
        done = degrade_frame(one.frame.image, condition, SEED, draw, Manner())
        record = frame_record(
            stamp=format_stamp(stamp + shift),
            index=source.index,
            sequence=source.sequence,
            key=source.key,
            image=done.applied.image,
        )
        told = {'corruption': condition.corruption, 'severity': condition.severity}
        told |= {'name': condition.name, 'seed': done.applied.seed}
        record = structs.replace(record, condition=structs.replace(record.condition, **told))
        yield record, done.image, one.frame.image


def opened(replay, tmp_path, seed=SEED):
    return Again(replay, CorruptionParameters(seed=seed), tmp_path, 'noise')


@pytest.mark.parametrize('begin', ['run', 'sequence'])
@pytest.mark.parametrize('hold', [1, 3])
@pytest.mark.parametrize('scripted', [False, True])
def test_whatever_the_replay_sent_is_made_again_in_any_order(tmp_path, scripted, hold, begin):
    given = {'conditions': ('clean', 'occlusion:3', 'low_light:2+occlusion:1')}
    if scripted:
        script = tmp_path / 'script.yaml'
        lines = ''.join(f'  {line}\n' for line in RAMP.strip().splitlines())
        script.write_text(f'begin: {begin}\nsegments:\n{lines}')
        given = {'scenario': str(script)}
    replay = ReplayParameters(dataset='noise', hold=hold, **given)
    frames = list(sent(replay))
    assert len(frames) == 5 * hold * (1 if scripted else 3)
    making = opened(replay, tmp_path)
    for record, picture, clean in frames[::-1]:
        made = making.make(record)
        assert made.verified and np.array_equal(made.degraded, picture)
        assert np.array_equal(made.frame.image, clean)


def test_what_was_sent_in_real_time_has_stamps_of_the_clock(tmp_path):
    replay = ReplayParameters(dataset='noise', conditions=('occlusion:3',), mode='real_time')
    for record, picture, _ in sent(replay, shift=1_700_000_000_123_456_789):
        assert np.array_equal(opened(replay, tmp_path).make(record).degraded, picture)


def test_without_a_checksum_the_seed_has_to_be_one_of_the_run(tmp_path):
    replay = ReplayParameters(dataset='noise', conditions=('occlusion:3',))
    record, picture, _ = next(sent(replay))
    untold = structs.replace(record, image=None)
    made = opened(replay, tmp_path).make(untold)
    assert not made.verified and np.array_equal(made.degraded, picture)
    with pytest.raises(RecordError, match='another picture'):
        opened(replay, tmp_path, seed=8).make(untold)
    with pytest.raises(RecordError, match='another picture'):
        opened(replay, tmp_path).make(structs.replace(record, image='0' * 32))
