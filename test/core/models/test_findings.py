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

"""What a mask holds, in words and in colours, against masks that are drawn by hand."""

import numpy as np
import pytest

from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES, IGNORE
from vlm_misalign_ros.core.models import findings
from vlm_misalign_ros.core.types import Segmented

ROAD, CAR, PERSON = (CLASSES.index(name) for name in ('road', 'car', 'person'))


def mask(labels, **entropies):
    return Segmented(labels, 0.1, 0.9, entropies)


def street():
    """Return a mask of 100 x 300: road below, a car on the left, a person on the right."""
    labels = np.full((100, 300), IGNORE, np.uint8)
    labels[50:] = ROAD
    labels[40:60, :50] = CAR
    labels[40:45, 290:299] = PERSON
    return labels


def test_each_class_is_told_with_share_and_place_the_largest_first():
    # road 15000 - 500 of 30000, car 1000, person 45 = .15 %
    assert findings.in_words(mask(street()), uncertainty=False, pictured=True) == (
        'A segmentation network looked at this picture and found: road, 48 % of it, all over the '
        'width; car, 3.3 % of it, on the left; person, 0.1 % of it, on the right.'
    )
    assert findings.classes_in_words(mask(street())) == ('road', 'car', 'person')


def test_how_sure_it_is_stands_in_words_and_as_a_number():
    told = findings.in_words(
        mask(street(), road=0.149, car=0.15, person=0.4), uncertainty=True, pictured=False
    )
    assert told.startswith('There is a picture that you do not see. A segmentation network')
    assert 'road, 48 % of it, all over the width, sure (entropy 0.15);' in told
    assert 'car, 3.3 % of it, on the left, fairly sure (entropy 0.15);' in told
    assert 'person, 0.1 % of it, on the right, unsure (entropy 0.40).' in told
    assert told.endswith('Entropy goes from 0 (sure) to 1 (a guess).')


def test_what_nobody_tells_is_not_made_up():
    told = findings.in_words(mask(street(), road=0.0), uncertainty=True, pictured=True)
    assert 'car, 3.3 % of it, on the left, not known how sure;' in told
    nothing = mask(np.full((10, 10), IGNORE, np.uint8))
    assert findings.in_words(nothing, True, True).endswith('this picture and found nothing.')


@pytest.mark.parametrize('pixels, told', [(15, True), (14, False)])
def test_less_than_the_least_share_is_not_told(pixels, told):
    # .0005 of 30,000 pixels are 15.
    labels = np.full((100, 300), ROAD, np.uint8)
    labels[0, :pixels] = PERSON
    assert ('person' in findings.classes_in_words(mask(labels))) is told


@pytest.mark.parametrize(
    'columns, words',
    [
        (slice(0, 100), 'on the left'),
        (slice(100, 200), 'in the middle'),
        (slice(200, 300), 'on the right'),
        (slice(50, 150), 'on the left and middle'),
        (slice(0, 300), 'all over the width'),
        # 24 of 124 columns are less than a quarter.
        (slice(100, 224), 'in the middle'),
    ],
)
def test_a_place_is_the_thirds_that_hold_a_quarter(columns, words):
    labels = np.full((10, 300), IGNORE, np.uint8)
    labels[:, columns] = CAR
    assert f'of it, {words}.' in findings.in_words(mask(labels), False, True)


def test_colours_are_those_of_cityscapes_and_the_legend_names_them_all():
    labels = np.array([[ROAD, CAR, IGNORE]], np.uint8)
    (road, car, nothing) = findings.in_colours(labels)[0]
    assert tuple(road[::-1]) == (128, 64, 128) and tuple(car[::-1]) == (0, 0, 142)
    assert not nothing.any()
    for name in CLASSES:
        assert f'{name} {BY_NAME[name].color}' in findings.legend()


def test_an_overlay_is_half_picture_and_half_mask():
    picture = np.full((1, 3, 3), 201, np.uint8)
    over = findings.over(picture, np.array([[ROAD, CAR, IGNORE]], np.uint8))
    assert over[0, 0].tolist() == [(201 + 128) // 2, (201 + 64) // 2, (201 + 128) // 2]
    assert over[0, 2].tolist() == [100, 100, 100] and (picture == 201).all()


def test_the_classes_are_read_out_of_the_words_again():
    rng = np.random.default_rng(0)
    for _ in range(40):
        labels = rng.choice([*range(len(CLASSES)), IGNORE], (20, 30), p=rng.dirichlet([0.3] * 20))
        found = mask(labels.astype(np.uint8), road=0.1, person=0.5)
        for sure in (True, False):
            told = findings.in_words(found, uncertainty=sure, pictured=not sure)
            assert findings.classes_of_words(told) == findings.classes_in_words(found)
    assert findings.classes_of_words(findings.legend()) == ()
