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

"""The analysis of a bag that was killed and gone on with leaves what one leaves that was not."""

import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import StoragePlugin, Writer

from bagged import STORE, bag_of, contents, image_message, values_message
from golden import replaying
from maps import plain, put
from vlm_misalign_ros.app import analysing as several
from vlm_misalign_ros.app.analysing import Job
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.bags import analyse as analysing
from vlm_misalign_ros.bags.analyse import analyse
from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.evaluator import Evaluator
from vlm_misalign_ros.core.records.account import AccountingRecord, DoubledRecord, LateRecord
from vlm_misalign_ros.core.records.ending import ENDING
from vlm_misalign_ros.core.records.manifest import OtherRun
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.records.store import RECORDS, FollowingWriter, read_records
from vlm_misalign_ros.core.report.verdict import Verdict
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
from vlm_misalign_ros.core.types import (
    Applied,
    Condition,
    Confidence,
    Description,
    Judgement,
    Kind,
    Mention,
)
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec

SECOND = 1_000_000_000
MODELS = ('m', 'n')
CHOSEN = EvaluationParameters(models=MODELS, source=False, instances=False, pictures=4, slop=0.002)
FRAMES = 60
NAMES = {'car': Mention.ASSERTED, 'person': Mention.DENIED, 'bicycle': Mention.ASSERTED}


class Stop(BaseException):
    """The end of a process, where nothing is tidied up that could not be after a kill."""


def frame(number, rng):
    """Return (topic, message) of all that there is of a picture."""
    # After 40 frames time jumps back by 60 s, as in a looped recording.
    stamp = 100 * SECOND + number * SECOND // 10 - (60 * SECOND if number >= 40 else 0)
    picture = rng.integers(0, 256, (32, 64, 3), np.uint8)
    labels, mask = plain(), rng.integers(0, 19, (32, 64)).astype(np.uint8)
    instances = labels.astype(np.uint16)
    if number % 3:
        put(labels, instances, 'person', 1, 10, 20, 14, 10)
    image = checksum(picture)
    condition = Condition('low_light', 1 + number % 5) if number % 2 else Condition()
    answers = {
        name: Description(
            name,
            Kind.CONTRASTIVE,
            '',
            {one: said for one, said in NAMES.items() if rng.random() < 0.6},
            scores={'car': round(float(rng.random()), 3)},
            judgement=Judgement.SAFE if rng.random() < 0.7 else Judgement.UNSAFE,
            image=image,
        )
        for name in MODELS
    }
    offset = 1_000_000 if number % 7 == 0 else 0
    found = {
        topics.DEGRADED_IMAGE: image_message(picture, stamp, 'bgr8'),
        topics.DEGRADED_CONDITION: values_message(
            codec.applied_to_values(Applied(condition, number, image=image)), stamp
        ),
        topics.TRUTH_LABELS: image_message(labels, stamp + offset, 'mono8'),
        topics.SEGMENTATION_LABELS: image_message(mask, stamp, 'mono8'),
        topics.SEGMENTATION_CONFIDENCE: values_message(
            codec.confidence_to_values(Confidence(0.5, 0.25, image, checksum(mask))), stamp
        ),
        **{
            topics.vlm_description(name): values_message(
                codec.description_to_values(answer), stamp
            )
            for name, answer in answers.items()
        },
    }
    return stamp, found, answers


def stream(kind='diagnostic_msgs/msg/DiagnosticArray'):
    """Return the messages of a recording with most of what can go wrong with one."""
    rng, found, held = np.random.default_rng(5), [], []
    for number in range(FRAMES):
        stamp, parts, answers = frame(number, rng)
        entries = list(parts.items())
        mine = topics.vlm_description('m')
        again = values_message(
            codec.description_to_values(replace(answers['m'], text='again')), stamp
        )
        if number in (8, 47):
            # Answers come twice: the frame is open, or was closed by all that it needed.
            entries.append((mine, again))
        if number == 11:
            entries[-1] = (entries[-1][0], (kind, b'\0\1\0\0' + b'\xff' * 9))
        if number in (13, 55):
            entries = [entry for entry in entries if entry[0] != topics.TRUTH_LABELS]
        if number == 17:
            wrong = replace(answers['n'], image='64x32:ffffffff')
            sent = values_message(codec.description_to_values(wrong), stamp)
            entries[-1] = (entries[-1][0], sent)
        if number == 22:
            entries.append(entries[3])
        if number in range(25, 36):
            # It comes when the first of these frames have been closed for want of room.
            held.append(entries.pop())
        if number != 22:
            entries = [entries[place] for place in rng.permutation(len(entries))]
        found += entries
        if number == 38:
            found += held
    return [
        ('/' + topic, message, (place + 1) * 10_000_000)
        for place, (topic, message) in enumerate(found)
    ]


