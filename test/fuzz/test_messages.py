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

"""Strangers' messages among sound ones: read or counted, and what is sound stays as it is."""

import contextlib
import io
import json
from collections import Counter

import pytest

from fuzz.command import case
from fuzz.strangers import MODELS, NANO, frame, strange
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.contents import content_of
from vlm_misalign_ros.core.evaluation.parts import Wanted
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.records.account import AccountingRecord, DoubledRecord
from vlm_misalign_ros.core.records.ending import Ending, write_ending
from vlm_misalign_ros.core.records.schema import COUNTED, Closing, FrameRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, comparable, read_records
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.rules import Rules
from vlm_misalign_ros.core.report.verdict import Status as Outcome
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.wire.channels import Context, listened, read
from vlm_misalign_ros.wire.values import stamp_of

pytestmark = pytest.mark.heavy

FRAMES = 21
BEGIN = 1_700_000_000 * NANO
APART = 12 * NANO
"""Frames of one drive so far apart are scenes of their own."""
CONTEXT = Context(open_encoding('cityscapes_label_ids'), 1.22, 0.038)
LIMITS = ('hallucination_rate <= 1', 'miou >= 0')
EXTREMES = (0, 1, NANO - 1, NANO, -1, -NANO, 2**31 * NANO - 1, 2**63 - 1, 2**80)
"""Header times that no sound frame has."""


def parameters(folder, live):
    """Return the settings of a run that is whole only if every picture is scored for everybody."""
    return MonitorParameters(
        models=MODELS,
        source=not live,
        lockstep=not live,
        pictures=2,
        deadline=1e9,
        run_folder=str(folder),
        limits=LIMITS,
        minimum_coverage=1.0,
        minimum_scenes=5,
    )


def sound(channels):
    """Return [(stamp, channel, message)] of FRAMES sound frames."""
    events = []
    for number in range(FRAMES):
        stamp = BEGIN + number * APART
        told = frame(number, FRAMES, stamp)
        events += [(stamp, channels[topic], told[topic]) for topic in told if topic in channels]
    return events


