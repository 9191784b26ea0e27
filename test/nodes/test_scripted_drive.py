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

"""The scripted drive over the live graph: what was worked out by hand is found, as in its bag."""

import json
import threading
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

rclpy = pytest.importorskip('rclpy')

from livegraphs import LiveGraph, frames_of, records_of  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from scripted import BY_HAND, FRAMES, RATE, by_hand, during, holds_what_is_by_hand, write_scenario  # noqa: E402
from sensor_msgs.msg import Image, TimeReference  # noqa: E402
from simulator import MAPS, Drive, Simulator  # noqa: E402
from worlds import wait_for  # noqa: E402

from maps import ID, plain  # noqa: E402
from vlm_misalign_ros.bags.analyse import analyse  # noqa: E402
from vlm_misalign_ros.core.records.schema import Status  # noqa: E402
from vlm_misalign_ros.core.records.store import RECORDS, difference  # noqa: E402
from vlm_misalign_ros.core.settings import configuration  # noqa: E402
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters  # noqa: E402
from vlm_misalign_ros.core.settings.parameters import table  # noqa: E402
from vlm_misalign_ros.core.types import Hazard  # noqa: E402
from vlm_misalign_ros.nodes import messages  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402

pytestmark = pytest.mark.heavy

BEGIN = 100.0
ANSWERS = '/theirs/answer'
SPACE = 'ego/front'
SHOWN = '/shown/image'
RULES = {
    **{topic: f'/{topic}' for topic in (topics.CAMERA_IMAGE, topics.CAMERA_INFO, *MAPS)},
    topics.DEGRADED_IMAGE: SHOWN,
    topics.DEGRADED_CONDITION: 'shown/as',
}
"""The graph is in a namespace, and its simulator and the model from outside are in none."""
APPLIED = f'/{SPACE}/shown/as'
IN_FLIGHT = 4
"""Frames that wait for an answer at once."""
WORDS = {'SAFE': 'It is safe to go on: SAFE.', 'UNSAFE': 'It is not safe to go on: UNSAFE.'}


def tenth_of(stamp):
    return round((stamp / 1e9 - BEGIN) * RATE)


class Reader:
    """Somebody else's VLM: it says of each picture what the script has it say."""

    def __init__(self):
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node('theirs', context=self._context)
        self._answers = self._node.create_publisher(TimeReference, ANSWERS, 1000)
        self._node.create_subscription(Image, SHOWN, self._see, 1000)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self):
        while not self._stop.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def _see(self, picture):
        tenth = tenth_of(messages.stamp_of(picture.header))
        (said,) = during('says', tenth)
        if said != 'nothing':
            seen = ''.join(f'There is a {name}. ' for name in during('names', tenth))
            self._answers.publish(TimeReference(header=picture.header, source=seen + WORDS[said]))

    @property
    def listeners(self):
        return self._answers.get_subscription_count()

    def end(self):
        self._stop.set()
        self._thread.join(10)
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)


