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

"""What a model keeps of its mIoU at each severity, measured on the golden scenes."""

import numpy as np
import pytest

from golden import replaying
from vlm_misalign_ros.core.corruptions import CORRUPTIONS, Effect, Manner, degrade, degrade_at
from vlm_misalign_ros.core.corruptions.measured import LOSSES
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation import severities
from vlm_misalign_ros.core.evaluation.severities import Asked, kept_interval, measure_severities
from vlm_misalign_ros.core.metrics.confusion import confusion, miou
from vlm_misalign_ros.core.types import Condition, Segmented

pytestmark = pytest.mark.heavy


class Rows:
    """
    A segmentation model that knows the scenes and errs in the rows that are black at the top.

    It takes the picture's first pixel, which tells the scene, from its last row.
    """

    def __init__(self):
        self.truth = {}
        for position in range(4):
            frame = replaying.dataset().read(position)
            self.truth[frame.image[-1].tobytes()] = frame.labels

    def segment(self, bgr):
        labels = self.truth[bgr[-1].tobytes()]
        found = _TRAIN_IDS[labels].copy()
        found[~bgr.any(axis=(1, 2))] = 255
        return Segmented(found, 0.0, 1.0)


def _train_ids():
    from vlm_misalign_ros.core.labels.classes import BY_ID

    table = np.full(256, 255, np.uint8)
    for label, row in BY_ID.items():
        if 0 <= row.train_id < 19:
            table[label] = row.train_id
    return table


_TRAIN_IDS = _train_ids()


class Curtain:
    """A corruption that blackens rows from the top: a quarter of the picture at severity 5."""

    covers = False
    severity_range = (0, 10)

    def apply(self, image, severity, rng):
        made = image.copy()
        made[: round(image.shape[0] * severity / 20)] = 0
        return Effect(made, {'share': severity / 20})


@pytest.fixture
def world(monkeypatch):
    """Have the corruption `curtain` and the model `rows`."""
    monkeypatch.setitem(CORRUPTIONS._loaded, 'curtain', Curtain())
    monkeypatch.setitem(CORRUPTIONS._builtin, 'curtain', 'nowhere')
    monkeypatch.setattr(severities, 'load_segmentation', lambda model, **_: Rows())
    return Asked('miniature:segformer', str(replaying.SCENES), corruptions=('curtain',))


def kept_by_hand(name, severity, seed=0):
    """Return mIoU over clean mIoU, one frame after the other."""
    clean, degraded = (np.zeros((19, 20), np.int64) for _ in range(2))
    network = Rows()
    for position in range(4):
        frame = replaying.dataset().read(position)
        made = degrade_at(frame.image, Condition(name), severity, seed, frame.key)
        clean += confusion(frame.labels, network.segment(frame.image).labels)
        degraded += confusion(frame.labels, network.segment(made.image).labels)
    return miou(degraded) / miou(clean)


def test_the_curve_is_what_is_kept_and_the_levels_cost_their_losses(world):
    found = measure_severities(world)
    entry = found['corruptions']['curtain']
    assert found['clean_miou'] == 1.0
    for point in entry['curve']:
        assert point['kept'] == pytest.approx(kept_by_hand('curtain', point['severity']))
        # Four scenes give no interval.
        assert point['low'] is None and point['high'] is None
    # Severity 10 covers half the picture; beyond 5 only as far as the greatest loss asks.
    measured = [point['severity'] for point in entry['curve']]
    kept = [point['kept'] for point in entry['curve']]
    assert measured == [float(k) for k in range(1, len(measured) + 1)] and len(measured) >= 5
    assert kept[-1] <= 0.5 or measured[-1] == 10
    assert len(measured) == 5 or kept[-2] > 0.5
    for loss, level in zip(LOSSES, entry['levels'], strict=True):
        assert level['loss'] == loss
        if level['severity'] is not None:
            expected = np.interp(level['severity'], [0, *measured], [1, *kept])
            assert expected == pytest.approx(1 - loss)
            assert level['parameters'] == {'share': pytest.approx(level['severity'] / 20)}


