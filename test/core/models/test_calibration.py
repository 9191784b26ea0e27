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

"""Operating points of contrastive models: fitted, frozen, refused where they do not fit."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from vlm_misalign_ros.app import cli
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.evaluation.calibrating import calibrate_model, frame_truth
from vlm_misalign_ros.core.evaluation.evaluator import Evaluator
from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.labels.classes import BY_NAME
from vlm_misalign_ros.core.language.prompts import prompts_hash
from vlm_misalign_ros.core.models import calibration
from vlm_misalign_ros.core.models.calibration import (
    LEAST,
    SAFETY,
    Calibration,
    OperatingPoint,
    fit_platt,
    log_odds,
    operating_point,
    youden_threshold,
)
from vlm_misalign_ros.core.models.factory import load_vlm, model_hash, parse
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.records.schema import Closing
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
from vlm_misalign_ros.core.truth.hazard import HazardSettings
from vlm_misalign_ros.core.truth.read import TruthSettings
from vlm_misalign_ros.core.world import generate


@pytest.mark.parametrize('seed', range(4))
def test_platts_fit_is_the_minimum_of_its_loss(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random(200) < 0.3
    scores = 1 / (1 + np.exp(-(rng.normal(size=200) * 0.7 + 1.5 * truth - 3)))
    x = log_odds(scores)
    target = np.where(truth, (truth.sum() + 1) / (truth.sum() + 2), 1 / ((~truth).sum() + 2))

    def loss(v):
        z = v[0] * x + v[1]
        return np.sum(np.logaddexp(0, z) - target * z)

    best = minimize(loss, [0.0, 0.0], method='BFGS', tol=1e-10)
    assert fit_platt(scores, truth) == pytest.approx(best.x, abs=1e-3)


def test_scores_that_do_not_overlap_stay_finite():
    slope, intercept = fit_platt(np.array([0.1] * 30 + [0.9] * 30), np.arange(60) >= 30)
    assert np.isfinite([slope, intercept]).all() and slope > 0
    flat, _ = fit_platt(np.full(60, 0.5), np.arange(60) >= 30)
    assert np.isfinite(flat)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=4, max_size=40))
def test_youdens_threshold_is_the_best_there_is(pairs):
    chances = np.array([p[0] for p in pairs]) / 10 + 0.05
    truth = np.array([p[1] for p in pairs])
    if truth.all() or not truth.any():
        return

    def quality(threshold):
        said = chances >= threshold
        return (said & truth).sum() / truth.sum() + (~said & ~truth).sum() / (~truth).sum()

    every = [0.0, 1.0, *np.unique(chances), *(np.unique(chances) + 0.01)]
    assert quality(youden_threshold(chances, truth)) == pytest.approx(max(map(quality, every)))


def test_too_few_frames_give_no_operating_point():
    truth = np.arange(100) < LEAST - 1
    assert operating_point(np.linspace(0.9, 0.1, 100), truth) is None
    assert operating_point(np.linspace(0.9, 0.1, 100), np.arange(100) < LEAST).auroc == 1.0


def some(sha='m', prompts='p'):
    point = OperatingPoint(1.25, -0.5, 0.4, 30, 40, 0.9, 0.8)
    return Calibration(
        'open_clip:local-dir:x', sha, 'default', prompts, {'car': point}, {'frames': 7}
    )


def test_a_calibration_comes_back_as_it_was_saved(tmp_path):
    path = tmp_path / 'c.json'
    some().save(path)
    back = calibration.load(path, 'm', 'p')
    assert back.points == some().points and back.data == {'frames': 7}
    assert len(json.loads(path.read_text())['without_point']) == 19


@pytest.mark.parametrize(
    'model, prompts, words', [('other', 'p', 'other model'), ('m', 'other', 'other prompts')]
)
def test_it_is_refused_for_another_model_or_other_prompts(tmp_path, model, prompts, words):
    some().save(tmp_path / 'c.json')
    with pytest.raises(ModelError, match=words):
        calibration.load(tmp_path / 'c.json', model, prompts)


def test_it_is_refused_when_it_was_changed(tmp_path):
    path = tmp_path / 'c.json'
    some().save(path)
    data = json.loads(path.read_text())
    data['points']['car']['threshold'] = 0.1
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigurationError, match='was changed'):
        calibration.load(path, 'm', 'p')
    for text, words in (
        ('{"points": 3}', 'has the schema None, expected 2'),
        ('{"schema": 1, "points": {}}', 'has the schema 1, expected 2'),
        ('{"schema": 2, "points": 3}', 'cannot be read'),
        ('[]', 'cannot be read'),
    ):
        path.write_text(text)
        with pytest.raises(ConfigurationError, match=words):
            calibration.load(path, 'm', 'p')


def test_it_is_refused_by_an_evaluation_with_other_settings_of_the_truth(tmp_path):
    path = tmp_path / 'c.json'
    made = {'stopping_distance': 20.0, 'camera_height': 1.22}
    replace(some(), truth=made).save(path)
    assert calibration.load(path, 'm', 'p', made).truth == made
    with pytest.raises(ModelError, match='stopping_distance 20.0, and the evaluation has 30.0'):
        calibration.load(path, 'm', 'p', {**made, 'stopping_distance': 30.0})
    with pytest.raises(ModelError, match='made before there was corridor_width'):
        calibration.load(path, 'm', 'p', {**made, 'corridor_width': 3.0})


def test_without_a_camera_calibration_and_evaluation_see_the_same_hazards(scenes):
    """Rows of pixels mean the same metres to both, those of Cityscapes' nominal camera."""
    frame = replace(open_dataset(scenes).read(0), camera=None, depth=None)
    labels = np.full((1024, 2048), BY_NAME['road'].id, np.uint8)
    instances = labels.astype(np.uint16)
    labels[560:620, 1060:1130] = BY_NAME['car'].id
    instances[560:620, 1060:1130] = 26001
    frame = replace(frame, labels=labels, instances=instances)
    settings = TruthSettings()
    evaluated = Evaluator(EvaluationParameters(source=False)).evaluate(
        Joined(0, {'labels': labels, 'instances': instances}, (), Closing.COMPLETE)
    )
    # By hand: the last row is 619, its lower edge 619.5, t = (619.5 - 513.137) / 2265.3.
    t, h, p = (619.5 - 513.137) / 2265.30, 1.22, 0.038
    metres = h * (math.cos(p) - t * math.sin(p)) / (t * math.cos(p) + math.sin(p))
    assert 14.0 < metres < 14.5
    assert evaluated.record.truth.nearest == round(metres, 3)
    assert frame_truth(frame, settings)[0][SAFETY] is False
    short = TruthSettings(hazard=HazardSettings(stopping_distance=9.0))
    assert frame_truth(frame, short)[0][SAFETY] is True