def scene(tenth):
    """Return what the camera and its truth show then."""
    labels = plain()
    instances = np.zeros(labels.shape, np.uint16)
    if during('hazard', tenth):
        labels[18:26, 28:36] = ID['person']
        instances[18:26, 28:36] = ID['person'] * 1000 + 1
    image = np.random.default_rng(tenth).integers(0, 255, (*labels.shape, 3), np.uint8)
    return SimpleNamespace(image=image, labels=labels, instances=instances)


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """
    Play the script to a live graph; return its run folder and that of its bag's analysis.

    Pictures and truth of the simulator, answers of somebody else's node; corruption, monitor and
    recorder are the graph's own. Header time goes on as fast as they keep up: a queue that is too
    short on a busy machine would lose answers, and that is not what is asked here.
    """
    folder = tmp_path_factory.mktemp('scripted')
    deep = {'subscription': {'depth': 1000}, 'publisher': {'depth': 1000}}
    pictures = (*MAPS, topics.CAMERA_IMAGE, topics.DEGRADED_IMAGE)
    data = {
        'mode': 'live',
        'namespace': SPACE,
        'remap': RULES,
        'qos_overrides': {
            name: deep for name in (*(RULES[topic] for topic in pictures), APPLIED, ANSWERS)
        },
        'corruption': {
            'scenario': str(write_scenario(folder / 'scenario.yaml')),
            'policy': 'every_frame',
            'queue_size': 256,
            'reliability': 'reliable',
        },
        'vlms': {'m': {'topic': ANSWERS, 'type': 'sensor_msgs/msg/TimeReference'}},
        'monitor': {
            'deadline': 10.0,
            'pictures': 0,
            'reliability': 'reliable',
            'label_encoding': 'cityscapes_label_ids',
        },
        'record': True,
    }
    rclpy.init()
    street = [scene(tenth) for tenth in range(FRAMES)]
    # No camera_info: the default camera, as in a replay of a data set without one.
    drive = Drive(
        frames=FRAMES, rate=1000.0, start=BEGIN, clock=False, drops={topics.CAMERA_INFO: 1.0}
    )
    silent = [during('says', tenth) == ['nothing'] for tenth in range(FRAMES)]
    # Whom it is for, and the recorder.
    reader, simulator, graph = Reader(), Simulator(drive, street, dict.fromkeys(MAPS, 2)), None
    try:
        graph = LiveGraph(data, folder / 'live')
        made = (SHOWN, APPLIED)
        wait_for(
            lambda: (
                reader.listeners >= 2
                and all(graph.monitor.count_subscribers(topic) >= 2 for topic in made)
            ),
            60.0,
        )

        def keep_up(event):
            answered = event.shot - sum(silent[: event.shot])
            wait_for(lambda: graph.monitor.closed >= answered - IN_FLIGHT, 60.0)

        simulator.before = keep_up
        simulator.play()
        graph.settle(FRAMES, patience=60.0)
    finally:
        simulator.end()
        if graph is not None:
            graph.end()
        reader.end()
        rclpy.try_shutdown()
    chosen = configuration.parse(data)
    parameters = EvaluationParameters(
        **{e.name: getattr(chosen.monitor, e.name) for e in table(EvaluationParameters)}
    )
    analyse(folder / 'live' / 'bag', folder / 'bag', parameters, namespace=SPACE, remap=RULES)
    return folder


@pytest.fixture(params=['live', 'bag'])
def found(run, request):
    """Return the folder of the live run, and of what its bag gives."""
    return run / request.param


def test_every_frame_meets_what_the_script_says_and_is_answered_as_it_says(found):
    records, accounting = records_of(found)
    frames = {tenth_of(stamp): record for (_, stamp), record in frames_of(records).items()}
    assert sorted(frames) == list(range(FRAMES))
    silent = 0
    for tenth, record in frames.items():
        (meets,) = during('meets', tenth)
        assert record.condition.name == meets.replace(' ', '')
        judged = Hazard.HAZARD if during('hazard', tenth) else Hazard.CLEAR
        assert record.truth.hazard is judged
        (said,) = during('says', tenth)
        if said == 'nothing':
            silent += 1
            assert record.models['m'].status is Status.MISSING
        else:
            assert record.models['m'].answer.judgement.value == said
    assert accounting.parts['m'] == {'scored': FRAMES - silent, 'missing': silent}


@pytest.mark.parametrize('figure', BY_HAND)
def test_the_tables_have_the_seconds_that_were_worked_out_by_hand(found, figure):
    temporal = json.loads((found / 'temporal.json').read_text())
    holds_what_is_by_hand(temporal['models']['m']['conditions']['all'], figure)
    assert temporal['protocols'] == {'live': FRAMES}


def test_the_table_of_lines_has_the_same_seconds(found):
    lines = pd.read_csv(found / 'temporal.csv').query('model == "m" and condition == "all"')
    lines = lines.set_index('figure')
    seconds = lines.loc[['time_to_hazard', 'recovery_judgement', 'hallucination_run']]
    assert (seconds.unit == 's').all()
    by = [by_hand('detected')[0], *by_hand('recovered'), *by_hand('made up for')]
    assert seconds.value.tolist() == pytest.approx(by)
    assert lines.longest['time_to_hazard'] == pytest.approx(by_hand('detected')[1])
    shares = lines.loc[['hallucination_persistence', 'judgement_flicker']]
    assert shares[['numerator', 'denominator']].to_numpy().tolist() == [
        by_hand('made up again'),
        by_hand('flickered'),
    ]


def test_the_bag_gives_the_records_of_the_run(run):
    live, bag = (records_of(run / name) for name in ('live', 'bag'))
    # Nobody waits for what is in a bag: a frame without an answer closes with it.
    waited = difference(run / 'live' / RECORDS, run / 'bag' / RECORDS)
    assert all(line.endswith('closed: deadline != end') for line in waited)
    assert live[1].parts == bag[1].parts
