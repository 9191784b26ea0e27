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

"""A stand-in for a simulator against the live graph: each picture in exactly one state."""

import dataclasses
import threading
from collections import Counter
from contextlib import contextmanager, nullcontext

import pytest
import yaml

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from livegraphs import LiveGraph, counted, frames_of, records_of  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from simulator import CLOCK, LABELS, MAPS, PICTURES, TOPICS, Drive, Simulator, plan  # noqa: E402
from worlds import World, wait_for  # noqa: E402

from vlm_misalign_ros.core.datasets import open_dataset  # noqa: E402
from vlm_misalign_ros.core.labels.classes import BY_NAME  # noqa: E402
from vlm_misalign_ros.core.records.schema import COUNTED, Status  # noqa: E402
from vlm_misalign_ros.core.records.store import RECORDS, read_records  # noqa: E402
from vlm_misalign_ros.core.report.summary import ALL, summarise  # noqa: E402
from vlm_misalign_ros.nodes import messages  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402

pytestmark = pytest.mark.heavy

STATES = {status.value for status in COUNTED}


@pytest.fixture(scope='module', autouse=True)
def ros():
    rclpy.init()
    yield
    rclpy.try_shutdown()


@pytest.fixture(scope='module')
def street(scenes):
    dataset = open_dataset(scenes)
    return [dataset.read(number) for number in range(len(dataset))]


@pytest.fixture
def play(street, checkpoints, tmp_path):
    """Return a function that plays a drive to a graph for each of its cameras."""

    def run(drive, shown=street, beside=None, depth=1000, **monitor):
        clip = {'model': f'open_clip:local-dir:{checkpoints["clip"]}', 'policy': 'every_frame'}
        simulator, graphs = Simulator(drive, shown), {}
        try:
            for camera in drive.cameras:
                # Nothing is lost on the way, so that sums are known to the last picture; with a
                # depth of 0 queues are as everybody has them.
                deep = {'subscription': {'depth': depth}, 'publisher': {'depth': depth}}
                data = {
                    'namespace': camera,
                    'qos_overrides': {
                        f'/{camera}/{topic}'.replace('//', '/'): deep
                        for topic in (*MAPS, topics.CAMERA_IMAGE, topics.DEGRADED_IMAGE)
                        if depth
                    },
                    'use_sim_time': drive.clock,
                    'corruption': {
                        'schedule': ['clean', 'motion_blur:3'],
                        'hold': 2 * drive.step,
                        'reliability': 'reliable',
                        # A busy machine is no reason to leave a picture out.
                        'policy': 'every_frame',
                        'queue_size': 64,
                    },
                    'segmentation': {
                        'model': f'transformers:{checkpoints["segformer"]}',
                        'input_height': 64,
                        'policy': 'every_frame',
                        'reliability': 'reliable',
                    },
                    'vlms': {'every': clip, 'newest': {**clip, 'policy': 'latest'}},
                    'monitor': {
                        'deadline': 3.0,
                        'minimum_coverage': 0.0,
                        'reliability': 'reliable',
                        'pictures': 0,
                        **monitor,
                    },
                }
                graphs[camera] = LiveGraph(data, tmp_path / f'run_{camera}')
            with beside(simulator, graphs) if beside else nullcontext():
                simulator.play()
            for camera, graph in graphs.items():
                graph.settle(len(simulator.account.of(topics.CAMERA_IMAGE, camera)))
        finally:
            simulator.end()
            for graph in graphs.values():
                graph.end()
        return simulator.account, graphs

    return run


