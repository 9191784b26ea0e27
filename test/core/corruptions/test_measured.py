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

"""Severities that stand for measured losses: where they lie, and which files are refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.corruptions import (
    CORRUPTIONS,
    Effect,
    Manner,
    degrade,
    degrade_at,
    low_light,
    measured,
    motion_blur,
    try_out,
)
from vlm_misalign_ros.core.corruptions.measured import LOSSES, Point, place_of_loss
from vlm_misalign_ros.core.corruptions.scale import Scale
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.types import Condition


def curve(*kept):
    """Return what is kept at severity 1, 2 and so on."""
    return [Point(float(k), share) for k, share in enumerate(kept, 1)]


# Where a loss lies -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    'kept, loss, expected',
    [
        ((0.9, 0.8, 0.6), 0.10, 1.0),
        ((0.9, 0.8, 0.6), 0.05, 0.5),
        ((0.9, 0.8, 0.6), 0.15, 1.5),
        ((0.9, 0.8, 0.6), 0.35, 2.75),
        ((0.9, 0.8, 0.6), 0.40, 3.0),
        # More than clean is no loss; .95 lies half way between 1 and .9.
        ((1.02, 0.9), 0.05, 1.5),
        # .7 and .9 are pooled into .8: from there to .6.
        ((0.7, 0.9, 0.6), 0.10, 0.5),
        ((0.7, 0.9, 0.6), 0.30, 2.5),
    ],
)
def test_a_loss_lies_between_what_was_measured(kept, loss, expected):
    assert place_of_loss(curve(*kept), loss, anchored=True) == pytest.approx(expected)


@pytest.mark.parametrize(
    'kept, loss, anchored, named',
    [
        ((0.9, 0.8), 0.21, True, '21% is more than was measured .severity 2 costs 20%'),
        ((1.0, 1.0), 0.05, True, 'more than was measured'),
        ((0.9, 0.8), 0.05, False, '5% is less than its least severity costs .1: 10%'),
        ((), 0.05, False, 'nothing was measured'),
    ],
)
def test_a_loss_outside_what_was_measured_is_refused(kept, loss, anchored, named):
    with pytest.raises(ConfigurationError, match=named):
        place_of_loss(curve(*kept), loss, anchored)


@given(st.lists(st.floats(0.05, 1), min_size=2, max_size=9), st.floats(0.01, 0.94))
def test_the_place_of_a_loss_costs_it_on_the_falling_curve(kept, loss):
    severities, values = np.arange(len(kept) + 1), [1.0, *kept]
    # The falling regression in closed form (Robertson et al. 1988, theorem 1.4.4).
    peer = [
        min(
            max(np.mean(values[first : last + 1]) for last in range(place, len(values)))
            for first in range(place + 1)
        )
        for place in severities
    ]
    try:
        place = place_of_loss(curve(*kept), loss, anchored=True)
    except ConfigurationError:
        assert peer[-1] > 1 - loss - 1e-9
    else:
        assert np.interp(place, severities, peer) == pytest.approx(1 - loss, abs=1e-9)
        # The least such place: before it more is kept.
        assert np.interp(place - 1e-3, severities, peer) > 1 - loss - 1e-12


# A file ----------------------------------------------------------------------------------------


def content(**changes):
    """Return a file's content: motion blur at 1.5 and so on; low light reaches 20 % only."""
    levels = {
        'motion_blur': [
            {'loss': loss, 'severity': place}
            for loss, place in zip(LOSSES, (0.5, 1.5, 2.0, 5.5, 8.0), strict=True)
        ],
        'low_light': [
            *({'loss': loss, 'severity': 3.0 + loss} for loss in LOSSES[:3]),
            *(
                {'loss': loss, 'severity': None, 'problem': 'more than was measured'}
                for loss in LOSSES[3:]
            ),
        ],
    }
    return {
        'schema': measured.SCHEMA,
        'model': 'miniature:segformer',
        'model_sha256': 'abc',
        'input_height': 384,
        'keep_lamps': False,
        'data': {'dataset': 'streets'},
        'corruptions': {
            name: {'scale': measured.scale_of(name), 'levels': entries}
            for name, entries in levels.items()
        },
        **changes,
    }