def in_sqlite(bag, folder):
    """Copy a bag into one of SQLite."""
    with Writer(folder, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        known = {}
        for raw in contents(bag):
            if raw.topic not in known:
                known[raw.topic] = writer.add_connection(raw.topic, raw.type, typestore=STORE)
            writer.write(known[raw.topic], raw.arrival, raw.data)
    return folder


@pytest.fixture(scope='module')
def bags(tmp_path_factory):
    """Return one recording, as MCAP and as SQLite."""
    folder = tmp_path_factory.mktemp('bags')
    mcap = bag_of(folder / 'mcap', stream())
    return {'mcap': mcap, 'sqlite': in_sqlite(mcap, folder / 'sqlite')}


@pytest.fixture(scope='module', autouse=True)
def small():
    """Have frames close for want of room, as among many more they do."""
    whole = analysing.monitor_parameters
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            analysing, 'monitor_parameters', lambda *given: replace(whole(*given), capacity=8)
        )
        yield


@pytest.fixture(scope='module')
def wholes(bags, small, tmp_path_factory):
    """Return analyses that nobody stopped, by storage."""
    folder = tmp_path_factory.mktemp('wholes')
    for storage, bag in bags.items():
        analyse(bag, folder / storage / 'out', CHOSEN)
    return {storage: folder / storage / 'out' for storage in bags}


