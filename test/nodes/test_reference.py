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

"""A live run without ground truth whose reference, another segmentation model, stands for it."""

import json
import re

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from livegraphs import LiveGraph, plain, records_of  # noqa: E402
from segmenters import make  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from worlds import Held, World, picture_message, stamps, wait_for  # noqa: E402

from vlm_misalign_ros.bags.analyse import analyse  # noqa: E402
from vlm_misalign_ros.core.checksums import checksum  # noqa: E402
from vlm_misalign_ros.core.datasets import open_dataset  # noqa: E402
from vlm_misalign_ros.core.errors import ConfigurationError  # noqa: E402
from vlm_misalign_ros.core.files import read_json, write_json  # noqa: E402
from vlm_misalign_ros.core.labels.classes import CLASSES, to_label_ids  # noqa: E402
from vlm_misalign_ros.core.metrics.confusion import confusion, from_cells, miou  # noqa: E402
from vlm_misalign_ros.core.models.factory import load_segmentation  # noqa: E402
from vlm_misalign_ros.core.records.schema import Closing, Status, encode  # noqa: E402
from vlm_misalign_ros.core.records.times import without_times  # noqa: E402
from vlm_misalign_ros.core.report.finalise import finalise  # noqa: E402
from vlm_misalign_ros.core.report.rules import Rules  # noqa: E402
from vlm_misalign_ros.core.report.verdict import Status as Verdict  # noqa: E402
from vlm_misalign_ros.core.settings.configuration import parse  # noqa: E402
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters, truth_settings  # noqa: E402
from vlm_misalign_ros.core.settings.parameters import table  # noqa: E402
from vlm_misalign_ros.core.truth.read import TruthMaps, read_truth  # noqa: E402
from vlm_misalign_ros.core.types import (  # noqa: E402
    Applied,
    Condition,
    Confidence,
    Failed,
    Passed,
    Protocol,
    Segmented,
)
from vlm_misalign_ros.nodes import messages  # noqa: E402
from vlm_misalign_ros.nodes import reference as reference_node  # noqa: E402
from vlm_misalign_ros.nodes.managed import GOT_LOST  # noqa: E402
from vlm_misalign_ros.nodes.reference import Reference  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402
from vlm_misalign_ros.wire.truths import remapped  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]

NANO = 1_000_000_000
HEIGHT = 64


@pytest.fixture(scope='module')
def another(tmp_path_factory):
    """Return a tiny network with other weights than the run's own segmentation."""
    return f'transformers:{make("segformer", tmp_path_factory.mktemp("tiny") / "segformer")}'


@pytest.fixture(scope='module')
def street(scenes):
    dataset = open_dataset(scenes)
    return [dataset.read(number) for number in range(3)]


@pytest.fixture(scope='module')
def data(checkpoints, another):
    found = plain(checkpoints)
    found['reference'] = {'model': another, 'input_height': HEIGHT, 'policy': 'every_frame'}
    return found


class Played:
    """What came of a graph that was shown pictures and nothing else."""

    def __init__(self, data, folder, street):
        self.folder = folder
        self.configuration = parse({'mode': 'live', **data})
        folder.mkdir()
        write_json(
            folder / 'manifest.json',
            {'configuration': self.configuration.resolved(), 'models': {}},
        )
        graph, world = LiveGraph(data, folder), World()
        try:
            camera = world.talk(topics.CAMERA_IMAGE, Image)
            self.labels = world.listen(topics.REFERENCE_LABELS, Image)
            self.told = world.listen(topics.REFERENCE_CONFIDENCE, DiagnosticArray)
            self.degraded = world.listen(topics.DEGRADED_IMAGE, Image)
            self.metrics = world.listen(topics.MONITOR_METRICS, DiagnosticArray)
            world.meet()
            models = (topics.DEGRADED_IMAGE, 3 + 1), (topics.DEGRADED_SOURCE, 1)
            wait_for(lambda: all(world.node.count_subscribers(t) >= n for t, n in models))
            self.listeners_of_truth = world.node.count_subscribers(topics.TRUTH_LABELS)
            for number, frame in enumerate(street, 1):
                camera.publish(picture_message(frame.image, number * 20 * NANO))
                graph.settle(number)
            wait_for(lambda: len(self.labels) == len(self.degraded) == len(street))
        finally:
            graph.end()
            world.end()
        self.records, self.account = records_of(folder)