@pytest.fixture
def manner(tmp_path):
    measured.save(tmp_path / 'severities.json', content())
    return Manner(measured.load(tmp_path / 'severities.json'))


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (64, 256, 3), np.uint8)


def test_a_condition_is_degraded_at_the_severity_that_costs_its_loss(manner, image):
    done = degrade(image, Condition('motion_blur', 2), 7, 'k', manner)
    plain = degrade(image, Condition('motion_blur', 2), 7, 'k')
    # Severity 1.5 lies half way between 6 and 9 px at a width of 2048.
    assert done.applied.parameters['length_px'] == pytest.approx(7.5 * 256 / 2048)
    assert done.applied.parameters['severity'] == 1.5
    assert done.applied.parameters['loss'] == 0.10
    # Seed, drawn angle and name of the condition are those of every run.
    assert done.applied.seed == plain.applied.seed
    assert done.applied.parameters['angle_deg'] == plain.applied.parameters['angle_deg']
    assert done.applied.condition == plain.applied.condition == Condition('motion_blur', 2)
    assert set(plain.applied.parameters) == {'angle_deg', 'length_px', 'points'}
    # A severity that is on the scale gives that severity's very pixels.
    at_two = degrade(image, Condition('motion_blur', 3), 7, 'k', manner)
    np.testing.assert_array_equal(at_two.image, plain.image)


def test_beyond_severity_five_the_scale_goes_on(manner, image):
    done = degrade(image, Condition('motion_blur', 5), 0, 'k', manner)
    assert done.applied.parameters['length_px'] == pytest.approx(96 * 256 / 2048)


def test_clean_and_blank_are_what_they_are(manner, image):
    for condition in (Condition(), Condition('blank')):
        done = degrade(image, condition, 0, 'k', manner)
        np.testing.assert_array_equal(done.image, degrade(image, condition, 0, 'k').image)
        assert done.applied.parameters == {}


@pytest.mark.parametrize(
    'condition, named',
    [
        (Condition('low_light', 4), 'low_light:4.*more than was measured.*--losses'),
        (Condition('occlusion', 1), "no corruption 'occlusion'.*motion_blur, low_light"),
    ],
)
def test_what_was_not_measured_is_refused_by_name(manner, image, condition, named):
    for refused in (
        lambda: degrade(image, condition, 0, 'k', manner),
        lambda: manner.severities.check([Condition(), condition]),
        lambda: try_out([Condition('motion_blur', 1), condition], manner),
    ):
        with pytest.raises(ConfigurationError, match=named):
            refused()


def test_a_file_made_with_another_scale_is_refused(manner, monkeypatch):
    manner.severities.check([Condition('low_light', 1)])
    values = list(low_light.EXPOSURES.values)
    values[3] += 0.001
    monkeypatch.setattr(low_light, 'EXPOSURES', Scale(tuple(values)))
    manner.severities.check([Condition('motion_blur', 1)])
    with pytest.raises(ConfigurationError, match='made with another low_light.*again'):
        manner.severities.check([Condition('low_light', 1)])


def _changed(change):
    def write(path):
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return write


@pytest.mark.parametrize(
    'spoil, named',
    [
        (lambda path: path.unlink(), 'cannot be read'),
        (lambda path: path.write_text('{'), 'cannot be read'),
        (lambda path: path.write_text('[]'), 'cannot be read'),
        (lambda path: path.write_bytes(b'\xff\xfe'), 'cannot be read'),
        (_changed(lambda data: data.update(schema=9)), 'have the schema 9'),
        (_changed(lambda data: data.pop('sha256')), 'cannot be read'),
        (
            _changed(
                lambda data: data['corruptions']['motion_blur']['levels'][0].update(severity=4)
            ),
            'changed after',
        ),
    ],
)
def test_a_spoilt_file_is_refused(tmp_path, spoil, named):
    path = tmp_path / 'severities.json'
    measured.save(path, content())
    spoil(path)
    with pytest.raises(ConfigurationError, match=f'severities.json.*{named}'):
        measured.load(path)