def told(folder):
    """Return everything that an analysis has left, but when and by what it was begun."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and path.name not in ('manifest.json', 'report.html')
    }
    manifest = json.loads((folder / 'manifest.json').read_text())
    found['manifest'] = {n: v for n, v in manifest.items() if n not in ('started', 'command')}
    return found


def stop_at(count):
    """Return a progress that ends the analysis after some messages."""
    seen = 0

    def progress(done, total):
        nonlocal seen
        seen += 1
        if seen == count:
            raise Stop

    return progress


def stopped(bag, out, count, resume=False, half=False):
    """Stop an analysis after some messages; leave a line that is not whole where asked to."""
    with pytest.raises(Stop):
        analyse(bag, out, CHOSEN, progress=stop_at(count), resume=resume)
    if half:
        with open(out / RECORDS, 'ab') as stream:
            stream.write(b'{"kind":"frame","schema":4,"stamp":"10')


def lines(folder):
    return (folder / RECORDS).read_bytes().count(b'\n')


@pytest.fixture
def scored(monkeypatch):
    """Count the frames that are scored."""
    found, whole = [], Evaluator.evaluate

    def evaluate(self, joined, *rest):
        found.append(joined.stamp)
        return whole(self, joined, *rest)

    monkeypatch.setattr(Evaluator, 'evaluate', evaluate)
    return found


def test_the_recording_has_all_that_can_go_wrong(wholes):
    records = list(read_records(wholes['mcap'] / RECORDS))
    frames = [record for record in records if isinstance(record, FrameRecord)]
    assert {record.epoch for record in frames} == {0, 1} and len(frames) == FRAMES
    assert {record.closed.value for record in frames} == {'complete', 'overflow', 'end'}
    assert any(record.offsets for record in frames)
    doubled = [record for record in records if isinstance(record, DoubledRecord)]
    assert {record.mismatch for record in doubled} == {True, False}
    assert any(isinstance(record, LateRecord) for record in records)
    account = records[-1]
    assert isinstance(account, AccountingRecord)
    assert account.frames['malformed'] == 1 and account.frames['time_jumps'] == 1
    assert account.join['repeated'] >= 1 and account.join['late'] >= 1
    assert len(list((wholes['mcap'] / 'pictures').iterdir())) > 12


@pytest.mark.parametrize('storage', ['mcap', 'sqlite'])
def test_stopped_twelve_times_it_leaves_what_one_leaves_that_was_not(
    bags, wholes, tmp_path, storage, scored
):
    out, chance = tmp_path / 'out', random.Random(7)
    total = len(stream())
    places = sorted(chance.sample(range(2, total), 12))
    for number, place in enumerate(places):
        stopped(bags[storage], out, place, number > 0, half=number % 3 == 1)
        if number % 4 == 2:
            # Somebody has looked at what there is.
            (out / 'report.html').write_text('of before')
    kept = lines(out)
    scored.clear()
    analyse(bags[storage], out, CHOSEN, resume=True)
    assert told(out) == told(wholes[storage])
    frames = (out / RECORDS).read_bytes().count(b'{"kind":"frame"')
    # Of those before there are the worst, which are drawn again, and the one of another picture.
    assert kept > 40 and len(scored) < frames - kept + 32


@pytest.fixture(scope='module')
def places(bags, wholes):
    """Return a function that has an analysis stopped anywhere, and gone on with."""

    def gone_on(folder, at, half, cut):
        out = folder / 'out'
        with pytest.MonkeyPatch.context() as patch:
            # The results are made of the records alone.
            patch.setattr(analysing, 'finalise', lambda folder, rules: Verdict([], []))
            stopped(bags['mcap'], out, at, half=half)
            whole = (out / RECORDS).read_bytes()
            (out / RECORDS).write_bytes(whole[: max(len(whole) - cut, 0)])
            analyse(bags['mcap'], out, CHOSEN, resume=True)
        return out

    return gone_on


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    at=st.integers(1, 7 * FRAMES - 9),
    half=st.booleans(),
    cut=st.one_of(st.just(0), st.integers(0, 60_000)),
)
def test_it_may_be_stopped_at_any_message_and_be_cut_off_at_any_byte(
    places, wholes, tmp_path_factory, at, half, cut
):
    out = places(tmp_path_factory.mktemp('any'), at, half, cut)
    one, other = told(out), told(wholes['mcap'])
    for name in other:
        if name == RECORDS or name == 'ending.json' or name.startswith('pictures'):
            assert one[name] == other[name], name
    assert {n for n in one if n.startswith('pictures')} <= other.keys()


def words(bag, out, *more):
    return ['bag', 'analyse', str(bag), '--out', str(out), *map(str, more)]


def refused(capsys, *given):
    """Return the one line with which a command is refused."""
    capsys.readouterr()
    assert main(list(given)) == 2
    told_at = capsys.readouterr().err
    lines = [line for line in told_at.splitlines() if 'error' in line]
    assert len(lines) == 1 and 'Traceback' not in told_at
    return lines[0]


KILLING = Path(__file__).parents[1] / 'killing.py'
CONFIG = {
    'replay': None,
    'segmentation': {'model': 'miniature:segformer'},
    'vlms': {name: {'model': 'miniature:clip'} for name in MODELS},
    'monitor': {'pictures': 4, 'slop': 0.002},
}


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.parametrize('storage, seed', [('mcap', 1), ('sqlite', 2), ('mcap', 3)])
def test_killed_at_any_call_of_a_function_it_leaves_the_same(bags, tmp_path, storage, seed):
    shutil.copytree(bags[storage], tmp_path / 'bag')
    config = tmp_path / 'live.yaml'
    config.write_text(yaml.safe_dump(CONFIG))
    command = [sys.executable, str(KILLING), 'analyse', str(config), str(tmp_path), str(seed)]
    done = subprocess.run([*command, '12'], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    attempts = json.loads(done.stdout.splitlines()[-1])
    assert attempts[-1]['code'] == 3 and attempts[-1]['words'][-1] == '--resume'
    assert sum(one['code'] == -9 for one in attempts) > 6
    assert told(tmp_path / 'cut' / 'out') == told(tmp_path / 'whole' / 'out')


def test_the_command_goes_on(bags, wholes, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'out'
    stopped(bags['mcap'], out, 300)
    monkeypatch.setattr('vlm_misalign_ros.app.analysing.score', partial(score_with, CHOSEN))
    assert main(words(bags['mcap'], out, '--resume')) == 3
    told_at = capsys.readouterr().err
    kept = (wholes['mcap'] / RECORDS).read_bytes()
    assert f'analysis {out}: goes on behind ' in told_at
    assert (out / RECORDS).read_bytes() == kept
    assert 'has come to its end' in refused(capsys, *words(bags['mcap'], out, '--resume'))
    # Only its results were cut off.
    (out / 'report.html').unlink()
    assert main(words(bags['mcap'], out, '--resume')) == 3
    assert told(out) == told(wholes['mcap']) and (out / 'report.html').is_file()


def score_with(chosen, job, progress=None):
    """Score a bag by settings that no file has."""
    return analyse(
        job.bag, job.out, chosen, job.namespace, progress, limits=job.limits, resume=job.resume
    )


def test_an_interrupted_analysis_says_how_to_go_on(bags, tmp_path, capsys, monkeypatch):
    out = tmp_path / 'out'

    def interrupted(job, progress):
        stopped(job.bag, job.out, 200)
        raise KeyboardInterrupt

    monkeypatch.setattr('vlm_misalign_ros.app.analysing.score', interrupted)
    assert main(words(bags['mcap'], out)) == 130
    assert f'what was scored is in {out}; to go on: give --resume, too' in capsys.readouterr().err


def test_what_was_begun_otherwise_is_refused_before_anything_changes(
    bags, tmp_path, capsys, monkeypatch
):
    bag = tmp_path / 'bag'
    shutil.copytree(bags['mcap'], bag)
    out = tmp_path / 'out'
    assert 'holds no analysis of a bag' in refused(capsys, *words(bag, out, '--resume'))
    assert not out.exists()
    stopped(bag, out, 250)
    kept = told(out)

    def again(match, chosen=CHOSEN, **given):
        with pytest.raises(OtherRun, match=match):
            analyse(bag, out, chosen, resume=True, **given)
        assert told(out) == kept

    again('another configuration .*stopping_distance', replace(CHOSEN, stopping_distance=3.0))
    again('another configuration .*models', replace(CHOSEN, models=('m',)))
    again('another topics', remap={'vlm/x/description': '/vlm/m/description'})
    again('another configuration .limits.', limits=['critical_omission_rate<0.5'])
    manifest = json.loads((out / 'manifest.json').read_text())
    for name, inner in (('packages', 'vlm_misalign_ros'), ('language', 'lexicon_sha256')):
        changed = {**manifest, name: {**manifest[name], inner: 'another'}}
        (out / 'manifest.json').write_text(json.dumps(changed))
        with pytest.raises(OtherRun, match=f'another {name} .{inner}'):
            analyse(bag, out, CHOSEN, resume=True)
    (out / 'manifest.json').write_text(json.dumps(manifest))
    file = next(bag.glob('*.mcap'))
    data, stat = file.read_bytes(), file.stat()
    spoilt = bytearray(data)
    spoilt[len(data) // 2] ^= 1
    for content, time in ((data + b'\0', stat.st_mtime_ns), (data, 5), (spoilt, stat.st_mtime_ns)):
        file.write_bytes(content)
        os.utime(file, ns=(time, time))
        again(f'another bag content .{file.name}')
    file.write_bytes(data)
    os.utime(file, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    # It lies somewhere else, and is the same.
    moved = bag.rename(tmp_path / 'moved')
    analyse(moved, out, CHOSEN, resume=True)


def test_an_encoding_whose_file_changed_is_another_one(bags, tmp_path):
    table = tmp_path / 'table.yaml'
    table.write_text('values: {6: ground, 7: road, 24: person}')
    chosen = replace(CHOSEN, label_encoding=str(table))
    out = tmp_path / 'out'
    with pytest.raises(Stop):
        analyse(bags['mcap'], out, chosen, progress=stop_at(150))
    table.write_text('values: {6: ground, 7: sidewalk, 24: person}')
    with pytest.raises(OtherRun, match='another label encoding .sha256'):
        analyse(bags['mcap'], out, chosen, resume=True)


def test_records_of_another_version_or_name_are_refused(bags, tmp_path):
    out = tmp_path / 'out'
    stopped(bags['mcap'], out, 250)
    whole = (out / RECORDS).read_bytes()
    (out / RECORDS).write_bytes(whole.replace(b'"schema":4', b'"schema":3', 1))
    with pytest.raises(RecordError, match='has the schema 3, this version .* reads 4'):
        analyse(bags['mcap'], out, CHOSEN, resume=True)
    (out / RECORDS).write_bytes(whole)
    renamed = out.rename(tmp_path / 'renamed')
    pictures = len(list((renamed / 'pictures').iterdir()))
    with pytest.raises(RecordError, match="of a run with the name 'out'"):
        analyse(bags['mcap'], renamed, CHOSEN, resume=True)
    assert len(list((renamed / 'pictures').iterdir())) == pictures > 0
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'manifest.json').write_text('{"expected_frames": 3}')
    with pytest.raises(RecordError, match='holds a run, and no analysis of a bag'):
        analyse(bags['mcap'], tmp_path / 'run', CHOSEN, resume=True)


def test_an_analysis_that_still_goes_on_is_left_alone(bags, tmp_path):
    out = tmp_path / 'out'
    stopped(bags['mcap'], out, 250)
    writer = FollowingWriter(out / RECORDS)
    with pytest.raises(RecordError, match='is being written by another'):
        analyse(bags['mcap'], out, CHOSEN, resume=True)
    writer.close()


def test_what_is_begun_is_not_begun_anew_by_mistake(bags, tmp_path, capsys):
    out = tmp_path / 'out'
    stopped(bags['mcap'], out, 250)
    assert 'or --resume, to go on with one' in refused(capsys, *words(bags['mcap'], out))


@pytest.mark.parametrize('change', ['text', 'doubled', 'line', 'order', 'more'])
def test_records_that_were_changed_are_made_anew_from_there(bags, wholes, tmp_path, change):
    out = tmp_path / 'out'
    stopped(bags['mcap'], out, 330)
    records = (out / RECORDS).read_bytes().splitlines(keepends=True)
    frames = [n for n, line in enumerate(records) if line.startswith(b'{"kind":"frame"')]
    place = frames[20]
    if change == 'text':
        records[place] = records[place].replace(b'"ASSERTED"', b'"DENIED"')
    elif change == 'doubled':
        place = next(n for n, line in enumerate(records) if line.startswith(b'{"kind":"doubled"'))
        records[place] = records[place].replace(b'"count":1', b'"count":2')
    elif change == 'line':
        records[place] = b'\0' * 50 + b'\n'
    elif change == 'order':
        records[place : place + 2] = reversed(records[place : place + 2])
    else:
        whole = (wholes['mcap'] / RECORDS).read_bytes().splitlines(keepends=True)
        records = [*whole, *records[1:5]]
    kept = (out / RECORDS).read_bytes()
    (out / RECORDS).write_bytes(b''.join(records))
    assert (out / RECORDS).read_bytes() != kept
    analyse(bags['mcap'], out, CHOSEN, resume=True)
    assert (out / RECORDS).read_bytes() == (wholes['mcap'] / RECORDS).read_bytes()


def test_among_several_what_cannot_be_gone_on_with_is_begun_anew_unless_it_is_asked_for(
    bags, wholes, tmp_path, monkeypatch, scored
):
    out = tmp_path / 'out'
    stopped(bags['mcap'], out, 250)
    before = (out / RECORDS).read_bytes()
    job = Job(bags['mcap'], out)
    other = replace(CHOSEN, stopping_distance=3.0)
    monkeypatch.setattr(several, 'score', partial(score_with, other))
    with pytest.raises(OtherRun, match='another configuration .stopping_distance'):
        several._score_quietly(replace(job, resume=True))
    assert (out / RECORDS).read_bytes() == before
    scored.clear()
    several._score_quietly(job)
    assert len(scored) == FRAMES
    assert (out / RECORDS).read_bytes() != (wholes['mcap'] / RECORDS).read_bytes()
    assert several._state(job) is several.State.DONE
    shutil.rmtree(out)
    stopped(bags['mcap'], out, 250)
    scored.clear()
    monkeypatch.setattr(several, 'score', partial(score_with, CHOSEN))
    several._score_quietly(job)
    assert len(scored) < FRAMES
    assert (out / RECORDS).read_bytes() == (wholes['mcap'] / RECORDS).read_bytes()


@pytest.mark.parametrize('live', [False, True])
def test_a_bag_of_a_run_goes_on_at_any_record(tmp_path, monkeypatch, live):
    conditions = ('clean', 'occlusion:3')
    bag = replaying.write_bag(tmp_path / 'bag', live, conditions, 'none')
    chosen = replaying.parameters(source=not live)
    monkeypatch.setattr(analysing, 'finalise', lambda folder, rules: Verdict([], []))
    analyse(bag, tmp_path / 'whole' / 'out', chosen)
    whole = told(tmp_path / 'whole' / 'out')
    written = whole[RECORDS].splitlines(keepends=True)
    assert len(written) == 10
    for count in (1, 4, 7, 10):
        out = tmp_path / str(count) / 'out'
        shutil.copytree(tmp_path / 'whole' / 'out', out)
        (out / ENDING).unlink()
        (out / RECORDS).write_bytes(b''.join(written[:count]) + b'{"kind":"fr')
        analyse(bag, out, chosen, resume=True)
        assert told(out) == whole
