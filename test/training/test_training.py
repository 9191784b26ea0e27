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

"""Training of the miniatures: what they learn to say, data, loop, and every model in short."""

import json
from contextlib import suppress

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from vlm_misalign_ros.core.errors import ConfigurationError, DatasetError, NothingSaid
from vlm_misalign_ros.core.labels.classes import SCORED, TWO_WHEELERS, VEHICLE, VEHICLE_MEMBERS
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.prompts import generative_prompt
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.models.factory import load_segmentation, load_vlm
from vlm_misalign_ros.core.types import Hazard, Judgement, Mention
from vlm_misalign_ros.training import loop
from vlm_misalign_ros.training.augment import HALF, IMAGENET, normalised
from vlm_misalign_ros.training.captions import Scene, as_json, caption, narrate, yes_or_no
from vlm_misalign_ros.training.generative import BUILD, TOWERS, answer_loss, ask, put_tower
from vlm_misalign_ros.training.loop import Recipe, fit
from vlm_misalign_ros.training.miniatures import MINIATURES, train
from vlm_misalign_ros.training.samples import make_samples, open_samples
from vlm_misalign_ros.training.segmentation import build, class_weights
from vlm_misalign_ros.training.tokenizer import train_tokenizer
from vlm_misalign_ros.training.towers import KINDS as TOWER_KINDS
from vlm_misalign_ros.training.towers import start_from

pytestmark = pytest.mark.heavy

