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
"""What the monitor tells the terminal: what is waited for, and why."""

import pytest

from vlm_misalign_ros.core.evaluation.parts import CONDITION, DEPTH, LABELS
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.nodes import diagnosing
from vlm_misalign_ros.nodes.headlines import line_of_rates
from vlm_misalign_ros.nodes.vitals import Level
from vlm_misalign_ros.nodes.watching import Endpoint, Listened, Watch, similar

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
S = 10**9


class Graph:
    """A graph as it may be seen."""

    def __init__(self, publishers=None, listeners=None, topics=None):
        self._publishers = publishers or {}
        self._listeners = listeners or {}
        self._topics = topics or {}

    def resolve(self, topic):
        return topic if topic.startswith('/') else f'/{topic}'

    def publishers(self, topic):
        return self._publishers.get(topic, [])

    def listeners(self, topic):
        return self._listeners.get(topic, [])

    def topics(self):
        return self._topics


def labels():
    return Listened(LABELS, 'labels', 'ground_truth/labels', IMAGE, 'monitor', True)


def model(name='vlm:clip'):
    return Listened(name, name, 'vlm/clip/description', 'x/msg/Y', 'monitor', False)


def watching(graph, *entries, ready=True):
    said = []
    watch = Watch(said.append, graph, entries, 20.0, now=0.0)
    if ready:
        watch.tick(0.0, lambda: {'corruption': True})
        assert 'ready after 0 s' in said.pop()
    return watch, said


def reasons(graph):
    """Return what is said of labels that do not come for 5 s."""
    watch, said = watching(graph, labels())
    watch.tick(4.9, dict)
    assert said == []
    watch.tick(5.0, dict)
    (line,) = said
    assert line.startswith('no labels on /ground_truth/labels for 5 s; ')
    return line.partition('; ')[2]


def test_a_publisher_of_another_type_is_named_with_what_it_sends():
    found = {'/ground_truth/labels': [Endpoint('/bridge', COMPRESSED, reliable=False)]}
    text = reasons(Graph(found))
    assert '/bridge sends CompressedImage, best effort' in text and 'Image is needed' in text


def test_best_effort_does_not_reach_who_asks_for_reliable():
    found = {'/ground_truth/labels': [Endpoint('/bridge', IMAGE, reliable=False)]}
    asked = {'/ground_truth/labels': [Endpoint('/eval/monitor', IMAGE, reliable=True)]}
    text = reasons(Graph(found, asked))
    assert '/bridge sends best effort' in text and 'monitor.reliability to best_effort' in text
    # Somebody else who asks for reliable is not the reason.
    other = {'/ground_truth/labels': [Endpoint('/rviz', IMAGE, reliable=True)]}
    assert reasons(Graph(found, other)).endswith('is there and sends nothing')


@pytest.mark.parametrize(
    'part, transport, suffix',
    [
        (LABELS, 'auto', ''),
        (LABELS, 'auto', '/compressed'),
        (LABELS, 'compressed', '/compressed'),
        (DEPTH, 'auto', '/compressedDepth'),
    ],
)
def test_a_topic_is_alive_by_whatever_carries_it(part, transport, suffix):
    name = f'/ground_truth/maps{suffix}'
    there = {name: [Endpoint('/bridge', COMPRESSED, reliable=True)]}
    entry = Listened(part, part, 'ground_truth/maps', IMAGE, 'monitor', True, transport)
    graph = Graph(there)
    watch, said = watching(graph, entry)
    watch.came(part, 7 * S, 1.0)
    told = diagnosing.of_topic(entry, graph, 1.5)
    assert (told.level, told.text) == (Level.OK, 'brought frame 7.000000000')
    watch.tick(6.0, dict)
    assert said == [
        f'no {part} on {name} for 5 s; its publisher /bridge is there and sends nothing'
    ]
    # A bridge that died is no publisher, and what it carried is not carried by others.
    there.clear()
    told = diagnosing.of_topic(entry, graph, 6.5)
    assert (told.level, told.text) == (Level.ERROR, 'nobody publishes it')
    assert told.values['alive'] == '0'