def spoiled(rng, events, count):
    """
    Return the sound messages with `count` strange ones among them or in their place.

    Each is (message, channel, whether it is a sound one); with the stamps of frames that lost a
    sound one.
    """
    stream = [(message, channel, True) for _, channel, message in events]
    robbed = set()
    for _ in range(count):
        place = int(rng.integers(len(events)))
        stamp, channel, message = events[place]
        kind = rng.random()
        if kind < 0.5:
            # Between those of the frames, and never twice the same: no frame gets whole by it.
            stamp = int(stamp - APART // 2 + rng.integers(1, APART // 4))
        elif kind < 0.56:
            stamp = EXTREMES[rng.integers(len(EXTREMES))]
        made = strange(rng, channel.form, message, stamp)
        if kind > 0.97:
            stream[place] = (made, channel, False)
            robbed.add(events[place][0])
        else:
            # Beside the sound one: before it or after it.
            stream.append((made, channel, False, place + rng.random() * 2 - 1))
    order = {id(entry): float(at) for at, entry in enumerate(stream[: len(events)])}
    stream.sort(key=lambda entry: entry[3] if len(entry) == 4 else order[id(entry)])
    return [entry[:3] for entry in stream], robbed


class Played:
    """A stream through a session, as monitor and bag analysis do it, and what is to come of it."""

    def __init__(self, folder, live, stream, robbed=()):
        self.said = []
        self.session = session = Session(parameters(folder, live), log=self.said.append)
        self.folder = folder
        self.refused = 0
        self.contents = {}
        self.touched = set(robbed)
        """Stamps that lost a message, or of which a stranger's was taken."""
        self.written = []
        for number, (message, channel, good) in enumerate(stream):
            try:
                value = read(channel, message, CONTEXT)
                stamp = stamp_of(message.header)
            except RecordError as error:
                assert not good and len(str(error)) < 2000
                self.refused += 1
                session.malformed(channel.part, error)
                continue
            told = self.contents.setdefault((stamp, channel.part), set())
            told.add(content_of(channel.part, value))
            if not good:
                self.touched.add(stamp)
            self.written += session.add(stamp, channel.part, value, number / 100)
            self.written += session.expire(number / 100)
        self.written += session.end(len(stream) / 100)
        self.records = list(read_records(folder / RECORDS))
        self.frames = [r for r in self.records if isinstance(r, FrameRecord)]

    def verdict(self):
        chosen = parameters(self.folder, True)
        (self.folder / 'manifest.json').write_text(
            json.dumps({'configuration': {'monitor': {'limits': list(LIMITS)}}})
        )
        write_ending(self.folder, Ending(self.session.total or None, notes=self.session.notes))
        with contextlib.redirect_stdout(io.StringIO()):
            return finalise(self.folder, Rules.of(chosen))


def channels_of(live):
    wanted = Wanted.by(parameters('', live))
    return {channel.topic: channel for channel in listened(wanted)}


@pytest.fixture(scope='module', params=[False, True], ids=['lockstep', 'live'])
def plain(request, tmp_path_factory):
    """Return (whether live, sound events, the records that they give by stamp)."""
    live = request.param
    events = sound(channels_of(live))
    folder = tmp_path_factory.mktemp('plain')
    played = Played(folder, live, [(message, channel, True) for _, channel, message in events])
    assert {entry.status for r in played.frames for entry in r.models.values()} == {Status.SCORED}
    # Else a fuzz that never sees PASS would prove nothing.
    assert played.verdict().status is Outcome.PASS
    return live, events, {r.stamp: comparable(r) for r in played.frames}


def check_accounting(played):
    """Every picture is in one state for everybody; the sums are those of the records."""
    session = played.session
    told = session.counters['malformed'] - played.refused
    # Beside what could not be read, lengths of the run that contradict the first one.
    assert 0 <= told <= len(played.touched), session.counters
    pictures = sum(record.pictures for record in played.frames)
    assert session.closed == pictures
    accounting = next(r for r in played.records if isinstance(r, AccountingRecord))
    for name in (*MODELS, 'segmentation'):
        states = session.accounting[name]
        assert sum(states.values()) == pictures and set(states) <= {s.value for s in COUNTED}
        assert dict(states) == accounting.parts[name]
    found = [closed.record for closed in played.written if closed.record is not None]
    assert len(found) == len(played.frames)
    for record in found:
        assert 'could not be evaluated' not in (record.problem or ''), record.problem


def check_sound_frames(played, kept):
    """Frames that no stranger touched are as they would be without any."""
    touched = {f'{stamp // NANO}.{stamp % NANO:09d}' for stamp in played.touched}
    if played.session.counters['time_jumps']:
        # What was open when time jumped was closed with what it had.
        whole = [r for r in played.frames if r.stamp in kept and r.closed is Closing.COMPLETE]
        for record in whole:
            if record.stamp not in touched:
                assert {**comparable(record), 'epoch': 0} == kept[record.stamp], record.stamp
        return len(whole)
    found = {record.stamp: comparable(record) for record in played.frames}
    left = [stamp for stamp in kept if stamp not in touched]
    for stamp in left:
        assert found[stamp] == kept[stamp], stamp
    for record in played.frames:
        if record.stamp not in kept:
            states = {entry.status for entry in record.models.values()}
            assert Status.SCORED not in {*states, record.segmentation.status}, record.stamp
    return len(left)


def reached(played, kept):
    """Return whether a stranger's message reached what counts, so that nothing may pass."""
    lost = any(
        entry.status is not Status.SCORED
        for record in played.frames
        for entry in (*record.models.values(), record.segmentation)
    )
    several = any(
        len(contents) > 1 and stamp >= NANO for (stamp, _), contents in played.contents.items()
    )
    foreign = any(record.stamp not in kept for record in played.frames)
    return lost or several or foreign


def play(kind, numbers, count, plain, tmp_path):
    """Play streams with strangers in them; return what came of them."""
    live, events, kept = plain
    tally = Counter()
    for number in numbers:
        rng = case(f'messages {kind} {live}', number)
        stream, robbed = spoiled(rng, events, count)
        played = Played(tmp_path / f'{kind}{number}', live, stream, robbed)
        check_accounting(played)
        tally['untouched'] += check_sound_frames(played, kept)
        verdict = played.verdict()
        again = list(read_records(played.folder / RECORDS))
        assert again == played.records
        hostile = reached(played, kept)
        jumps = played.session.counters['time_jumps']
        assert not jumps or any('time jumped' in reason for reason in verdict.reasons), number
        assert not hostile or verdict.status is not Outcome.PASS, (number, verdict.text)
        doubled = [r for r in played.records if isinstance(r, DoubledRecord) and r.count]
        if doubled:
            assert verdict.status is Outcome.INVALID and verdict.exit_code == 3, number
        tally[verdict.status] += 1
        tally['messages'] += count
        tally['refused'] += played.refused
        tally['doubled'] += len(doubled)
        # One line a part and kind of trouble, not one a message.
        assert len(played.said) < 300
    return tally


def test_strangers_messages_end_nothing_and_nothing_passes_by_them(plain, tmp_path):
    found = play('many', range(2), 60, plain, tmp_path)
    assert found['refused'] > 30 and found[Outcome.PASS] == 0, found


def test_one_stranger_alone(plain, tmp_path):
    """With a single message among the sound ones, all other frames are to be as they were."""
    found = play('one', range(6), 1, plain, tmp_path)
    assert found['untouched'] >= 4 * (FRAMES - 1), found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_thousands_of_strangers_messages_end_nothing_and_nothing_passes_by_them(plain, tmp_path):
    found = play('many', range(2, 17), 240, plain, tmp_path)
    found += play('one', range(6, 36), 1, plain, tmp_path)
    assert found['messages'] == 3630 and found['refused'] > 1000, found
    assert found['doubled'] > 50 and found['untouched'] > 400, found
