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

"""What examples/fine_tune.py reads of mined answers, what it learns from, and what it keeps."""

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tiny.llavas import blip, llava, llava_next
from tiny.matrix import make
from transformers import AutoModelForImageTextToText, AutoProcessor

from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.core.errors import ConfigurationError, NothingSaid, RecordError
from vlm_misalign_ros.core.language.prompts import generative_prompt
from vlm_misalign_ros.core.models.factory import load_vlm
from vlm_misalign_ros.core.models.families.miniature import MINIATURES

pytestmark = pytest.mark.heavy

EXAMPLE = Path(__file__).resolve().parents[2] / 'examples' / 'fine_tune.py'
TRUTH = 'There is a car. It is not safe to drive on.'


@pytest.fixture(scope='module')
def tuning():
    """Return the example as a module."""
    if not EXAMPLE.is_file():
        pytest.skip('examples come with the source tree only')
    import sys

    spec = importlib.util.spec_from_file_location('fine_tune', EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules['fine_tune'] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules['fine_tune']


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    return make(llava, tmp_path_factory.mktemp('tiny') / 'llava')


def row(name, **given):
    return {
        'file_name': f'pictures/{name}.png',
        'prompt_id': 'default',
        'target': TRUTH,
        'input': 'image',
        'failed': True,
        **given,
    }


def mined(folder, train, test=()):
    """Write tables and pictures as `mine` does, and return the folder."""
    (folder / 'answers').mkdir(parents=True)
    (folder / 'pictures').mkdir()
    rng = np.random.default_rng(0)
    for split, rows in (('train', train), ('test', test)):
        pd.DataFrame(rows).to_parquet(folder / 'answers' / f'{split}.parquet')
        for found in rows:
            if found['file_name']:
                pixels = rng.integers(0, 256, (32, 64, 3), np.uint8)
                assert cv2.imwrite(str(folder / found['file_name']), pixels)
    return folder


# What is read -----------------------------------------------------------------------------------


def test_examples_are_what_was_shown_asked_and_true(tuning, tmp_path):
    rows = [
        row('a'),
        # Another model's answer to the same question about the same picture.
        row('a', failed=False),
        row('a', prompt_id='safety', target='It is safe to drive on.', failed=False),
        row('b', file_name=None),
        row('c', target=''),
        row('d', input='image+objects'),
    ]
    folder = mined(tmp_path / 'mined', rows)
    found = tuning.read_examples(folder, 'train')
    assert [(one.picture.name, one.prompt, one.target) for one in found] == [
        ('a.png', generative_prompt('default'), TRUTH),
        ('a.png', generative_prompt('safety'), 'It is safe to drive on.'),
    ]
    assert len(tuning.read_examples(folder, 'train', 'failed')) == 1
    right = tuning.read_examples(folder, 'train', 'right')
    assert [one.target for one in right] == [TRUTH, 'It is safe to drive on.']


@pytest.mark.parametrize('spoilt', [None, b'no table', 'columns'])
def test_what_is_no_table_of_mined_answers_is_named_in_one_line(tuning, tmp_path, spoilt, capsys):
    (tmp_path / 'answers').mkdir()
    path = tmp_path / 'answers' / 'train.parquet'
    if spoilt == 'columns':
        pd.DataFrame({'target': ['x']}).to_parquet(path)
    elif spoilt:
        path.write_bytes(spoilt)
    with pytest.raises(RecordError, match='train.parquet'):
        tuning.read_examples(tmp_path, 'train')
    assert tuning.main([str(tmp_path), str(tmp_path / 'out')]) == 2
    told = capsys.readouterr().err
    assert told.count('\n') == 1 and 'train.parquet' in told
    assert not (tmp_path / 'out').exists()


# What is learnt ---------------------------------------------------------------------------------


def loaded(folder):
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    return model, processor


def lesson(tuning, folder, tmp_path, target=TRUTH):
    model, processor = loaded(folder)
    place = mined(tmp_path / f'mined_{target[:9]}', [row('a', target=target)])
    (example,) = tuning.read_examples(place, 'train')
    asker = tuning.asker_of(str(folder), model, processor)
    return model, processor, example, tuning.lesson_of(model, asker, example)


def test_the_loss_is_on_the_words_of_the_answer_alone(tuning, tiny, tmp_path):
    model, processor, example, (made, library) = lesson(tuning, tiny, tmp_path)
    picture = tuning.open_picture(example.picture)
    text = processor.apply_chat_template(
        [
            {
                'role': 'user',
                'content': [{'type': 'image'}, {'type': 'text', 'text': example.prompt}],
            }
        ],
        tokenize=False,
        add_generation_prompt=True,
    )
    inputs = processor(images=picture, text=text, return_tensors='pt', add_special_tokens=False)
    asked = inputs.pop('input_ids')[0].tolist()
    assert list(made.question) == asked
    answer = processor.tokenizer(TRUTH, add_special_tokens=False).input_ids
    assert list(made.answer) == [*answer, processor.tokenizer.eos_token_id]
    ids = torch.tensor([[*asked, *made.answer]])
    inputs['attention_mask'] = torch.ones_like(ids)
    with torch.no_grad():
        logits = model(input_ids=ids, **inputs).logits[0]
    chances = torch.log_softmax(logits.double(), -1)
    # By hand: each word of the answer by the place before it, the question nowhere.
    wanted = -sum(
        float(chances[len(asked) - 1 + place, word]) for place, word in enumerate(made.answer)
    ) / len(made.answer)
    assert tuning.loss_of(model, [made]).item() == pytest.approx(wanted, rel=1e-4)
    assert library == pytest.approx(wanted, rel=1e-4)
    everything = -sum(
        float(chances[place, word]) for place, word in enumerate(ids[0, 1:].tolist())
    ) / (ids.shape[1] - 1)
    assert abs(everything - wanted) > 0.01


def test_answers_of_unlike_length_in_a_batch_weigh_by_their_words(tuning, tiny, tmp_path):
    model, _, _, (long, _) = lesson(tuning, tiny, tmp_path)
    _, _, _, (short, _) = lesson(tuning, tiny, tmp_path, 'It is safe.')
    assert len(short.answer) < len(long.answer)
    with torch.no_grad():
        alone = [float(tuning.loss_of(model, [one])) for one in (short, long)]
        both = float(tuning.loss_of(model, [short, long]))
    lengths = [len(short.answer), len(long.answer)]
    wanted = np.average(alone, weights=lengths)
    assert both == pytest.approx(wanted, rel=1e-4)
    assert tuning.Batches([short, long]).mean_loss(model, 1) == pytest.approx(wanted, rel=1e-4)


def test_what_the_tower_sees_is_what_the_model_would_see(tuning, tiny, tmp_path):
    model, processor, example, (made, _) = lesson(tuning, tiny, tmp_path)
    pixels = processor.image_processor(
        tuning.open_picture(example.picture), return_tensors='pt'
    ).pixel_values
    with torch.no_grad():
        found = model.model.get_image_features(pixels).pooler_output[0]
        assert torch.allclose(model.model.multi_modal_projector(made.seen), found, atol=1e-5)
    assert made.question.count(model.config.image_token_index) == len(made.seen)


@pytest.mark.parametrize('builder', [llava_next, blip])
def test_a_model_that_it_cannot_teach_is_refused(tuning, builder, tmp_path, capsys):
    folder = make(builder, tmp_path / 'model')
    place = mined(tmp_path / 'mined', [row('a')], [row('b')])
    code = tuning.main([str(place), str(tmp_path / 'out'), '--model', str(folder), '--steps', '1'])
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 2 and told.startswith('fine_tune: a model of type')
    assert not (tmp_path / 'out').exists()


def test_batches_are_of_one_question_and_every_lesson_comes_as_often(tuning):
    seen = torch.zeros(1, 1)
    lessons = [tuning.Lesson((1,) if n < 9 else (2,), (n,), seen) for n in range(12)]
    batches = tuning.Batches(lessons)
    rng = np.random.default_rng(0)
    drawn = [batches.draw(rng, 4) for _ in range(3000)]
    assert all(len({one.question for one in batch}) == 1 for batch in drawn)
    counts = np.bincount([one.answer[0] for batch in drawn for one in batch], minlength=12)
    # Batches of one question hang together: the spread is that of 3000 draws, times 4.
    assert abs(counts[9:].sum() / counts.sum() - 3 / 12) < 5 * (0.25 * 0.75 / 3000) ** 0.5
    assert counts.min() > 0.8 * counts.max()


# What is kept -----------------------------------------------------------------------------------


def weights(folder):
    return load_file(folder / 'model.safetensors')


def test_the_best_step_is_kept_and_the_model_as_it_came_where_none_is_better(
    tuning, tiny, tmp_path
):
    class Given:
        def __init__(self, *losses):
            self.losses = iter(losses)

        def mean_loss(self, model, batch):
            return next(self.losses)

    model, _ = loaded(tiny)
    for number, (losses, kept) in enumerate([((3.0, 1.0, 2.0), 2), ((1.0, 3.0, 1.0), 0)]):
        best = tuning.Best(tmp_path / str(number), Given(*losses), 1, 2, 3)
        (tmp_path / str(number)).mkdir()
        for step in range(4):
            with torch.no_grad():
                model.lm_head.weight.fill_(step)
            best.look(torch.float16, step, model)
        # Every second step, and the last.
        assert list(best.losses) == ['0', '2', '3'] and best.step == kept
        (head,) = (v for k, v in weights(best.model).items() if k.endswith('lm_head.weight'))
        assert head.unique().tolist() == [kept] and head.dtype == torch.float16


def tuned(tuning, place, out, folder, *more):
    return tuning.main(
        [str(place), str(out), '--model', str(folder), '--batch', '2', '--every', '2', *more]
    )


def test_a_training_teaches_all_but_the_tower_and_goes_on_where_it_was_cut_off(
    tuning, tiny, tmp_path, monkeypatch
):
    place = mined(tmp_path / 'mined', [row('a'), row('b', failed=False)], [row('c')])
    common = ['--steps', '6', '--rate', '0.01']
    assert tuned(tuning, place, tmp_path / 'whole', tiny, *common) == 0
    before, after = weights(tiny), weights(tmp_path / 'whole')
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and not any('vision_tower' in name for name in moved)
    assert any('multi_modal_projector' in name for name in moved)
    told = json.loads((tmp_path / 'whole' / 'fine_tuning.json').read_text())
    assert told['examples'] == {'train': 2, 'test': 1} and set(told['losses']) == set('0246')
    assert told['losses'][str(told['step'])] == min(told['losses'].values())
    assert told['losses']['6'] < told['losses']['0']

    monkeypatch.setattr('vlm_misalign_ros.training.loop.SAVE_EVERY', 0.0)
    loss_of, calls = tuning.loss_of, []

    def until(model, lessons):
        calls.append(len(lessons))
        # Two proofs, a look, and then steps with looks between them.
        if len(calls) == 7:
            raise KeyboardInterrupt
        return loss_of(model, lessons)

    monkeypatch.setattr(tuning, 'loss_of', until)
    with pytest.raises(KeyboardInterrupt):
        tuned(tuning, place, tmp_path / 'cut', tiny, *common)
    assert not (tmp_path / 'cut').exists() and (tmp_path / 'cut.work').is_dir()
    monkeypatch.setattr(tuning, 'loss_of', loss_of)
    with pytest.raises(RecordError, match='other data or settings'):
        chosen = tuning._parser().parse_args([str(place), 'x', '--model', str(tiny)])
        tuning.fine_tune(place, tmp_path / 'cut', chosen)
    assert tuned(tuning, place, tmp_path / 'cut', tiny, *common) == 0
    again = weights(tmp_path / 'cut')
    assert all(torch.equal(again[name], value) for name, value in after.items())
    assert not (tmp_path / 'cut.work').exists()
    # What is there stays as it is.
    assert tuned(tuning, place, tmp_path / 'cut', tiny, *common) == 2


def test_a_model_without_a_projector_is_named(tuning):
    with pytest.raises(ConfigurationError, match='vision_tower'):
        tuning.projector_of(type('M', (), {'config': type('C', (), {'model_type': 'x'})})())


@pytest.mark.slow
def test_a_run_is_mined_and_learnt_from_and_the_result_is_a_model(tuning, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = EXAMPLE.with_name('mining.yaml')
    assert main(['scenes', 'mining', '--frames', '4', '--seed', '1', '--split', 'val']) == 0
    fewer = ['replay.conditions=[clean, "low_light:5"]']
    assert main(['run', str(config), *fewer, '--in-process', '--name', 'mining']) == 0
    more = ['--right', '1', '--class-iou', '0', '--test', '0.5', '--seed', '2']
    assert main(['mine', 'runs/mining', 'mined', *more]) == 0
    steps = ['--steps', '4', '--batch', '4', '--every', '2']
    assert tuning.main(['mined', 'tuned', *steps]) == 0
    after, before = weights(tmp_path / 'tuned'), weights(MINIATURES / 'llava')
    assert after.keys() == before.keys()
    assert {value.dtype for value in after.values() if value.ndim} == {torch.float16}
    assert all(torch.equal(after[name], before[name]) for name in before if 'vision_tower' in name)
    picture = cv2.imread(str(next((tmp_path / 'mined' / 'pictures').rglob('*.png'))))
    model = load_vlm('transformers:tuned', max_new_tokens=40)
    try:
        assert model.describe(picture).text
    except NothingSaid:
        pytest.fail('four steps have silenced the model')