@pytest.fixture(scope='module')
def played(data, street, tmp_path_factory, ros):
    return Played(data, tmp_path_factory.mktemp('live') / 'run', street)


def said_by(model, picture):
    return load_segmentation(model, input_height=HEIGHT).segment(picture).labels


def test_the_truth_of_a_frame_is_what_the_reference_says_of_its_clean_picture(
    played, street, another, checkpoints
):
    own = f'transformers:{checkpoints["segformer"]}'
    settings = truth_settings(played.configuration.monitor)
    assert len(played.records) == len(street) and played.listeners_of_truth == 0
    together = 0
    for number, (frame, record) in enumerate(zip(street, played.records, strict=True)):
        labels = to_label_ids(said_by(another, frame.image))
        degraded = messages.bgr_pixels(played.degraded[number])
        assert (degraded != frame.image).any()
        told = codec.confidence_from_values(codec.values_of(played.told[number]))
        assert (told.image, told.mask) == (checksum(frame.image), checksum(labels))
        assert bytes(played.labels[number].data) == labels.tobytes()
        # Closed at once, with everything, and scored.
        assert (record.closed, record.missing) == (Closing.COMPLETE, [])
        assert record.models['clip'].status is record.segmentation.status is Status.SCORED
        expected = confusion(labels, said_by(own, degraded))
        together += expected
        assert (from_cells(record.segmentation.cells) == expected).all()
        # mIoU is that of the two masks, and neither 0 nor 1.
        assert record.segmentation.frame_iou == pytest.approx(miou(expected))
        truth = read_truth(TruthMaps(labels, tells_hood=False), None, settings)
        assert record.truth.presence == truth.seen.scene
        assert record.protocol is Protocol.PSEUDO and record.pseudo
    assert 0 < together.trace() < together.sum()


def test_everything_says_that_it_is_a_disagreement(played, another):
    against = f'against reference {another}'
    verdict = finalise(played.folder)
    assert verdict.status is Verdict.COMPLETE
    (note,) = [note for note in verdict.notes if 'pseudo-labels' in note]
    assert note == (
        f"the labels of 3 frames are a segmentation model's (pseudo-labels; every figure is "
        f'{against}): rates say how far two models disagree, not what is right'
    )
    assert read_json(played.folder / 'analysis.json', '')['against'] == against
    head, *lines = (played.folder / 'summary.csv').read_text(encoding='utf-8').splitlines()
    assert read_json(played.folder / 'temporal.json', '')['against'] == against
    assert head.split(',')[-1] == 'against' and lines
    assert all(line.endswith(against) for line in lines)
    page = (played.folder / 'report.html').read_text(encoding='utf-8')
    for title in ('Rates by condition and model', 'What degradation adds', 'Does mIoU warn?'):
        assert f'>{title}, {against}</a></h2>' in page
    # Beside the library that draws.
    read = re.sub('<script.*?</script>', '', page, flags=re.DOTALL)
    assert read.count('no figure\nis an accuracy') == read.count('and is no accuracy.') == 1
    assert read.count('accura') == 2
    assert {s.name for s in played.metrics[-1].status} == {
        f'monitor: {span}: {name}'
        for span in ('rolling', 'total')
        for name in ('clip', 'segmentation')
    }
    for status in played.metrics[-1].status:
        assert [v.value for v in status.values if v.key == 'against'] == [against]


def test_no_limit_is_kept_by_it(played):
    rules = Rules.of(played.configuration.monitor)
    for limit in ('miou > 0', 'hallucination_rate <= 1', 'critical_omission_rate@all <= 1'):
        verdict = finalise(played.folder, rules.with_limits([limit]))
        assert verdict.status is Verdict.INVALID
        assert 'no ground truth' in verdict.wrong[0].message