LEXICON = open_lexicon()
USERS = ('person', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle')
STUFF = ('building', 'vegetation', 'fence', 'wall', 'terrain', 'sidewalk', 'pole')


@st.composite
def scenes(draw):
    """Return a scene that can be: a rider has wheels, and who is nearest is there."""
    states = {name: draw(st.sampled_from('rta')) for name in SCORED}
    if states['rider'] != 'a' and states['bicycle'] == states['motorcycle'] == 'a':
        states['bicycle'] = 'r'
    states['road'] = 't'
    for name in (*STUFF, 'sky'):
        states[name] = 't' if states[name] == 'r' else states[name]
    members = [states.get(name, 'a') for name in VEHICLE_MEMBERS]
    near = [*members, *(states[name] for name in TWO_WHEELERS)]
    states[VEHICLE] = 'r' if 'r' in members else 't' if {'r', 't'} & set(near) else 'a'
    chosen = {kind: frozenset(name for name in SCORED if states[name] == kind) for kind in 'rta'}
    near = sorted(set(USERS) - {'rider', 'bicycle', 'motorcycle'} - chosen['a'])
    hazard = draw(st.sampled_from([Hazard.HAZARD, Hazard.CLEAR])) if near else Hazard.CLEAR
    some = st.sets(st.sampled_from(sorted(chosen['r'] | chosen['t'])))
    return Scene(
        chosen['r'],
        chosen['a'],
        frozenset(draw(some)),
        frozenset(STUFF) & frozenset(draw(some)),
        frozenset(draw(some)) & chosen['t'],
        hazard,
        draw(st.sampled_from(near)) if hazard is Hazard.HAZARD else '',
    )


def asserted(reading):
    return {name for name, state in reading.mentions.items() if state is Mention.ASSERTED}


@given(scenes())
@pytest.mark.parametrize('words', [narrate, caption])
def test_what_the_miniatures_learn_is_read_as_it_is_meant(words, scene):
    reading = read(words(scene), LEXICON)
    said = asserted(reading)
    assert scene.required - {VEHICLE} <= said | {'rider', 'bicycle', 'motorcycle'}
    if 'rider' in scene.required:
        assert 'rider' in said
    assert not said & (scene.absent - {'road'})
    assert reading.judgement is (
        Judgement.UNSAFE if scene.hazard is Hazard.HAZARD else Judgement.SAFE
    )


@given(scenes())
def test_denials_and_hedges_are_read_as_such(scene):
    reading = read(narrate(scene), LEXICON)
    denied = {name for name, state in reading.mentions.items() if state is Mention.DENIED}
    hedged = {name for name, state in reading.mentions.items() if state is Mention.HEDGED}
    assert denied <= scene.absent and hedged <= scene.trace | scene.required


@given(scenes())
def test_json_and_single_words_are_read_too(scene):
    reading = read(as_json(scene), LEXICON)
    safe = Judgement.UNSAFE if scene.hazard is Hazard.HAZARD else Judgement.SAFE
    assert reading.judgement is safe and not asserted(reading) & (scene.absent - {'road'})
    assert read(yes_or_no(scene), LEXICON, generative_prompt('safety')).judgement is safe


# Loop ----------------------------------------------------------------------------------------


def test_the_rate_warms_up_and_falls_to_a_hundredth():
    recipe = Recipe(steps=100, batch=1, rate=2.0, warmup=10)
    rates = [recipe.rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.2) and rates[9] == pytest.approx(2.0)
    assert rates[10] == pytest.approx(2.0) and rates[100] == pytest.approx(0.02)
    assert rates[55] == pytest.approx(2.0 * (0.01 + 0.99 * 0.5))
    assert recipe.part(0.5).steps == 50 and recipe.part(1e-6).steps == 1


def little():
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def loss(model, rng, batch):
    x = torch.from_numpy(rng.normal(size=(batch, 3)).astype(np.float32))
    return ((model(x) - x.sum(1, keepdim=True)) ** 2).mean()


def test_a_training_that_was_cut_off_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    recipe = Recipe(steps=40, batch=8, rate=0.05, warmup=2, average=0.9)
    whole = fit(little(), loss, recipe, tmp_path / 'a.pt', seed=1)
    monkeypatch.setattr(loop, 'SAVE_EVERY', 0.0)

    steps = iter(range(17))

    def until(model, rng, batch):
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return loss(model, rng, batch)

    with pytest.raises(KeyboardInterrupt):
        fit(little(), until, recipe, tmp_path / 'b.pt', seed=1)
    again = fit(little(), loss, recipe, tmp_path / 'b.pt', seed=1)
    assert torch.equal(whole.weight, again.weight) and torch.equal(whole.bias, again.bias)
    assert (
        loss(whole, np.random.default_rng(9), 64)
        < loss(little(), np.random.default_rng(9), 64) / 4
    )


def test_whoever_looks_on_sees_the_averaged_weights_after_each_step(tmp_path):
    recipe = Recipe(steps=6, batch=8, rate=0.05, warmup=1, average=0.9)
    seen = []

    def look(step, averaged):
        assert not averaged.training
        seen.append((step, averaged.weight.detach().clone()))

    whole = fit(little(), loss, recipe, tmp_path / 'a.pt', seed=1, after=look)
    assert [step for step, _ in seen] == [1, 2, 3, 4, 5, 6]
    assert torch.equal(seen[-1][1], whole.weight)
    # Looking on changes nothing, and three steps of six are not the end of three.
    assert torch.equal(fit(little(), loss, recipe, tmp_path / 'b.pt', seed=1).weight, whole.weight)
    assert not torch.equal(seen[2][1], whole.weight)


# Data ----------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('training')
    make_samples(folder, 'train', 6, seed=2, workers=1)
    return folder


def test_samples_are_the_frames_of_their_seed_however_often_they_were_cut_off(data, tmp_path):
    samples = open_samples(data, 'train')
    assert len(samples) == 6 and samples.large.shape[1:] == (384, 768, 3)
    assert set(np.unique(samples.labels)) <= {*range(19), 255}
    total = samples.cells.astype(int).sum((1, 2))
    counted = np.stack([np.bincount(ids.ravel(), minlength=256)[:19] for ids in samples.labels])
    # A full cell of 256 pixels is kept as 255.
    assert (total <= counted).all() and (counted - total <= 24 * 48).all()
    before = {path.name: path.read_bytes() for path in (data / 'train').glob('*.npy')}
    (data / 'train' / 'done-0').unlink()
    make_samples(data, 'train', 6, seed=2, workers=1)
    assert all((data / 'train' / name).read_bytes() == content for name, content in before.items())
    with pytest.raises(ConfigurationError, match='other samples'):
        make_samples(data, 'train', 6, seed=3)
    with pytest.raises(ConfigurationError, match="'trian'"):
        make_samples(data, 'trian', 6, seed=3)
    with pytest.raises(DatasetError, match='train samples'):
        open_samples(tmp_path, 'train')


def test_rare_classes_weigh_more():
    labels = np.repeat(np.arange(19, dtype=np.uint8), 50).reshape(1, 19, 50)
    labels[0, 5, 5:] = 0
    weights = class_weights(labels)
    # Ten times rarer than its neighbours.
    assert weights[5] / weights[4] == pytest.approx(10**0.5, rel=0.02)
    assert weights[0] < weights[4] and weights.max() <= 3.0


def test_the_tokenizer_gives_every_text_back():
    texts = ['There are no trams.', 'A car is in our way: UNSAFE.', 'naïve façade 🚗']
    tokenizer = train_tokenizer(texts)
    for text in texts:
        ids = tokenizer(text).input_ids
        assert ids[0] == 1 and tokenizer.decode(ids, skip_special_tokens=True) == text


# Models --------------------------------------------------------------------------------------


@pytest.mark.parametrize('name', MINIATURES)
def test_a_miniature_is_loaded_by_the_code_that_loads_any_model(name, data, tmp_path):
    if name == 'paligemma':
        with pytest.raises(ConfigurationError, match='train segformer first'):
            train(name, data, tmp_path, data / 'work', share=1e-6)
        train('segformer', data, tmp_path, data / 'work', share=1e-6)
    out = train(name, data, tmp_path, data / 'work', share=1e-6)
    size = sum(path.stat().st_size for path in out.rglob('*') if path.is_file())
    assert size < 15e6
    picture = cv2.resize(np.asarray(open_samples(data, 'train').large[0]), (512, 256))
    if name == 'segformer':
        model = load_segmentation(f'transformers:{out}')
        assert model.segment(picture).labels.shape == (256, 512)
        return
    kind = 'open_clip:local-dir' if (out / 'open_clip_config.json').is_file() else 'transformers'
    model = load_vlm(f'{kind}:{out}', max_new_tokens=4)
    if kind == 'transformers':
        # After one step of training an answer may well be empty, which is no answer.
        with suppress(NothingSaid):
            answer = model.describe(picture)
            assert answer.kind == 'generative' and answer.text
    else:
        answer = model.describe(picture)
        assert set(answer.scores) >= {'car', 'person'}
        assert json.loads((out / 'open_clip_config.json').read_text())['model_cfg']


@pytest.mark.parametrize('name', TOWERS)
def test_the_loss_in_training_is_that_of_the_model_as_it_will_be_asked(name):
    torch.manual_seed(3)
    tokenizer = train_tokenizer(['Is it safe to proceed? Answer yes or no.', 'a car; safe'])
    model, processor = BUILD[name](tokenizer)
    model = model.eval()
    tower = TOWER_KINDS[TOWERS[name]]().eval()
    put_tower(name, model, tower)
    picture = np.random.default_rng(0).integers(0, 256, (256, 512, 3), np.uint8)
    prompt, answer = (
        generative_prompt('safety'),
        tokenizer('a car; safe', add_special_tokens=False).input_ids,
    )
    question = ask(processor, prompt)
    text = (
        prompt
        if name == 'paligemma'
        else processor.apply_chat_template(
            [{'role': 'user', 'content': [{'type': 'image'}, {'type': 'text', 'text': prompt}]}],
            tokenize=False,
            add_generation_prompt=True,
        )
    )
    inputs = dict(processor(images=Image.fromarray(picture), text=text, return_tensors='pt'))
    inputs.pop('labels', None)
    ids = torch.tensor([[*question, *answer]])
    assert inputs['input_ids'][0].tolist() == question
    inputs['attention_mask'] = torch.ones_like(ids)
    if 'token_type_ids' in inputs:
        inputs['token_type_ids'] = torch.tensor([[0] * len(question) + [1] * len(answer)])
    with torch.no_grad():
        given = model(**{**inputs, 'input_ids': ids}).logits[0, len(question) - 1 : -1]
        whole = torch.nn.functional.cross_entropy(given, torch.tensor(answer))
        pixels = torch.from_numpy(normalised(picture[None, :, :, ::-1], *HALF))
        seen = tower.features(pixels).flatten(2).transpose(1, 2)
        assert float(answer_loss(model, seen, question, [answer])) == pytest.approx(
            float(whole), rel=1e-4
        )


def test_an_encoder_trained_before_sees_the_same_in_a_tower(tmp_path):
    torch.manual_seed(4)
    model = build().eval()
    model.save_pretrained(tmp_path)
    tower = TOWER_KINDS['mit']().eval()
    start_from(tower, tmp_path)
    picture = np.random.default_rng(1).integers(0, 256, (1, 64, 96, 3), np.uint8)
    with torch.no_grad():
        wanted = model.segformer(
            torch.from_numpy(normalised(picture, *IMAGENET))
        ).last_hidden_state
        found = tower.features(torch.from_numpy(normalised(picture, *HALF)))
    assert found.shape == wanted.shape == (1, 160, 2, 3)
    # The border differs: zero means another grey.
    assert float((found - wanted).abs().mean()) < 0.1 * float(wanted.abs().mean())


def test_an_unknown_miniature_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="'blip'"):
        train('blip', tmp_path, tmp_path, tmp_path)