def test_pictures_by_a_transport_that_their_listener_does_not_take_are_named():
    name = '/camera/image_raw'
    there = {f'{name}/compressed': [Endpoint('/bridge', COMPRESSED, reliable=True)]}
    asked = {name: [Endpoint('/corruption', IMAGE, reliable=True)]}
    entry = Listened(CONDITION, 'pictures', name, IMAGE, 'corruption', True, 'auto')
    watch, said = watching(Graph(there, asked), entry)
    watch.tick(5.0, dict)
    (line,) = said
    assert line.startswith('no pictures on /camera/image_raw/compressed for 5 s; ')
    assert 'corruption does not take; set corruption.image_transport to auto' in line
    # One that takes them waits for them.
    asked[f'{name}/compressed'] = [Endpoint('/corruption', COMPRESSED, reliable=True)]
    watch.tick(10.0, dict)
    assert said[1].endswith('its publisher /bridge is there and sends nothing')


def test_what_a_run_listens_to_comes_by_the_transports_of_its_parameters():
    pytest.importorskip('rclpy')
    from vlm_misalign_ros.nodes.sight import listened_by

    chosen = MonitorParameters(
        lockstep=False, depth=True, image_transport='compressed', models=('m',)
    )
    assert {entry.part: entry.transport for entry in listened_by(chosen)} == {
        CONDITION: 'auto',
        LABELS: 'compressed',
        'instances': 'compressed',
        DEPTH: 'compressed',
        'segmentation': 'raw',
        'vlm:m': 'raw',
    }


def test_a_topic_that_nobody_publishes_gets_names_that_may_be_meant():
    there = {
        '/carla/ground_truth/labels': [IMAGE],
        '/ground_truth/label': [IMAGE],
        '/odom': ['nav_msgs/msg/Odometry'],
        '/camera/image_raw': [IMAGE],
    }
    text = reasons(Graph(topics=there))
    assert text.startswith('nobody publishes it; similar: /carla/ground_truth/labels (')
    assert '/ground_truth/label (' in text and '/odom' not in text
    assert reasons(Graph()) == 'nobody publishes it'


def test_at_most_three_names_are_offered():
    there = {f'/cam{number}/image': [IMAGE] for number in range(50)}
    assert len(similar('/camera/image', IMAGE, there)) == 3


def test_a_silence_is_named_at_doubling_times_and_its_end_once():
    watch, said = watching(Graph(), labels())
    for second in range(1, 101):
        watch.tick(float(second), dict)
    waits = [int(line.split(' for ')[1].split(' s')[0]) for line in said]
    assert waits == [5, 10, 20, 40, 80]
    said.clear()
    watch.came(LABELS, 7 * S, 101.0)
    watch.came(LABELS, 8 * S, 101.5)
    assert said == ['labels come after 101 s']


def test_a_model_that_hangs_is_named_with_the_frame_and_how_long():
    watch, said = watching(Graph(), model())
    watch.came(CONDITION, 1 * S, 10.0, 'clean')
    watch.came('vlm:clip', 1 * S, 10.5)
    watch.came(CONDITION, 2 * S, 11.0, 'clean')
    watch.came(CONDITION, 3 * S, 12.0, 'clean')
    said.clear()
    watch.tick(15.9, dict)
    assert said == []
    watch.tick(16.0, dict)
    assert said == [
        'vlm:clip has not answered for 5 s, since frame 2.000000000; frames close without it '
        'after 20 s'
    ]
    watch.came('vlm:clip', 3 * S, 30.0)
    assert said[1:] == ['vlm:clip answers again after 19 s']


def test_a_model_that_passes_frames_over_is_no_model_that_answers():
    watch, said = watching(Graph(), model())
    for frame in range(1, 8):
        watch.came(CONDITION, frame * S, float(frame), 'clean')
        watch.passed('vlm:clip', frame * S, 'its node is paused', frame + 0.5)
    said.clear()
    watch.tick(8.0, dict)
    assert said == [
        'vlm:clip has not answered for 7 s, since frame 1.000000000; it passes frames over: '
        'its node is paused'
    ]
    watch.came('vlm:clip', 8 * S, 9.0)
    assert said[1:] == ['vlm:clip answers after 8 s'] and watch.listened[0].passing == ''


def test_nodes_that_are_gone_are_absent_once_they_have_brought_something():
    there = {'/vlm/clip/description': [Endpoint('/vlm_clip', 'x/msg/Y', True)]}
    mask = Listened('segmentation', 'masks', 'segmentation/labels', IMAGE, 'monitor', False)
    graph = Graph(there)
    watch, _ = watching(graph, model(), mask, labels())
    # Nobody is given up before it has begun, and nobody outside.
    assert watch.absent(2.0) == []
    for part in ('vlm:clip', 'segmentation', LABELS):
        watch.came(part, 1 * S, 1.0)
    assert watch.absent(2.0) == ['segmentation', 'confidence']
    there['/segmentation/labels'] = [Endpoint('/segmentation', IMAGE, True)]
    there.pop('/vlm/clip/description')
    assert watch.absent(2.0) == ['vlm:clip']