def test_its_bag_gives_the_same(played, tmp_path):
    chosen = played.configuration
    shared = {e.name: getattr(chosen.monitor, e.name) for e in table(EvaluationParameters)}
    verdict = analyse(
        played.folder / 'bag',
        tmp_path / 'out',
        EvaluationParameters(**shared),
        remap=remapped(chosen),
    )
    assert verdict.status is Verdict.COMPLETE
    found, _ = records_of(tmp_path / 'out')
    assert [plainly(record) for record in found] == [plainly(one) for one in played.records]
    name = chosen.reference.model
    assert read_json(tmp_path / 'out' / 'analysis.json', '')['against'].endswith(name)


def plainly(record):
    return without_times(json.loads(encode(record)))


class Sees:
    """A model that sees sky above road, and cannot tell the classes `lacking`."""

    def __init__(self, lacking=()):
        self.lacking = lacking

    def segment(self, bgr):
        labels = np.zeros(bgr.shape[:2], np.uint8)
        labels[: len(labels) // 2] = CLASSES.index('sky')
        return Segmented(labels, 0.5, 0.5, lacking=self.lacking)


@pytest.fixture
def sees(monkeypatch):
    """Return a function that has the node open a model."""

    def choose(model):
        monkeypatch.setattr(reference_node, 'load_segmentation', lambda name, **o: model)

    return choose


def picture(second, value=7):
    return picture_message(np.full((64, 128, 3), value, np.uint8), second * NANO)


def test_a_model_that_turns_out_to_lack_classes_ends_its_node(world, sees):
    sees(Sees(('rider', 'train')))
    source = world.talk(topics.DEGRADED_SOURCE, Image)
    world.start(Reference, model='some', max_failures=0)
    world.meet()
    source.publish(picture(1))
    wait_for(lambda: world.error is not None)
    assert isinstance(world.error, ConfigurationError)
    assert "'some' cannot tell rider, train" in str(world.error)


def test_what_it_passes_over_it_says_and_nobody_waits_for_its_labels(world, sees):
    held = Held()
    sees(held)
    told = world.listen(topics.REFERENCE_CONFIDENCE, DiagnosticArray)
    labels = world.listen(topics.REFERENCE_LABELS, Image)
    source = world.talk(topics.DEGRADED_SOURCE, Image)
    world.start(Reference, policy='latest')
    world.meet()
    source.publish(picture(1))
    assert held.begun.acquire(timeout=20)
    for second in (2, 3):
        source.publish(picture(second))
    wait_for(lambda: len(told) == 1)
    held.open.set()
    wait_for(lambda: len(told) == 3 and len(labels) == 2)
    said = dict(zip(stamps(told), map(values, told), strict=True))
    assert stamps(labels) == [NANO, 3 * NANO]
    assert said[2 * NANO] == Passed('a newer frame was taken (policy latest)')
    assert said[NANO].image == said[3 * NANO].image == checksum(np.full((64, 128, 3), 7, np.uint8))


def values(message):
    return codec.confidence_from_values(codec.values_of(message))


def test_a_picture_that_got_lost_or_cannot_be_read_is_named(world, sees):
    sees(Sees())
    told = world.listen(topics.REFERENCE_CONFIDENCE, DiagnosticArray)
    source = world.talk(topics.DEGRADED_SOURCE, Image)
    condition = world.talk(topics.DEGRADED_CONDITION, DiagnosticArray)
    world.start(Reference)
    world.meet()
    strange = picture(1)
    strange.encoding = 'nothing'
    source.publish(strange)
    wait_for(lambda: len(told) == 1)
    assert isinstance(values(told[0]), Failed)
    shown = codec.applied_to_values(Applied(Condition('fog', 1), 0))
    for second in (2, 3):
        header = messages.make_header(second * NANO, 'front')
        condition.publish(messages.values_message('condition', shown, header))
    source.publish(picture(3))
    # What announces pictures has a topic of its own: either may be heard first.
    wait_for(lambda: {2 * NANO, 3 * NANO} <= set(stamps(told)))
    found = {stamp: values(one) for stamp, one in zip(stamps(told), told, strict=True)}
    assert found[2 * NANO] == Failed(GOT_LOST)
    assert isinstance(found[3 * NANO], Confidence)
