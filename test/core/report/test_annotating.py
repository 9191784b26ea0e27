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

"""The picture of a closed frame: what is written under it, what is outlined, in which colour."""

import numpy as np
import pytest
from msgspec import structs

from made import frame_record
from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES
from vlm_misalign_ros.core.report.annotating import (
    HALLUCINATED,
    OMITTED,
    PLAIN,
    RIGHT,
    UNKNOWN,
    annotate,
    lines_of,
    outlines_of,
    texts_of,
)
from vlm_misalign_ros.core.types import Protocol

PERSON, CAR, ROAD = (CLASSES.index(name) for name in ('person', 'car', 'road'))


def record(judged='SAFE', hazard='HAZARD', said=('road', 'car'), made_up=(), left_out=(), **more):
    return frame_record(
        condition='low_light:3',
        truth={'hazard': hazard, **more},
        models={
            'clip': {
                'status': 'scored',
                'answer': {
                    'judgement': judged,
                    'mentions': dict.fromkeys(said, 'ASSERTED'),
                    'text': 'a text that is never shown',
                },
                'score': {'hallucinated': list(made_up), 'omitted': list(left_out)},
            }
        },
    )


def colors(line):
    return {span.text.strip(): span.color for span in line}


def test_a_model_asserts_in_plain_makes_up_in_red_and_leaves_out_in_amber():
    frame = record(said=('road', 'truck'), made_up=('truck',), left_out=('person',))
    found = colors(lines_of(frame)[1])
    assert found['road'] == PLAIN
    assert found['truck'] == HALLUCINATED
    assert found['no person'] == OMITTED


@pytest.mark.parametrize(
    'judged, hazard, color',
    [
        ('SAFE', 'HAZARD', HALLUCINATED),
        ('UNSAFE', 'CLEAR', HALLUCINATED),
        ('SAFE', 'CLEAR', RIGHT),
        ('UNSAFE', 'HAZARD', RIGHT),
        ('SAFE', 'INDETERMINATE', UNKNOWN),
        ('UNPARSED', 'HAZARD', UNKNOWN),
        ('REFUSED', 'CLEAR', UNKNOWN),
    ],
)
def test_a_judgement_is_held_against_the_truth(judged, hazard, color):
    assert colors(lines_of(record(judged, hazard))[1])[judged] == color


def test_the_first_line_has_the_condition_and_what_is_true():
    frame = record(nearest=6.24, nearest_class='person')
    text, _ = texts_of(lines_of(frame))[0]
    assert text == 'low_light:3  truth HAZARD: person at 6.2 m'


def test_a_frame_without_truth_and_a_model_without_answer_say_so_in_grey():
    frame = frame_record(truth=None, models={'a': {'status': 'missing', 'answer': None}})
    first, second = lines_of(frame)
    assert first[-1].text == 'no ground truth' and first[-1].color == UNKNOWN
    assert second[-1].text == 'missing' and second[-1].color == UNKNOWN


def test_what_a_reference_tells_is_not_called_the_truth():
    frame = record(nearest=6.24, nearest_class='person')
    (text, _) = texts_of(lines_of(structs.replace(frame, protocol=Protocol.PSEUDO)))[0]
    assert text == 'low_light:3  reference HAZARD: person at 6.2 m'
    without = frame_record(truth=None, models={}, protocol='pseudo-labels')
    assert lines_of(without)[0][-1].text == 'no reference'


def test_texts_of_models_are_never_shown():
    assert 'never shown' not in ' '.join(text for text, _ in texts_of(lines_of(record())))


def test_the_models_that_are_named_are_shown_in_their_order():
    frame = frame_record(models={name: {'status': 'missing', 'answer': None} for name in 'abc'})
    shown = [line[0].text for line in lines_of(frame, ('c', 'x', 'a'))[1:]]
    assert shown == ['c: ', 'a: ']


def square(number, height=100, width=200, top=20, left=40, side=40):
    """Return train ids that are road but for a square of a class."""
    ids = np.full((height, width), ROAD, np.uint8)
    ids[top : top + side, left : left + side] = number
    return ids


def test_what_was_left_out_is_outlined_where_the_truth_has_it():
    (outline,) = outlines_of(record(left_out=('person',)), (), square(PERSON), square(CAR))
    assert outline.name == 'person' and outline.color == OMITTED
    columns, rows = (outline.points * (200, 100)).T
    # The middles of the outermost pixels of a square from (40, 20) to (79, 59).
    assert (columns.min(), columns.max()) == pytest.approx((40.5, 79.5))
    assert (rows.min(), rows.max()) == pytest.approx((20.5, 59.5))


def test_what_was_made_up_is_outlined_only_where_the_mask_has_it_too():
    frame = record(said=('car',), made_up=('car',))
    assert outlines_of(frame, (), square(PERSON), square(PERSON)) == []
    (outline,) = outlines_of(frame, (), square(PERSON), square(CAR))
    assert outline.color == HALLUCINATED


def test_outlines_do_not_depend_on_the_size_of_the_map():
    frame = record(left_out=('person',))
    (small,) = outlines_of(frame, (), square(PERSON))
    (large,) = outlines_of(frame, (), np.kron(square(PERSON), np.ones((4, 4), np.uint8)))
    assert np.abs(small.points.min(0) - large.points.min(0)).max() < 1 / 100


def test_specks_are_not_outlined():
    frame = record(left_out=('person',))
    assert outlines_of(frame, (), square(PERSON, 1000, 2000, side=4)) == []


def test_a_picture_without_anything_stays_what_it_is_above_the_text():
    picture = np.arange(100 * 200 * 3, dtype=np.uint32).astype(np.uint8).reshape(100, 200, 3)
    drawn = annotate(picture, lines_of(record()))
    assert drawn.shape[1:] == (200, 3) and drawn.shape[0] > 100
    assert (drawn[:100] == picture[:, :, ::-1]).all()


def test_the_mask_lies_over_the_picture_in_the_colours_of_cityscapes():
    picture = np.full((100, 200, 3), 100, np.uint8)
    drawn = annotate(picture, [], (), square(CAR, 50, 100, 10, 20, 20), 0.25)
    wanted = 0.75 * 100 + 0.25 * np.array(BY_NAME['car'].color)
    assert np.abs(drawn[40, 60] - wanted).max() <= 1
    assert (annotate(picture, [], (), square(CAR, 50, 100), 0.0)[:100] == 100).all()


def test_outlines_are_drawn_in_their_colour():
    picture = np.zeros((100, 200, 3), np.uint8)
    outlines = outlines_of(record(left_out=('person',)), (), square(PERSON))
    drawn = annotate(picture, [], outlines)
    assert tuple(drawn[40, 40]) == OMITTED and tuple(drawn[40, 60]) == (0, 0, 0)


def test_text_that_does_not_fit_goes_to_the_next_line():
    picture = np.zeros((50, 200, 3), np.uint8)
    short = annotate(picture, lines_of(record(said=('road',))))
    long = annotate(picture, lines_of(record(said=CLASSES)))
    assert long.shape[0] > short.shape[0]
    # Nothing is written over the right edge.
    assert (long[50:, -1] == long[50, -1]).all()
