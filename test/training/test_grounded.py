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

"""The miniature that is told what perception found: what it learns from, and how it is asked."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.language.prompts import Prompt, generative_prompt, paraphrases
from vlm_misalign_ros.core.models import findings
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth
from vlm_misalign_ros.core.types import Hazard, Segmented
from vlm_misalign_ros.core.world import SPLITS, cities_of, render_scene
from vlm_misalign_ros.training.augment import HALF, normalised
from vlm_misalign_ros.training.grounded import (
    OTHER_WORDS,
    SHARES,
    Exercises,
    extend,
    grounded_loss,
    open_start,
    phrases,
    question,
)
from vlm_misalign_ros.training.grounding import (
    INPUTS,
    SEED_STEP,
    make_grounds,
    scene_left,
    worse_camera,
)

pytestmark = pytest.mark.heavy

TOLD = (
    'A segmentation network looked at this picture and found: road, 40 % of it, all over the '
    'width, sure (entropy 0.01); car, 3.1 % of it, in the middle, unsure (entropy 0.52). '
    'Entropy goes from 0 (sure) to 1 (a guess).'
)


@pytest.fixture(scope='module')
def grounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp('grounds')
    return folder, make_grounds(folder, 3, scenes=2)


@pytest.fixture(scope='module')
def start():
    """Return a model with tokens of its own for the words of TOLD, and its processor."""
    model, processor = open_start()
    extend(model, processor, phrases([TOLD] * 20, ['There is a car.']))
    return model.eval(), processor


# What it learns from -----------------------------------------------------------------------------


def test_grounds_are_those_of_their_seed_and_go_on_where_they_were_cut_off(grounds, tmp_path):
    folder, found = grounds
    assert found.seen.shape == (4, 128, 368) and len(found.told) == len(found.answers) == 4
    again = make_grounds(folder, 3, scenes=2)
    assert np.array_equal(again.seen, found.seen) and again.told == found.told
    first = make_grounds(tmp_path, 3, scenes=1)
    assert np.array_equal(first.seen, found.seen[:2]) and first.answers == found.answers[:2]
    (tmp_path / '000000.json').write_text('[{"told": 1}]')
    with pytest.raises(DatasetError, match=r'000000.*remove the folder'):
        make_grounds(tmp_path, 3, scenes=1)


def test_what_is_told_is_worded_as_a_run_words_it(grounds):
    _, found = grounds
    for told in found.told:
        assert set(told) == set(INPUTS[1:])
        assert told['image+objects'].startswith('A segmentation network looked at this picture')
        assert told['objects'].startswith('There is a picture that you do not see')
        assert 'entropy' in told['image+objects+uncertainty'] and 'entropy' not in told['objects']
    labels = np.zeros((20, 40), np.uint8)
    labels[:, 20:] = 13
    mask = Segmented(labels, 0.1, 0.9, {'road': 0.01, 'car': 0.5})
    for uncertainty in (False, True):
        sentence = findings.in_words(mask, uncertainty, pictured=True)
        assert sentence.split(':')[0] == found.told[0]['image+objects'].split(':')[0]


def test_the_streets_are_none_of_other_miniatures_and_none_of_the_test_city():
    assert SEED_STEP not in (0, 1)
    learnt = {city.name for city in SPLITS['train']}
    assert not learnt & {city.name for split in ('val', 'test') for city in cities_of(split)}


def test_a_worse_camera_is_as_worse_as_it_says():
    picture = np.random.default_rng(0).integers(0, 256, (256, 512, 3), np.uint8)
    covered = 0
    for seed in range(30):
        made, visible = worse_camera(picture, np.random.default_rng(seed))
        again, _ = worse_camera(picture, np.random.default_rng(seed))
        assert made.shape == picture.shape and made.dtype == np.uint8
        assert np.array_equal(made, again) and not np.array_equal(made, picture)
        if visible is not None:
            covered += 1
            assert visible.shape == (256, 512) and not visible.all()
            # Far from a rectangle's border nothing but it is seen.
            apart = np.abs(made.astype(int) - picture).max(-1)
            assert np.median(apart[~visible]) > 20 * max(np.median(apart[visible]), 1)
    assert 3 <= covered <= 20


def test_what_is_covered_has_not_to_be_named_and_nobody_judges_what_nobody_sees():
    for number in range(20):
        frame = render_scene(8, number, 1024, 512, cities=SPLITS['train'])
        maps = TruthMaps.of(frame)
        whole = read_truth(maps, frame.camera, TruthSettings())
        if whole.hazard.verdict is Hazard.HAZARD:
            break
    open_scene = scene_left(whole, maps)
    assert open_scene.hazard is Hazard.HAZARD and open_scene.nearest and not open_scene.hidden
    covered = replace(maps, visible=np.zeros(maps.labels.shape, bool))
    blind = scene_left(read_truth(covered, frame.camera, TruthSettings()), covered)
    assert open_scene.required and not blind.required
    assert blind.hazard is not Hazard.HAZARD and not blind.nearest
    assert blind.hidden


# How it is asked ---------------------------------------------------------------------------------


def test_own_tokens_shorten_what_is_told_and_leave_the_rest_as_it_was(start):
    model, processor = start
    before = open_start()[1].tokenizer
    tokenizer = processor.tokenizer
    told = tokenizer(TOLD).input_ids
    assert len(told) < len(before(TOLD).input_ids) / 3
    assert tokenizer.decode(told, skip_special_tokens=True) == TOLD
    for text in ('There are several cars. SAFE.', generative_prompt('default')):
        assert tokenizer(text).input_ids == before(text).input_ids
    table = model.get_input_embeddings().weight
    added = len(before)
    parts = before(tokenizer.decode([added]), add_special_tokens=False).input_ids
    assert torch.allclose(table[added], table[parts].mean(0), atol=1e-6)
    assert model.lm_head.weight.data_ptr() == table.data_ptr()


@pytest.mark.parametrize('pictured', [True, False])
def test_it_is_asked_in_training_as_it_will_be_asked(start, pictured):
    """The tokens are those of the processor, the loss is that of the whole model."""
    model, processor = start
    picture = np.random.default_rng(0).integers(0, 256, (256, 512, 3), np.uint8)
    prompt = generative_prompt('safety')
    asked = question(processor, f'{TOLD}\n{prompt}', int(pictured))
    words = Query((picture,) * pictured, None, context=TOLD).text(Prompt('safety', prompt))
    content = [{'type': 'image'}] * pictured + [{'type': 'text', 'text': words}]
    text = processor.apply_chat_template(
        [{'role': 'user', 'content': content}], tokenize=False, add_generation_prompt=True
    )
    images = {'images': Image.fromarray(picture)} if pictured else {}
    inputs = processor(text=text, return_tensors='pt', **images)
    assert inputs['input_ids'][0].tolist() == asked
    answers = [
        processor.tokenizer(said, add_special_tokens=False).input_ids
        for said in (' yes', ' There is a car.')
    ]
    with torch.no_grad():
        seen, losses = None, []
        if pictured:
            pixels = torch.from_numpy(normalised(picture[None, :, :, ::-1], *HALF))
            tower = model.model.vision_tower.timm_model
            seen = tower.forward_features(pixels).flatten(2).transpose(1, 2).expand(2, -1, -1)
        for answer in answers:
            ids = torch.tensor([[*asked, *answer]])
            more = {'pixel_values': inputs['pixel_values']} if pictured else {}
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), **more).logits
            given = logits[0, len(asked) - 1 : -1]
            losses += torch.nn.functional.cross_entropy(
                given, torch.tensor(answer), reduction='none'
            ).tolist()
        found = float(grounded_loss(model, seen, [asked, asked], answers))
    # Of two answers of unequal length every token counts alike.
    assert found == pytest.approx(np.mean(losses), rel=1e-4)


def test_exercises_are_of_every_input_and_hold_what_belongs_together(grounds, start):
    _, found = grounds
    _, processor = start
    exercises = Exercises(found, processor, SHARES[1])
    tokenizer = processor.tokenizer
    kinds = set()
    for seed in range(40):
        seen, asked, said = exercises.draw(np.random.default_rng(seed), 2)
        text = tokenizer.decode(asked[0])
        image = processor.image_token in text
        kinds.add((image, 'segmentation network' in text, 'Entropy goes' in text))
        assert (seen is not None) == image
        assert all(row[-1] == tokenizer.eos_token_id for row in said)
        told = [
            text.split('USER: ')[1].rsplit('\n', 1)[0] for text in map(tokenizer.decode, asked)
        ]
        answers = [tokenizer.decode(row, skip_special_tokens=True).strip() for row in said]
        for words, answer in zip(told, answers, strict=True):
            words = words.replace(processor.image_token, '').strip()
            of = [
                place
                for place, entry in enumerate(found.told)
                if words in entry.values() or not words
            ]
            assert any(answer in found.answers[place].values() for place in of)
    assert kinds == {
        (True, False, False),
        (True, True, False),
        (True, True, True),
        (False, True, False),
    }
    assert set(SHARES[1]) == set(INPUTS) and set(SHARES[0]) <= set(INPUTS)
    assert all(sum(shares.values()) == pytest.approx(1) for shares in SHARES)


def test_it_never_learns_the_paraphrases_that_models_are_asked():
    assert not {prompt.text for prompt in paraphrases('', 8)} & set(OTHER_WORDS)
