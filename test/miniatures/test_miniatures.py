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

"""The miniatures that are shipped: sizes, cards, calibration, and that they know their world."""

import json

import numpy as np
import pytest

from vlm_misalign_ros.core.corruptions import degrade
from vlm_misalign_ros.core.corruptions.conditions import parse_conditions
from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.evaluation.evaluator import Evaluator
from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.evaluation.parts import (
    CONDITION,
    DEPTH,
    INSTANCES,
    LABELS,
    SEGMENTATION,
    SOURCE,
    vlm_part,
)
from vlm_misalign_ros.core.labels.classes import CLASSES, to_train_ids
from vlm_misalign_ros.core.language.prompts import prompts_hash
from vlm_misalign_ros.core.models import calibration, findings, least_areas
from vlm_misalign_ros.core.models.factory import load_segmentation, load_vlm, parse
from vlm_misalign_ros.core.models.families.miniature import MINIATURES as FOLDER
from vlm_misalign_ros.core.models.files import weights_hash
from vlm_misalign_ros.core.models.least_areas import refuse_others
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.report.summary import summarise
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth
from vlm_misalign_ros.core.types import Applied, Mention, Presence, Segmented, Source
from vlm_misalign_ros.core.world import cities_of, render_scene
from vlm_misalign_ros.training.miniatures import MINIATURES

pytestmark = pytest.mark.heavy

VLMS = tuple(name for name in MINIATURES if name != 'segformer')
CONTRASTIVE = ('clip', 'siglip')
FRAMES = 12


def test_every_miniature_is_there_and_all_are_small():
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == set(MINIATURES)
    files = [path for path in FOLDER.rglob('*') if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 48e6
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in files), 'not readable by all'


@pytest.mark.parametrize('name', MINIATURES)
def test_weights_are_safetensors_of_half_precision(name):
    folder = parse(f'miniature:{name}').directory
    (path,) = folder.rglob('*.safetensors')
    data = path.read_bytes()
    length = int.from_bytes(data[:8], 'little')
    header = json.loads(data[8 : 8 + length])
    kinds = {
        entry['dtype'] for key, entry in header.items() if key != '__metadata__' if entry['shape']
    }
    assert kinds == {'F16'}
    assert not {path.suffix for path in folder.rglob('*')} & {'.bin', '.pt', '.py', '.pkl'}


@pytest.mark.parametrize('name', MINIATURES)
def test_cards_say_what_a_user_has_to_know(name):
    card = (parse(f'miniature:{name}').directory / 'README.md').read_text()
    for heading in ('## Data', '## Recipe', '## Clean figures', '## Limits'):
        assert heading in card
    assert 'seed' in card and f'miniature:{name}' in card


@pytest.mark.parametrize('name', CONTRASTIVE)
def test_operating_points_are_of_this_model_and_of_another_city(name):
    folder = parse(f'miniature:{name}').directory
    # With the settings of the truth that an evaluation has where nothing else is said.
    found = calibration.load(
        folder / 'calibration.json',
        weights_hash(folder),
        prompts_hash(),
        TruthSettings().to_plain(),
    )
    assert not {city.name for city in cities_of('test')} & set(found.data['cities'])
    assert calibration.SAFETY in found.points
    assert np.mean([point.auroc for point in found.points.values()]) > 0.9


def test_the_least_areas_are_of_this_segmentation_and_of_another_city():
    folder = parse('miniature:segformer').directory
    found = least_areas.load(folder / 'calibration.json')
    truth = TruthSettings().to_plain()
    refuse_others(found, 'x', 'miniature:segformer', weights_hash(folder), 384, truth)
    assert not {city.name for city in cities_of('test')} & set(found.data['cities'])
    assert np.mean([entry.sensitivity for entry in found.areas.values()]) > 0.9
    assert np.mean([entry.specificity for entry in found.areas.values()]) > 0.9