def check(account, graph, camera=''):
    """Hold records, sums and summary of a graph against what was sent to it."""
    pictures, labels, instances = (
        account.of(topic, camera)
        for topic in (topics.CAMERA_IMAGE, topics.TRUTH_LABELS, topics.TRUTH_INSTANCES)
    )
    records, accounting = records_of(graph.folder)
    found = frames_of(records)
    assert set(found) == pictures
    assert accounting.frames.get('truth_without_picture', 0) == len(
        (labels | instances) - pictures
    )
    summary = summarise(read_records(graph.folder / RECORDS))
    rows = {row.model: row for row in summary if row.condition == ALL}
    for name in ('every', 'newest', 'segmentation'):
        counts = {state: count for state, count in accounting.parts[name].items() if count}
        assert set(counts) <= STATES and sum(counts.values()) == len(pictures), (name, counts)
        entries = {
            frame: record.segmentation if name == 'segmentation' else record.models[name]
            for frame, record in found.items()
        }
        assert counted(graph.folder, name) == counts
        if name in rows:
            told = {state.value: n for state, n in rows[name].by_status.items() if n}
            assert told == counts
        # What nobody may score, and nothing else: without labels, or without instances.
        of = {status: {f for f, e in entries.items() if e.status is status} for status in Status}
        assert of[Status.UNMATCHED] == pictures - labels
        assert of[Status.UNSCORABLE] == (pictures & labels) - instances
    return found, accounting


def test_a_drive_is_made_of_its_seed_alone():
    drive = Drive(
        frames=40,
        jitter=0.05,
        drops={topics.TRUTH_LABELS: 0.25},
        jumps={10: 5.0, 20: -30.0},
        restarts=(30,),
        pauses={5: 2.0},
        cameras=('a', 'b'),
    )
    events = plan(drive)
    assert events == plan(drive)
    assert [e.stamp for e in events] != [e.stamp for e in plan(Drive(frames=40))]
    one = [event for event in events if (event.camera, event.topic) == ('a', topics.CAMERA_IMAGE)]
    ticks = [event.stamp for event in events if event.topic == CLOCK]
    assert {event.stamp for event in one} == set(ticks) and len(one) == len(ticks) == 40
    # By hand: 100 s, a tenth a tick, 5 s ahead at 10, 30 s back at 20, anew at 30.
    tenth = 10**8
    assert ticks[9:11] == [1009 * tenth, 1060 * tenth]
    assert ticks[19:21] == [1069 * tenth, 770 * tenth] and ticks[30] == 1000 * tenth
    assert Counter(event.epoch for event in one) == {0: 20, 1: 20}
    assert sum(e.topic == topics.TRUTH_LABELS for e in events) < 80
    assert events[-1].due >= 2.0 + 3.9 and [e for e in events if not e.topic][0].epoch == 1


def test_jitter_drops_a_pause_a_jump_and_a_loop_at_once(play):
    """Ten messages a second of each topic, 25 ticks; two models and a segmentation."""
    drive = Drive(
        frames=25,
        step=1.0,
        seed=4,
        jitter=0.03,
        drops={topics.TRUTH_LABELS: 0.2, topics.TRUTH_INSTANCES: 0.1, topics.CAMERA_IMAGE: 0.2},
        pauses={6: 0.5},
        jumps={10: 30.0, 18: -40.0},
    )
    # A machine that is busy with other things takes seconds for a frame.
    account, graphs = play(drive, deadline=6.0)
    found, accounting = check(account, graphs[''])
    assert {epoch for epoch, _ in found} == {0, 1} and accounting.frames['time_jumps'] == 1
    assert accounting.parts['every'].get('scored', 0) > 0


def table_of(path, offset):
    """Write a file that says what the numbers of a simulator's labels are."""
    values = {entry.id + offset: name for name, entry in BY_NAME.items() if entry.id >= 0}
    path.write_text(yaml.safe_dump({'values': values}), encoding='utf-8')
    return path