def test_nobody_waits_for_the_labels_of_a_reference_that_is_gone():
    from vlm_misalign_ros.core.settings.nodes import MonitorParameters
    from vlm_misalign_ros.nodes.sight import listened_by

    chosen = MonitorParameters(lockstep=False, instances=False, reference='some:model')
    entries = {entry.part: entry for entry in listened_by(chosen)}
    # It is a node of the run: no topic of ground truth is looked for outside.
    assert LABELS not in entries and not entries['reference'].outside
    there = {'/reference/confidence': [Endpoint('/reference', entries['reference'].type, True)]}
    watch, _ = watching(Graph(there), entries['reference'])
    watch.came('reference', 1 * S, 1.0)
    assert watch.absent(2.0) == []
    there.clear()
    assert watch.absent(2.0) == ['reference', LABELS]


def test_a_node_that_says_nothing_for_longer_than_the_deadline_is_not_waited_for():
    there = {'/vlm/clip/description': [Endpoint('/vlm_clip', 'x/msg/Y', True)]}
    watch, _ = watching(Graph(there), model())
    watch.came(CONDITION, 1 * S, 1.0, 'clean')
    # One that has not answered yet may still load.
    assert watch.absent(100.0) == []
    watch.came('vlm:clip', 1 * S, 100.0)
    watch.came(CONDITION, 2 * S, 101.0, 'clean')
    assert watch.absent(121.0) == [] and watch.absent(121.1) == ['vlm:clip']
    # Who passes frames over, speaks.
    watch.passed('vlm:clip', 2 * S, 'a newer frame was taken', 121.5)
    assert watch.absent(122.0) == []
    watch.came('vlm:clip', 2 * S, 130.0)
    watch.came(CONDITION, 3 * S, 131.0, 'clean')
    assert watch.absent(132.0) == []


def test_a_node_that_hangs_after_it_passed_a_frame_over_is_not_waited_for():
    there = {'/vlm/clip/description': [Endpoint('/vlm_clip', 'x/msg/Y', True)]}
    watch, said = watching(Graph(there), model())
    watch.came(CONDITION, 1 * S, 1.0, 'clean')
    watch.came('vlm:clip', 1 * S, 1.5)
    watch.came(CONDITION, 2 * S, 2.0, 'clean')
    watch.came(CONDITION, 3 * S, 3.0, 'clean')
    watch.passed('vlm:clip', 2 * S, 'a newer frame was taken', 3.5)
    # Frame 3 waits for it, whether more are asked for or not.
    for frame in range(4, 24):
        watch.came(CONDITION, frame * S, float(frame), 'clean')
        assert watch.absent(float(frame - 1)) == []
    assert watch.absent(23.5) == [] and watch.absent(23.6) == ['vlm:clip']
    said.clear()
    watch.tick(24.0, dict)
    assert said[0].endswith('frames close without it after 20 s')
    # It speaks again, and passes over all that it was asked.
    watch.passed('vlm:clip', 23 * S, 'its node is paused', 30.0)
    assert watch.absent(1000.0) == []
    # A pause of the camera is none of its own.
    watch.came(CONDITION, 24 * S, 1000.0, 'clean')
    assert watch.absent(1020.0) == [] and watch.absent(1020.1) == ['vlm:clip']


def test_an_answer_that_names_no_frame_ends_the_wait():
    there = {'/vlm/clip/description': [Endpoint('/vlm_clip', 'x/msg/Y', True)]}
    watch, said = watching(Graph(there), model())
    for frame in (1, 2, 3):
        watch.came(CONDITION, frame * S, float(frame), 'clean')
        watch.came('vlm:clip', None, frame + 0.3)
    said.clear()
    # The camera pauses: nobody is asked anything.
    watch.tick(1000.0, dict)
    assert said == [] and watch.absent(1000.0) == []
    watch.came(CONDITION, 4 * S, 1000.0, 'clean')
    assert watch.absent(1020.1) == ['vlm:clip']