@pytest.fixture(scope='module')
def rows():
    """Return {(condition, model): row} of frames of a city not trained on."""
    segmentation = load_segmentation('miniature:segformer')
    vlms = {
        name: load_vlm(
            f'miniature:{name}', prompt='default', calibration='own' if name in CONTRASTIVE else ''
        )
        for name in VLMS
    }
    evaluator = Evaluator(EvaluationParameters(models=VLMS, segmentation_classes=CLASSES))
    records = []
    for number in range(FRAMES):
        frame = render_scene(77, number, 1024, 512, cities=cities_of('test'))
        for condition in parse_conditions(['clean', 'occlusion:5']):
            picture = degrade(frame.image, condition, 0, frame.key).image
            parts = {
                SOURCE: (
                    Source(
                        frame.dataset,
                        frame.sequence,
                        frame.key,
                        number,
                        FRAMES,
                        0,
                        condition,
                        frame.depth is not None,
                    ),
                    frame.camera,
                ),
                CONDITION: Applied(condition, 0),
                LABELS: frame.labels,
                INSTANCES: frame.instances,
                DEPTH: frame.depth,
                SEGMENTATION: segmentation.segment(picture).labels,
                **{vlm_part(name): model.describe(picture) for name, model in vlms.items()},
            }
            records.append(evaluator.evaluate(Joined(len(records), parts, (), 'complete')).record)
    return {(row.condition, row.model): row for row in summarise(records)}


@pytest.mark.parametrize('name', VLMS)
def test_clean_scenes_are_described_and_judged_rightly(rows, name):
    found = rows['clean', name].rates()
    assert found['hallucination_rate'].value < 0.2
    assert found['critical_omission_rate'].value < 0.3
    assert found['smr_false_safe'].value < 0.2 and found['smr_false_alarm'].value < 0.2
    assert found['unparsed_rate'].value < 0.05 or name in CONTRASTIVE
    assert rows['clean', name].miou > 0.5


@pytest.mark.parametrize('name', VLMS)
def test_behind_a_covered_lens_language_goes_wrong(rows, name):
    clean, covered = (rows[condition, name].rates() for condition in ('clean', 'occlusion:5'))
    assert any(
        covered[rate].value > clean[rate].value + 0.05
        for rate in (
            'hallucination_rate',
            'critical_omission_rate',
            'smr_false_safe',
            'smr_false_alarm',
        )
    )


def test_words_alone_are_followed_and_the_picture_goes_before_them():
    """Told of the true mask, then of that of another scene, with the picture and without it."""
    model = load_vlm('miniature:grounded', prompt='json')
    users = ('person', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle')
    frames = [render_scene(77, k, 1024, 512, cities=cities_of('test')) for k in range(10)]
    masks = [Segmented(to_train_ids(frame.labels), 0.0, 1.0) for frame in frames]
    held = [set(findings.classes_in_words(mask)) & set(users) for mask in masks]
    followed, own = [], []
    for k, frame in enumerate(frames):
        other = (k + 1) % len(frames)
        words = findings.in_words(masks[other], uncertainty=False, pictured=False)
        said = model.describe(Query((), None, context=words)).mentions
        named = {name for name in users if said.get(name) is Mention.ASSERTED}
        followed.append((len(named & held[other]), len(held[other]), len(named - held[other])))
        words = findings.in_words(masks[other], uncertainty=False, pictured=True)
        said = model.describe(Query((frame.image,), None, context=words)).mentions
        named = {name for name in users if said.get(name) is Mention.ASSERTED}
        # Where the two tell different things.
        own.append((len(named & held[k] - held[other]), len(named & held[other] - held[k])))
    hits, told, more = np.sum(followed, axis=0)
    assert hits > 0.6 * told and more < 0.2 * (len(users) * len(frames) - told)
    seen, words_only = np.sum(own, axis=0)
    assert seen > words_only


@pytest.mark.timeout(600)
def test_after_an_earlier_picture_it_still_says_what_is_there():
    """Of six drives of a city not trained on; 0.3 s lie between the two pictures."""
    model = load_vlm('miniature:temporal', prompt='json', uncertainty=False)
    length, users = 8, ('person', 'rider', 'car', 'truck', 'bus', 'motorcycle', 'bicycle')
    named, required, made_up, absent = np.zeros(4, int)
    for drive in range(6):
        before, now = (
            render_scene(78, drive * length + step, 1024, 512, length, cities_of('test'))
            for step in (4, 7)
        )
        truth = read_truth(TruthMaps.of(now), now.camera, TruthSettings()).seen.scene
        said = model.describe(Query((before.image, now.image), None)).mentions
        for name in users:
            asserted = said.get(name) is Mention.ASSERTED
            required += truth[name] is Presence.REQUIRED
            named += asserted and truth[name] is Presence.REQUIRED
            absent += truth[name] is Presence.ABSENT
            made_up += asserted and truth[name] is Presence.ABSENT
    assert required > 10 and absent > 10
    assert named > 0.75 * required and made_up < 0.2 * absent


def test_unknown_miniatures_are_named():
    with pytest.raises(ModelError, match="no miniature 'gpt'.*segformer"):
        parse('miniature:gpt')