@pytest.fixture(scope='module')
def frames(tmp_path_factory):
    out = tmp_path_factory.mktemp('calibration') / 'scenes'
    generate(out, 90, seed=2, width=128, height=64)
    return out


@pytest.mark.heavy
def test_a_model_is_calibrated_on_clean_frames_and_then_decides_by_it(
    checkpoints, frames, tmp_path, capsys
):
    folder = shutil.copytree(checkpoints['clip'], tmp_path / 'clip')
    text, path = f'open_clip:local-dir:{folder}', folder / 'calibration.json'
    assert cli.main(['calibrate', text, '--dataset', str(frames), '--out', str(path)]) == 0
    assert 'AUROC' in capsys.readouterr().out
    found = json.loads(path.read_text())
    assert found['data']['frames'] == 90 and found['data']['cities'] == ['eichwerder']
    assert SAFETY in found['points'] and len(found['points']) >= 5
    # The file beside the model is no part of the model.
    model = load_vlm(text, calibration=str(path))
    picture = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    answer = model.describe(picture)
    raw = model.raw_scores(Query((picture,)))
    for name, point in found['points'].items():
        point = OperatingPoint(**point)
        if name != SAFETY:
            chance = point.probability(raw[name])
            assert answer.scores[name] == pytest.approx(chance, abs=1e-9)
            assert (name in answer.asserted) == (chance >= point.threshold)
    # A class without a point of its own keeps its plain score.
    assert answer.scores['sky'] == pytest.approx(raw['sky'], abs=1e-9)
    with pytest.raises(ModelError, match='other model'):
        (folder / 'open_clip_config.json').write_text(
            (folder / 'open_clip_config.json').read_text() + '\n'
        )
        load_vlm(text, calibration=str(path))


@pytest.mark.heavy
def test_only_contrastive_models_are_calibrated(checkpoints, frames, tmp_path):
    with pytest.raises(ModelError, match='generative'):
        calibrate_model(f'transformers:{checkpoints["llava"]}', str(frames))
    some().save(tmp_path / 'c.json')
    with pytest.raises(ConfigurationError, match='generative'):
        load_vlm(f'transformers:{checkpoints["llava"]}', calibration=str(tmp_path / 'c.json'))
    assert prompts_hash()


def test_other_weights_under_one_name_are_another_model():
    reference = parse('transformers-clip:openai/clip-vit-base-patch32')
    plain = model_hash(reference)
    assert plain == model_hash(reference, '{"attn_implementation": "sdpa"}') == reference.text
    told = {model_hash(reference, {'revision': name}) for name in ('main', '0123abc')}
    assert len({plain, *told}) == 3