@pytest.mark.slow
@pytest.mark.parametrize('number, encoding', enumerate(LABELS))
def test_whatever_a_simulator_sends_its_labels_in_the_frames_are_scored(
    play, street, tmp_path, number, encoding
):
    """And so that each picture encoding is met, too."""
    chosen = encoding
    if encoding in ('isaac', 'gazebo'):
        chosen = str(table_of(tmp_path / 'table.yaml', 2 if encoding == 'isaac' else 0))
    drive = Drive(
        frames=12, labels=encoding, pictures=sorted(PICTURES)[number % len(PICTURES)], jitter=0.02
    )
    account, graphs = play(drive, label_encoding=chosen)
    found, accounting = check(account, graphs[''])
    assert accounting.parts['every'].get('scored', 0) > 0
    # One street, whatever it is sent in: what is there is there.
    for (_, stamp), record in found.items():
        shot = street[round((stamp / 1e9 - drive.start) / drive.step) % len(street)]
        if encoding.startswith('carla'):
            # Riders of old CARLA are pedestrians, and all vehicles one class.
            assert record.truth is not None
            continue
        things = {name for name, e in BY_NAME.items() if e.id > 0 and (shot.labels == e.id).any()}
        told = {name for name, state in record.truth.presence.items() if state == 'ABSENT'}
        assert not told & things
        assert told or things


FAULTS = {
    'nothing': {},
    'no clock': {'clock': False},
    'jitter that is longer than a tick': {'jitter': 0.15},
    'labels get lost': {'drops': {topics.TRUTH_LABELS: 0.4}},
    'instances get lost': {'drops': {topics.TRUTH_INSTANCES: 0.4}},
    'pictures get lost': {'drops': {topics.CAMERA_IMAGE: 0.4}},
    'camera_info gets lost': {'drops': {topics.CAMERA_INFO: 0.8}},
    'all get lost': {'drops': dict.fromkeys(TOPICS, 0.3)},
    'a pause longer than the deadline': {'pauses': {8: 4.0}},
    'a loop': {'step': 1.0, 'jumps': {15: -15.0}},
    'a loop within ten seconds': {'jumps': {12: -1.2}},
    'many loops': {'step': 2.0, 'jumps': {6: -12.0, 12: -12.0, 18: -12.0}},
    'a jump ahead': {'jumps': {10: 3600.0}},
    'a restart': {'step': 1.0, 'restarts': (14,)},
    'two cameras': {'cameras': ('front', 'rear'), 'jitter': 0.03},
    'the simulator is slow': {'rate': 4.0, 'step': 0.25},
    'the simulator is fast': {'rate': 30.0, 'frames': 60},
}


@pytest.mark.slow
@pytest.mark.parametrize('name', FAULTS)
def test_under_each_fault_every_picture_is_in_one_state(play, name):
    drive = Drive(**{'frames': 24, 'seed': len(name), **FAULTS[name]})
    account, graphs = play(drive)
    epochs = {epoch for epoch, _ in account.of(topics.CAMERA_IMAGE, drive.cameras[0])}
    for camera, graph in graphs.items():
        found, accounting = check(account, graph, camera)
        assert accounting.frames.get('time_jumps', 0) == len(epochs) - 1
        assert accounting.parts['every'].get('scored', 0) > 0


@pytest.mark.slow
def test_a_flood_that_the_middleware_drops_of_leaves_all_that_came_in_one_state(play):
    """A hundred pictures a second, with the queues that everybody has unless told otherwise."""
    account, graphs = play(Drive(frames=300, rate=100.0), depth=0)
    records, accounting = records_of(graphs[''].folder)
    found, pictures = frames_of(records), account.of(topics.CAMERA_IMAGE)
    assert len(pictures) == 300 and set(found) <= pictures
    for name in ('every', 'newest', 'segmentation'):
        counts = accounting.parts[name]
        assert sum(counts.values()) == len(found), (name, counts)
    assert accounting.parts['newest']['scored'] > 0
    # Those between the first and the last that came are known to be lost.
    between = {frame for frame in pictures if min(found) < frame < max(found)}
    if len(found) > 150:
        assert accounting.estimated_lost == len(between - set(found))


