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

"""The miniature that is shown an earlier picture, too: what it learns from, how it is asked."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.language.prompts import Prompt, generative_prompt
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.world import SPLITS, cities_of
from vlm_misalign_ros.training import grounding
from vlm_misalign_ros.training.augment import HALF, normalised
from vlm_misalign_ros.training.generative import answer_loss
from vlm_misalign_ros.training.grounded import open_start, question
from vlm_misalign_ros.training.moments import (
    NOW,
    NOW_WORSE,
    PAST,
    PAST_WORSE,
    SEED_STEP,
    SHOWN,
    Moments,
    make_moments,
)
from vlm_misalign_ros.training.temporal import PROMPTS, SHARES, Exercises

pytestmark = pytest.mark.heavy


@pytest.fixture(scope='module')
def moments(tmp_path_factory):
    folder = tmp_path_factory.mktemp('moments')
    return folder, make_moments(folder, 3, streets=2)


@pytest.fixture(scope='module')
def start():
    model, processor = open_start()
    return model.eval(), processor


# What it learns from -----------------------------------------------------------------------------


def test_moments_are_those_of_their_seed_and_go_on_where_they_were_cut_off(moments, tmp_path):
    folder, found = moments
    assert found.seen.shape == (2, 4, 128, 368) and len(found.answers) == 2
    # Past and present, clean and worse, are four pictures.
    for street in found.seen.astype(np.float32):
        for one in range(4):
            for other in range(one):
                assert not np.array_equal(street[one], street[other])
    again = make_moments(folder, 3, streets=2)
    assert np.array_equal(again.seen, found.seen) and again.answers == found.answers
    first = make_moments(tmp_path, 3, streets=1)
    assert np.array_equal(first.seen, found.seen[:1]) and first.answers == found.answers[:1]
    (tmp_path / '000000.json').write_text('{')
    with pytest.raises(DatasetError, match=r'000000.*remove the folder'):
        make_moments(tmp_path, 3, streets=1)


def test_the_streets_are_none_of_other_miniatures_and_none_of_the_test_city():
    assert SEED_STEP not in (0, 1, grounding.SEED_STEP)
    learnt = {city.name for city in SPLITS['train']}
    assert not learnt & {city.name for split in ('val', 'test') for city in cities_of(split)}


def test_what_any_picture_leaves_to_see_is_to_be_said():
    """A clean picture among those shown leaves all to see; two covered ones what either does."""
    assert set(SHARES) == set(SHOWN) and sum(SHARES.values()) == pytest.approx(1)
    assert sum(PROMPTS.values()) == pytest.approx(1)
    for shown, left in SHOWN.items():
        assert shown[-1] in (NOW, NOW_WORSE) and len(shown) <= 2
        assert (left == 'all') == bool({PAST, NOW} & set(shown))
    assert SHOWN[NOW_WORSE,] == 'left' and SHOWN[PAST_WORSE, NOW_WORSE] == 'either'


def test_less_is_to_be_said_of_what_is_covered_and_never_more(moments, tmp_path):
    """Over streets until one has something covered: of two covered pictures more is left."""
    fewer = 0
    for index in range(40):
        _, (answers,) = grounding_of(index)
        named = {
            name: set(json.loads(entry['json'])['objects']) for name, entry in answers.items()
        }
        # What hardly shows may be named or not; what has to be is there.
        fewer += len(named['left'] - named['all']) == 0 and named['left'] < named['all']
        if fewer:
            break
    assert fewer and len(named['left']) <= len(named['either']) <= len(named['all'])


def grounding_of(index):
    from vlm_misalign_ros.training.moments import _of_one

    return _of_one(26, index)


# How it is asked ---------------------------------------------------------------------------------


@pytest.mark.parametrize('count', [1, 2])
def test_it_is_asked_in_training_as_it_will_be_asked(start, count):
    """The tokens are those of the processor, the loss is that of the whole model."""
    model, processor = start
    rng = np.random.default_rng(0)
    pictures = tuple(rng.integers(0, 256, (256, 512, 3), np.uint8) for _ in range(count))
    prompt = generative_prompt('safety')
    asked = question(processor, prompt, count)
    words = Query(pictures, None).text(Prompt('safety', prompt))
    content = [{'type': 'image'}] * count + [{'type': 'text', 'text': words}]
    text = processor.apply_chat_template(
        [{'role': 'user', 'content': content}], tokenize=False, add_generation_prompt=True
    )
    images = [Image.fromarray(picture) for picture in pictures]
    inputs = processor(text=text, images=images, return_tensors='pt')
    assert inputs['input_ids'][0].tolist() == asked
    answers = [
        processor.tokenizer(said, add_special_tokens=False).input_ids
        for said in (' yes', ' There is a car.')
    ]
    with torch.no_grad():
        pixels = normalised(np.stack([picture[:, :, ::-1] for picture in pictures]), *HALF)
        tower = model.model.vision_tower.timm_model
        seen = tower.forward_features(torch.from_numpy(pixels)).flatten(2).transpose(1, 2)
        seen = seen.flatten(0, 1).expand(2, -1, -1)
        losses = []
        for answer in answers:
            ids = torch.tensor([[*asked, *answer]])
            logits = model(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                pixel_values=inputs['pixel_values'],
            ).logits
            given = logits[0, len(asked) - 1 : -1]
            losses += torch.nn.functional.cross_entropy(
                given, torch.tensor(answer), reduction='none'
            ).tolist()
        found = float(answer_loss(model, seen, asked, answers))
    # Of two answers of unequal length every token counts alike.
    assert found == pytest.approx(np.mean(losses), rel=1e-4)


def test_exercises_show_every_way_and_hold_what_belongs_together(start):
    _, processor = start
    tokenizer = processor.tokenizer
    # Of each picture the features say which street and which picture it is.
    seen = np.arange(3 * 4, dtype=np.float16).reshape(3, 4, 1, 1)
    answers = [
        {left: dict.fromkeys(PROMPTS, f'{street} {left}') for left in set(SHOWN.values())}
        for street in range(3)
    ]
    exercises = Exercises(Moments(seen, answers), processor)
    ways = set()
    for seed in range(60):
        features, asked, said = exercises.draw(np.random.default_rng(seed), 2)
        places = features[:, :, 0, 0].astype(int)
        (shown,) = {tuple(row) for row in (places % 4).tolist()}
        ways.add(shown)
        assert asked.count(processor.image_token_id) == 128 * len(shown)
        for row, ids in zip(places // 4, said, strict=True):
            assert ids[-1] == tokenizer.eos_token_id
            (street,) = set(row.tolist())
            text = tokenizer.decode(ids, skip_special_tokens=True).strip()
            assert text == f'{street} {SHOWN[shown]}'
    assert ways == set(SHOWN)