def test_a_check_says_what_is_kept_where_the_loss_was_looked_for(world):
    from dataclasses import replace

    found = measure_severities(replace(world, check=True))
    levels = found['corruptions']['curtain']['levels']
    assert any(level['severity'] is not None for level in levels)
    for level in levels:
        if level['severity'] is not None:
            assert level['kept'] == pytest.approx(kept_by_hand('curtain', level['severity']))


def test_what_whole_severities_alone_take_is_measured_and_has_no_levels(world, monkeypatch):
    monkeypatch.delattr(Curtain, 'severity_range')
    entry = measure_severities(world)['corruptions']['curtain']
    assert [point['severity'] for point in entry['curve']] == [1, 2, 3, 4, 5]
    assert all(level['severity'] is None for level in entry['levels'])
    assert all('whole severities alone' in level['problem'] for level in entry['levels'])


def test_a_run_at_what_was_measured_loses_that_much(world, tmp_path):
    from vlm_misalign_ros.core.corruptions.measured import load, save

    found = measure_severities(world)
    save(tmp_path / 's.json', found)
    manner = Manner(load(tmp_path / 's.json'))
    network = Rows()
    level = found['corruptions']['curtain']['levels'][2]
    clean, lost = (np.zeros((19, 20), np.int64) for _ in range(2))
    for position in range(4):
        frame = replaying.dataset().read(position)
        made = degrade(frame.image, Condition('curtain', 3), 0, frame.key, manner)
        assert made.applied.parameters['severity'] == level['severity']
        clean += confusion(frame.labels, network.segment(frame.image).labels)
        lost += confusion(frame.labels, network.segment(made.image).labels)
    # The curve is not straight between two severities.
    assert miou(lost) / miou(clean) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize('losses', [(0.1,) * 5, (0.1, 0.2, 0.3, 0.4), (0, 0.1, 0.2, 0.3, 0.4)])
def test_losses_that_do_not_rise_are_refused(world, losses):
    from dataclasses import replace

    with pytest.raises(ConfigurationError, match='give five rising shares'):
        measure_severities(replace(world, losses=losses))


def test_an_unknown_corruption_is_refused(world):
    from dataclasses import replace

    with pytest.raises(ConfigurationError, match="no corruption 'rain'"):
        measure_severities(replace(world, corruptions=('rain',)))


# The interval ----------------------------------------------------------------------------------


def matrices(rng, scenes, hit):
    """Return confusion matrices by scene: 19 classes of various areas, `hit` of each right."""
    found = np.zeros((scenes, 19, 20), np.int64)
    areas = rng.poisson(1000 * rng.gamma(1, 1, (scenes, 19)))
    right = rng.binomial(areas, hit)
    for scene in range(scenes):
        np.fill_diagonal(found[scene], right[scene])
        found[scene, :, 19] = areas[scene] - right[scene]
    return found


def test_the_interval_is_the_jackknife_on_the_logarithm():
    rng = np.random.default_rng(1)
    clean, lost = matrices(rng, 9, 0.9), matrices(rng, 9, 0.6)
    value, low, high = kept_interval(clean, lost)
    assert value == miou(lost.sum(axis=0)) / miou(clean.sum(axis=0))
    parts = []
    for scene in range(9):
        rest = [k for k in range(9) if k != scene]
        parts.append(np.log(miou(lost[rest].sum(axis=0)) / miou(clean[rest].sum(axis=0))))
    error = np.sqrt(8 / 9 * np.sum((np.array(parts) - np.mean(parts)) ** 2))
    # 2.7764 is the 0.975 quantile of Student's t with 4 degrees of freedom, half of 9 - 1.
    assert np.log([low, high]) == pytest.approx(
        [np.log(value) - 2.7764 * error, np.log(value) + 2.7764 * error], abs=1e-4
    )


def test_few_scenes_and_nothing_kept_give_no_interval():
    rng = np.random.default_rng(1)
    clean = matrices(rng, 9, 0.9)
    assert np.isnan(kept_interval(clean[:7], clean[:7])[1:]).all()
    assert kept_interval(clean, matrices(rng, 9, 0.0))[0] == 0
    assert np.isnan(kept_interval(clean, matrices(rng, 9, 0.0))[1:]).all()
