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

"""Least areas of a mask reader: set on clean frames, frozen, refused where they do not fit."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.app import cli
from vlm_misalign_ros.app.mask_readers import mask_reader_facts
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.evaluation.asker import Asker, Shown
from vlm_misalign_ros.core.evaluation.calibrating import (
    calibrate_mask_reader,
    frame_truth,
    hood_of,
)
from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES
from vlm_misalign_ros.core.models.factory import (
    check,
    kind_of,
    load_segmentation,
    load_vlm,
    model_hash,
    parse,
)
from vlm_misalign_ros.core.models.least_areas import (
    LeastArea,
    LeastAreas,
    least_area,
    load,
    set_areas,
)
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.settings.asks import asks_of
from vlm_misalign_ros.core.settings.configuration import parse as parse_configuration
from vlm_misalign_ros.core.settings.nodes import SegmentationParameters, VlmParameters
from vlm_misalign_ros.core.truth.read import TruthSettings
from vlm_misalign_ros.core.types import Camera, Input, Judgement, Kind, Mention, Role, Segmented
from vlm_misalign_ros.core.world import generate


def test_the_least_area_lies_half_way_where_both_kinds_are_best_told():
    """Of 20 with and 20 without, one without has 900 px and one with none: by hand."""
    areas = np.array([0.0] + [1500.0] * 19 + [900.0] + [0.0] * 19)
    found = least_area(areas, np.arange(40) < 20)
    assert found == LeastArea(1200.0, 20, 20, 0.95, 1.0)


def test_of_equally_good_areas_the_largest_is_taken():
    # From 50 px on all are found and one in twenty is made up; from 150 px one is lost, none is.
    areas = np.array([100.0] + [200.0] * 19 + [100.0] + [0.0] * 19)
    assert least_area(areas, np.arange(40) < 20).area == 150.0


def test_a_class_that_masks_never_tell_is_never_named():
    found = least_area(np.full(60, 300.0), np.arange(60) < 30)
    assert (found.area, found.sensitivity, found.specificity) == (2048 * 1024, 0.0, 1.0)


@pytest.mark.parametrize('positives, negatives', [(19, 50), (50, 19), (0, 90)])
def test_too_few_of_a_kind_give_no_area(positives, negatives):
    truth = np.arange(positives + negatives) < positives
    assert least_area(np.where(truth, 5000.0, 0.0), truth) is None
    assert least_area(np.arange(40) * 1.0, np.arange(40) >= 20).positives == 20


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=60, max_size=90))
def test_no_other_area_tells_the_kinds_better(pairs):
    areas, truth = (np.array(column) for column in zip(*pairs, strict=True))
    areas = areas * 1000.0
    found = least_area(areas, truth)
    if found is None:
        return
    each = [
        (areas[truth] >= least).mean() + (areas[~truth] < least).mean()
        for least in (*range(-500, 10_000, 1000),)
    ]
    assert found.sensitivity + found.specificity == pytest.approx(max(each))


def test_frames_in_which_a_class_is_neither_are_not_counted():
    there = [True] * 20 + [False] * 20 + [None] * 30
    truths = [dict.fromkeys(('car', 'bus'), state) for state in there]
    truths[0]['bus'] = None
    found = set_areas([dict.fromkeys(CLASSES, 5.0)] * 70, truths)
    assert set(found) == {'car'} and found['car'].negatives == 20


def some(**changes):
    made = LeastAreas(
        'miniature:segformer',
        'm',
        384,
        {'car': LeastArea(1200.0, 30, 40, 0.9, 0.8)},
        {'frames': 7},
        TruthSettings().to_plain(),
        0.94,
    )
    return replace(made, **changes)


def test_areas_come_back_as_they_were_saved(tmp_path):
    some().save(tmp_path / 'a.json')
    back = load(tmp_path / 'a.json')
    assert replace(back, sha256='') == some()
    assert back.reading().least_of('car') == 1200.0 and back.reading().hood == 0.94
    without = json.loads((tmp_path / 'a.json').read_text())['without_area']
    # What has no area of its own is named, with that which holds for it.
    assert len(without) == 19 and without['sky'] == 0.005 * 2**21
    assert without['bus'] == without['in the way'] == 1000.0


def test_the_corridor_of_a_reading_is_that_of_the_file():
    wide = {**TruthSettings().to_plain(), 'corridor_width': 4.5, 'minimum_area': 500.0}
    reading = some(truth=wide).reading()
    assert reading.settings.hazard.corridor_width == 4.5
    assert reading.least_of('bus') == 500.0
    assert reading.settings.to_plain() == wide


@pytest.mark.parametrize(
    'spoil, words',
    [
        (lambda data: data['areas']['car'].update(area=1.0), 'was changed'),
        (lambda data: data.update(schema=2), 'has the schema 2, expected least areas 1'),
        (lambda data: data.pop('hood'), 'cannot be read'),
        (lambda data: data['truth'].update(width=3), 'cannot be read'),
        (lambda data: data.update(areas=[1]), 'cannot be read'),
    ],
)
def test_a_file_that_was_changed_or_is_another_is_refused(tmp_path, spoil, words):
    path = tmp_path / 'a.json'
    some().save(path)
    data = json.loads(path.read_text())
    spoil(data)
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigurationError, match=words):
        load(path)


# The family -----------------------------------------------------------------------------------


def picture_of(name):
    labels = np.full((128, 256), CLASSES.index('building'), np.uint8)
    labels[60:] = CLASSES.index('road')
    # 40 x 10 pixels of 128 x 256: 25,600 at 2048 x 1024; the foot is 14 m away.
    labels[68:78, 130:170] = CLASSES.index(name)
    return Query((np.zeros((128, 256, 3), np.uint8),), mask=Segmented(labels, 0.1, 0.9))


def test_a_reader_is_opened_by_its_name_alone_by_a_file_and_by_a_model(tmp_path):
    path = tmp_path / 'a.json'
    more = LeastArea(25_601.0, 20, 20, 1.0, 1.0)
    some(areas={'car': more, 'in the way': more}).save(path)
    by_truth, by_file = load_vlm('mask_reader'), load_vlm(f'mask_reader:{path}')
    assert by_truth.kind is Kind.MASK is kind_of(parse('mask_reader'))
    asked = picture_of('car')
    assert by_truth.describe(asked).mentions['car'] is Mention.ASSERTED
    assert by_truth.describe(asked).judgement is Judgement.UNSAFE
    assert 'car' not in by_file.describe(asked).mentions
    assert by_file.describe(asked).judgement is Judgement.SAFE
    assert load_vlm('mask_reader:miniature:segformer').describe(asked).mentions


def test_without_a_mask_there_is_no_answer():
    from vlm_misalign_ros.core.errors import FrameError

    with pytest.raises(FrameError, match='was given no mask. it needs a run with a segmentation'):
        load_vlm('mask_reader').describe(Query((np.zeros((64, 128, 3), np.uint8),)))


@pytest.mark.parametrize(
    'text, words',
    [
        ('mask_reader:', 'not understood'),
        ('mask_reader:nothing.json', 'nothing.json cannot be read'),
        ('mask_reader:miniature:nothing', 'no miniature'),
        ('mask_reader:miniature:llava', 'has no calibration.json beside it'),
        ('mask_reader:miniature:siglip', 'has the schema 2, expected least areas 1'),
        ('mask_reader:transformers:owner/name', 'has no calibration.json beside it'),
    ],
)
def test_what_names_no_areas_is_refused_with_the_reason(text, words):
    with pytest.raises((ModelError, ConfigurationError), match=words):
        check(parse(text), Role.VLM)


def test_it_makes_no_masks_and_takes_no_other_calibration():
    with pytest.raises(ModelError, match='no segmentation models'):
        load_segmentation('mask_reader')
    with pytest.raises(ConfigurationError, match='name it in the model: mask_reader:own'):
        load_vlm('mask_reader', calibration='own')


# Before a run ---------------------------------------------------------------------------------

TRUTH = TruthSettings().to_plain()


def facts(text, truth=TRUTH, calibration='', model='miniature:segformer', height=384):
    vlm = VlmParameters(name='mask', model=text, calibration=calibration)
    told = mask_reader_facts(
        vlm,
        asks_of(vlm)[0],
        SegmentationParameters(model=model, input_height=height) if model else None,
        truth,
    )
    assert told.pop('ask')['input'] == 'mask'
    return told


@pytest.fixture
def fitting(tmp_path):
    path = tmp_path / 'a.json'
    some(model_sha256=model_hash(parse('miniature:segformer'))).save(path)
    return f'mask_reader:{path}'


def test_a_run_notes_the_areas_by_their_hash(fitting):
    path = fitting.removeprefix('mask_reader:')
    stated = json.loads(open(path).read())['sha256']
    assert facts(fitting) == {'calibration': {'file': path, 'sha256': stated}}
    assert facts('mask_reader') == {'least_areas': 'those of the truth'}


def test_areas_of_another_segmentation_or_of_other_settings_are_refused(fitting, checkpoints):
    other = f'transformers:{checkpoints["segformer"]}'
    with pytest.raises(ModelError, match='another segmentation .*--segmentation transformers:'):
        facts(fitting, model=other)
    with pytest.raises(ModelError, match='an input_height of 384, and the segmentation has 512'):
        facts(fitting, height=512)
    with pytest.raises(ModelError, match='with corridor_width 3.0, and the evaluation has 4.0'):
        facts(fitting, {**TRUTH, 'corridor_width': 4.0})
    with pytest.raises(ModelError, match='reads by stopping_distance 20.0.* has 30.0'):
        facts('mask_reader', {**TRUTH, 'stopping_distance': 30.0})
    with pytest.raises(ConfigurationError, match='the run has no segmentation'):
        facts('mask_reader', model='')
    with pytest.raises(ConfigurationError, match="'calibration' of mask is 'own'"):
        facts('mask_reader', calibration='own')


# The verb -------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def frames(tmp_path_factory):
    out = tmp_path_factory.mktemp('areas') / 'scenes'
    generate(out, 60, seed=2, width=128, height=64)
    return out


def test_the_hood_is_where_the_frames_have_it(frames):
    dataset = open_dataset(frames)
    first = [
        np.flatnonzero((frame.labels == BY_NAME['ego vehicle'].id).any(axis=1))[0]
        for frame in dataset
    ]
    assert hood_of(dataset) == pytest.approx(np.median(first) / 64, abs=1e-6)
    assert 0.8 < hood_of(dataset) < 1


@pytest.mark.heavy
def test_areas_are_set_on_what_the_model_predicts(checkpoints, frames, tmp_path, capsys):
    text, path = f'transformers:{checkpoints["segformer"]}', tmp_path / 'a.json'
    asked = ['calibrate', 'mask_reader', '--segmentation', text, '--dataset', str(frames)]
    asked += ['--input-height', '64', '--out', str(path), 'corridor_width=2.5']
    assert cli.main(asked) == 0
    shown = capsys.readouterr().out
    found = load(path)
    assert found.data['frames'] == 60 and found.data['cities'] == ['eichwerder']
    assert found.truth['corridor_width'] == 2.5 and found.input_height == 64
    assert found.model_sha256 == model_hash(parse(text))
    # By hand for a class of stuff: its share in each mask, of frames with it and without.
    network = load_segmentation(text, input_height=64)
    name = next(name for name in ('wall', 'fence', 'terrain', 'building') if name in found.areas)
    shares, truths = [], []
    for frame in open_dataset(frames):
        labels = network.segment(frame.image).labels
        labels[round(found.hood * 64) :] = 255
        shares.append((labels == CLASSES.index(name)).mean() * 2048 * 1024)
        truths.append(frame_truth(frame, found.reading().settings)[0][name])
    kept = [
        (share, there) for share, there in zip(shares, truths, strict=True) if there is not None
    ]
    areas, there = (np.array(column) for column in zip(*kept, strict=True))
    entry = found.areas[name]
    assert (entry.positives, entry.negatives) == (there.sum(), (~there).sum())
    assert entry.sensitivity == (areas[there] >= entry.area).mean()
    assert name in shown and 'ego vehicle: what lies below' in shown
    for missing, area in json.loads(path.read_text())['without_area'].items():
        assert f'{missing} (from {area:.0f} px)' in shown


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['mask_reader'], 'no segmentation to read. give --segmentation MODEL'),
        (['mask_reader', '--segmentation', 'miniature:segformer', '--prompt', 'x'], '--prompt x'),
        (['miniature:clip', '--segmentation', 'miniature:segformer'], '--segmentation mini'),
        (['miniature:clip', '--input-height', '64'], '--input-height 64 means nothing'),
        (['miniature:llava'], 'is generative and has no scores'),
    ],
)
def test_the_verb_refuses_what_it_cannot_use(arguments, words, frames, capsys):
    assert cli.main(['calibrate', *arguments, '--dataset', str(frames)]) == 2
    assert words in capsys.readouterr().err


def test_too_few_frames_are_refused(checkpoints, scenes):
    from vlm_misalign_ros.core.errors import DatasetError

    with pytest.raises(DatasetError, match='no class with 20 positives and negatives'):
        calibrate_mask_reader(f'transformers:{checkpoints["segformer"]}', str(scenes))


# In a configuration ---------------------------------------------------------------------------


def parsed(segmentation='miniature:segformer', **values):
    vlm = {'model': 'mask_reader', **values}
    data = {'replay': {'dataset': 'd'}, 'vlms': {'mask': vlm}}
    if segmentation:
        data['segmentation'] = {'model': segmentation}
    return parse_configuration(data)


def test_in_a_run_it_is_shown_the_mask_whatever_is_said():
    for values in ({}, {'input': 'image'}, {'input': 'mask'}):
        (ask,) = asks_of(parsed(**values).vlms[0])
        assert (ask.name, ask.input) == ('mask', Input.MASK)


def test_what_reads_masks_cannot_be_asked_otherwise():
    for values in ({'prompt': 'default'}, {'system': 'x'}, {'frames': 2}, {'input': 'objects'}):
        with pytest.raises(ConfigurationError, match='vlms.mask reads masks, and has'):
            parsed(**values)
    with pytest.raises(ConfigurationError, match="input 'mask' of mask needs a mask"):
        parsed(segmentation='')


def test_its_answer_is_that_to_the_mask_itself_with_the_camera_of_the_frame():
    (ask,) = asks_of(parsed().vlms[0])
    asked = picture_of('car')
    high = Camera(256, 128, 282.815, 283.1625, 137.1225, 64.142125, 2.44, 0.038)
    asker = Asker(load_vlm('mask_reader'), ask)
    asker.try_out()
    near = asker.answer(Shown(asked.pictures, asked.mask))
    assert (near.model, near.kind, near.input) == ('mask', Kind.MASK, Input.MASK)
    assert near.judgement is Judgement.UNSAFE and near.prompted == () and near.text == ''
    # Twice as high above the road it is twice as far away: neither near nor far.
    assert asker.answer(Shown(asked.pictures, asked.mask, high)).judgement is Judgement.UNPARSED