def test_a_model_that_is_asked_nothing_does_not_hang():
    watch, said = watching(Graph(), model())
    watch.came(CONDITION, 1 * S, 1.0, 'clean')
    watch.came('vlm:clip', 1 * S, 1.5)
    said.clear()
    watch.tick(1000.0, dict)
    assert said == []


def test_a_model_that_is_always_slow_is_not_named_each_time_and_a_hang_of_it_is():
    watch, said = watching(Graph(), model())
    now = 0.0
    for frame in range(1, 11):
        watch.came(CONDITION, frame * S, now, 'clean')
        for second in range(9):
            watch.tick(now + second, dict)
        now += 8.0
        watch.came('vlm:clip', frame * S, now)
    named = [line for line in said if 'has not answered' in line]
    assert len(named) == 1
    watch.came(CONDITION, 11 * S, now, 'clean')
    watch.tick(now + 15.0, dict)
    assert len([line for line in said if 'has not answered' in line]) == 1
    watch.tick(now + 16.0, dict)
    assert len([line for line in said if 'has not answered' in line]) == 2


def test_while_nodes_start_they_are_named_and_no_model_hangs():
    watch, said = watching(Graph(), model(), ready=False)
    watch.came(CONDITION, 1 * S, 0.0, 'clean')
    for second in range(31):
        there = {'corruption': True, 'vlm:clip': second == 30}
        watch.tick(float(second), lambda there=there: there)
    assert said == [
        'first frame: 1.000000000, clean',
        'starting for 5 s; waiting for vlm:clip',
        'starting for 10 s; waiting for vlm:clip',
        'starting for 20 s; waiting for vlm:clip',
        'ready after 30 s: corruption, vlm:clip',
    ]
    # Once all are there the graph is no longer asked.
    watch.tick(34.0, lambda: pytest.fail('asked again'))
    assert len(said) == 5
    watch.tick(35.0, dict)
    assert 'vlm:clip has not answered for 5 s' in said[-1]


def test_rates_come_every_five_seconds_a_line_a_model():
    watch, said = watching(Graph())
    metrics = {
        'rolling: clip': {'scored': '3', 'smr/metric_value': '0.5'},
        'rolling: segmentation': {'miou/metric_value': '0.5', 'scored': '3'},
        'total: clip': {'scored': '3'},
    }
    made = []

    def make():
        made.append(metrics)
        return metrics

    for tenth in range(120):
        watch.rates(make, tenth / 10)
    assert len(made) == 3, 'made for nothing'
    assert len(said) == 3 and all(line.startswith('clip: 3 scored; ') for line in said)


@pytest.mark.parametrize(
    'values, line',
    [
        ({}, 'no frame; no rate yet'),
        ({'missing': '4', 'scored': '0'}, '4 missing; no rate yet'),
        (
            {
                'scored': '9',
                'hallucination_rate/metric_value': '0.25',
                'hallucination_rate/numerator': '2',
                'hallucination_rate/denominator': '8',
            },
            '9 scored; hallucination 0.250 (2/8)',
        ),
        ({'scored': '1', 'smr/metric_value': 'nan'}, '1 scored; no rate yet'),
    ],
)
def test_a_line_has_what_came_of_the_frames_and_the_rates_that_there_are(values, line):
    assert line_of_rates(values, ['hallucination_rate', 'smr']) == line


def test_a_line_without_truth_has_the_disagreement_in_place_of_rates():
    own = {
        'self_added/metric_value': '0.25',
        'self_added/numerator': '1',
        'self_added/denominator': '4',
        'self_flip_to_safe/metric_value': 'nan',
        'self_consistency/metric_value': '0.5',
    }
    words = 'disagreement with its clean pictures: said of degraded only 0.250 (1/4)'
    assert line_of_rates({'unmatched': '3'}, ['smr'], own) == f'3 unmatched; {words}'
    rated = {'scored': '3', 'smr/metric_value': '0.5'}
    assert line_of_rates(rated, ['smr'], own) == f'3 scored; SMR, pooled 0.500; {words}'
    assert line_of_rates({}, [], {}) == (
        'no frame; disagreement with its clean pictures: nothing yet'
    )


def test_the_disagreement_stands_in_the_line_of_its_model():
    watch, said = watching(Graph())
    own = {'self_dropped/metric_value': '0.5'}
    found = {'rolling: clip': {'unmatched': '3'}, 'rolling disagreement: clip': own}
    watch.rates(lambda: found, 0.0)
    assert said == [
        'clip: 3 unmatched; disagreement with its clean pictures: said of clean only 0.500'
    ]