def larger(frame):
    """Return a frame of twice the size."""

    def twice(array):
        return array.repeat(2, 0).repeat(2, 1)

    lens = frame.camera
    camera = dataclasses.replace(
        lens,
        **{name: 2 * getattr(lens, name) for name in ('fx', 'fy', 'cx', 'cy', 'width', 'height')},
    )
    return dataclasses.replace(
        frame,
        image=twice(frame.image),
        labels=twice(frame.labels),
        instances=twice(frame.instances),
        camera=camera,
    )


@pytest.mark.slow
def test_pictures_that_change_their_size_all_along_are_scored(play, street):
    shown = [larger(frame) if number % 2 else frame for number, frame in enumerate(street)]
    account, graphs = play(Drive(frames=18), shown)
    _, accounting = check(account, graphs[''])
    for name in ('every', 'segmentation'):
        assert accounting.parts[name]['scored'] == 18


GARBAGE = ('nan', '[', '1e400', 'null', '', '\x00', 'x' * 5000)
VALUES = (
    topics.DEGRADED_CONDITION,
    topics.SEGMENTATION_CONFIDENCE,
    topics.vlm_description('every'),
    topics.vlm_description('newest'),
)
PIXELS = (
    topics.CAMERA_IMAGE,
    *MAPS,
    topics.DEGRADED_IMAGE,
    topics.DEGRADED_OCCLUDER,
    topics.SEGMENTATION_LABELS,
)


@contextmanager
def strangers(simulator, graphs):
    """Throw what cannot be read at every topic of the graph, all the while."""
    world, ended, thrown = World(), threading.Event(), Counter()
    talkers = {topic: world.talk(topic, DiagnosticArray) for topic in VALUES}
    talkers |= {topic: world.talk(topic, Image) for topic in PIXELS}
    talkers[topics.CAMERA_INFO] = world.talk(topics.CAMERA_INFO, CameraInfo)
    wait_for(lambda: talkers[topics.CAMERA_IMAGE].get_subscription_count())

    def throw(text, number):
        # Between two pictures of the drive.
        stamp = round((simulator.drive.start + 0.05) * 1e9) + number * 10**8
        header = messages.make_header(stamp, '')
        for topic, publisher in talkers.items():
            if topic == topics.CAMERA_INFO:
                publisher.publish(CameraInfo(header=header, width=7, k=[float('nan')] * 9))
            elif topic in PIXELS:
                publisher.publish(
                    Image(header=header, encoding=text[:40], height=2**31, width=1, step=3)
                )
            else:
                keys = ('severity', 'corruption', 'entropy', 'kind', 'parameters', 'judgement')
                publisher.publish(messages.values_message('x', dict.fromkeys(keys, text), header))
            thrown[topic] += 1

    def throw_all():
        number = 0
        while not ended.wait(0.09):
            throw(GARBAGE[number % len(GARBAGE)], number)
            number += 1

    thread = threading.Thread(target=throw_all)
    thread.start()
    try:
        yield thrown
    finally:
        ended.set()
        thread.join(10)
        world.end()
    assert min(thrown.values()) >= len(GARBAGE)


@pytest.mark.slow
def test_garbage_on_every_topic_costs_no_picture_of_the_drive(play):
    account, graphs = play(Drive(frames=24), beside=strangers)
    records, accounting = records_of(graphs[''].folder)
    found, pictures = frames_of(records), account.of(topics.CAMERA_IMAGE)
    assert accounting.frames['malformed'] > len(GARBAGE)
    assert pictures <= set(found)
    for name in ('every', 'newest', 'segmentation'):
        assert sum(accounting.parts[name].values()) == len(found)
    for frame in pictures:
        assert found[frame].models['every'].status is Status.SCORED
        assert found[frame].segmentation.status is Status.SCORED
    # What a stranger called a picture is in a state, too, and scored for nobody.
    for frame in set(found) - pictures:
        assert found[frame].models['every'].status is not Status.SCORED