@pytest.mark.parametrize(
    'corruptions',
    [
        {'motion_blur': {'levels': []}},
        {'motion_blur': {'levels': [{'loss': 0.1, 'severity': 'x'}] * 5, 'scale': []}},
        {'motion_blur': {'levels': [{'loss': 0.1, 'severity': None}] * 5, 'scale': []}},
        {'motion_blur': {'levels': [{'severity': 1.0}] * 5, 'scale': []}},
        {'motion_blur': 3},
        [],
    ],
)
def test_a_file_that_was_hashed_and_still_is_none_is_refused(tmp_path, corruptions):
    path = tmp_path / 'severities.json'
    measured.save(path, content(corruptions=corruptions))
    with pytest.raises(ConfigurationError, match='cannot be read'):
        measured.load(path)


# Corruptions of others -------------------------------------------------------------------------


class Stripes:
    """A corruption that takes whole severities alone."""

    covers = False

    def apply(self, image, severity, rng):
        made = image.copy()
        made[: [1, 2, 3, 4, 5][severity - 1]] = rng.integers(256)
        return Effect(made, {'rows': float(severity)})


class RealStripes(Stripes):
    """The same, with real ones."""

    severity_range = (1, 4.5)

    def apply(self, image, severity, rng):
        made = image.copy()
        made[: round(4 * severity)] = 0
        return Effect(made, {'rows': 4 * severity})


@pytest.fixture
def plugged(monkeypatch):
    def plug(corruption):
        monkeypatch.setitem(CORRUPTIONS._loaded, 'stripes', corruption)
        monkeypatch.setitem(CORRUPTIONS._builtin, 'stripes', 'nowhere')

    return plug


def test_a_corruption_of_whole_severities_takes_no_other(plugged, image):
    plugged(Stripes())
    made = degrade_at(image, Condition('stripes', 2), 2.0, 0, 'k')
    assert made.applied.parameters == {'rows': 2.0}
    with pytest.raises(ConfigurationError, match="'stripes' takes whole severities alone.*2.5"):
        degrade_at(image, Condition('stripes', 2), 2.5, 0, 'k')


def test_a_corruption_of_real_severities_takes_those_of_its_range(plugged, image):
    plugged(RealStripes())
    assert degrade_at(image, Condition('stripes'), 4.25, 0, 'k').applied.parameters['rows'] == 17
    for severity in (0.5, 4.6, float('nan')):
        with pytest.raises(ConfigurationError, match='off its scale. allowed: 1 to 4.5'):
            degrade_at(image, Condition('stripes'), severity, 0, 'k')


@pytest.mark.parametrize('wrong', [5, (3, 1), (1, 2, 3), ('a', 'b'), (0, float('inf')), (-1, 5)])
def test_a_range_that_is_none_is_refused_with_the_name(plugged, image, wrong):
    broken = RealStripes()
    broken.severity_range = wrong
    plugged(broken)
    with pytest.raises(ConfigurationError, match="corruption 'stripes' has the severity_range"):
        degrade_at(image, Condition('stripes'), 1.5, 0, 'k')


def test_a_scale_says_what_does_not_depend_on_the_draw():
    assert measured.scale_of('motion_blur')[:5] == [
        {'length_px': length} for length in motion_blur.LENGTHS.values[1:6]
    ]
    assert [row['exposure'] for row in measured.scale_of('low_light')] == list(
        low_light.EXPOSURES.values[1:]
    )
    assert all(set(row) == {'coverage_target'} for row in measured.scale_of('occlusion'))
