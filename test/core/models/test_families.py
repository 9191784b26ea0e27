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

"""The family matrix: every family, loaded by its name alone, against its library's own way."""

import numpy as np
import pytest
import torch
import transformers as tf
from PIL import Image
from tiny import contrasts, matrix
from tiny.matrix import CONTRASTIVE, FAMILIES, make, scene
from tiny.words import words

from vlm_misalign_ros.core.errors import FrameError
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.language.prompts import Prompt, find_prompt
from vlm_misalign_ros.core.models.factory import load_vlm
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.types import WHOLE

pytestmark = pytest.mark.heavy


def halves(names, fast):
    """Mark those slow that are not in the fast half."""
    return [
        pytest.param(name, marks=() if fast(name) else pytest.mark.slow, id=name) for name in names
    ]


GENERATIVE = halves(FAMILIES, lambda name: FAMILIES[name].fast)
FAST = ('clip', 'siglip', 'coca', 'hf_clip', 'hf_siglip', 'align')


@pytest.fixture(scope='session')
def tiny(tmp_path_factory):
    """Return a function from the name of a family to the folder of its checkpoint."""
    known = {}

    def folder(name):
        if name not in known:
            family = FAMILIES.get(name)
            builder = family.builder if family else getattr(contrasts, name)
            known[name] = make(builder, tmp_path_factory.mktemp('tiny') / name.replace(' ', '_'))
        return known[name]

    return folder


@pytest.fixture(scope='session')
def outcomes(tiny):
    known = {}

    def outcome(name):
        if name not in known:
            known[name] = matrix.run(tiny(name), FAMILIES[name])
        return known[name]

    return outcome


@pytest.mark.parametrize('name', GENERATIVE)
def test_the_text_is_that_of_the_librarys_one_call(outcomes, name):
    answers = outcomes(name).answers
    assert {asked: ours for asked, (ours, _) in answers.items()} == {
        asked: theirs for asked, (_, theirs) in answers.items()
    }
    # What says the same to everything would be equal to anything.
    assert len({ours for ours, _ in answers.values()}) > 1


@pytest.mark.parametrize('name', GENERATIVE)
def test_what_a_family_cannot_be_asked_is_refused_by_name(outcomes, name):
    family = FAMILIES[name]
    expected = {'several pictures': not family.several, 'words alone': not family.alone}
    assert set(outcomes(name).refused) == {way for way, refuses in expected.items() if refuses}


@pytest.mark.parametrize('name', GENERATIVE)
def test_what_is_seen_of_a_frame_is_what_reaches_the_network(outcomes, name):
    assert outcomes(name).view == pytest.approx(FAMILIES[name].view, abs=0.005)


@pytest.mark.parametrize('name', GENERATIVE)
def test_the_picture_is_encoded_once_and_the_question_has_the_same_answer(outcomes, name):
    outcome = outcomes(name)
    assert outcome.encoded == (1, 1)
    shared, anew = outcome.yes_no
    assert torch.equal(shared, anew) and len(shared) == 4


@pytest.mark.parametrize('name', ['gemma3', 'mllama', 'pixtral', 'llava_next', 'llava'])
def test_the_mark_of_the_beginning_is_set_once(tiny, name):
    model = load_vlm(f'transformers:{tiny(name)}', max_new_tokens=1, uncertainty=False).model
    asked = model._inputs([matrix.rgb(scene())], 'is it safe ?')['input_ids'][0]
    begin = model._asker.tokenizer.bos_token_id
    assert int((asked == begin).sum()) == 1 and int(asked[0]) == begin
    # Rendered and tokenised again, as it was once done, it is there twice.
    text = model._asker.text('is it safe ?')
    again = model._processor(images=matrix.rgb(scene()), text=text, return_tensors='pt')
    assert int((again['input_ids'][0] == begin).sum()) == 2


def test_llava_next_sees_a_wide_frame_unpadded(tiny):
    """Padding to a square would only add tiles of nothing."""
    frame = scene()
    model = load_vlm(f'transformers:{tiny("llava_next")}', max_new_tokens=2, uncertainty=False)
    assert model.describe(frame).view == WHOLE
    assert model.model._shown.fit(frame)[0] is frame


@pytest.mark.parametrize('height, count', [(1024, 1752), (2048, 2928)])
def test_what_a_padded_frame_costs_llava_next(height, count):
    """
    By hand: the thumbnail is 24 x 24 tokens; 2048 x 1024 in 672 x 336 has tiles of 48 x 24, and a
    mark at the end of 24 rows; a square in 672 x 672 has 48 x 48, and 48 marks.
    """
    pictures = tf.LlavaNextImageProcessor(
        size={'shortest_edge': 336},
        crop_size={'height': 336, 'width': 336},
        image_grid_pinpoints=[[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
    )
    processor = tf.LlavaNextProcessor(
        pictures,
        words(named={'image_token': '<image>'}),
        patch_size=14,
        vision_feature_select_strategy='default',
        num_additional_image_tokens=1,
    )
    shown = Image.new('RGB', (2048, height))
    ids = processor(images=shown, text='<image>', return_tensors='pt')['input_ids']
    assert int((ids == processor.image_token_id).sum()) == count
    tiles, rows = 48 * (24 if height == 1024 else 48), 24 if height == 1024 else 48
    assert 24 * 24 + tiles + rows == count


def test_a_system_prompt_stands_in_its_place_or_before_the_question(tiny, caplog):
    query = Query((scene(),), find_prompt('safety'), system='you are a careful driver')
    for name, place in (
        ('llava', 'SYSTEM: you are a careful driver'),
        ('llava without template', '<image>\nyou are a careful driver\nIs it safe'),
    ):
        model = load_vlm(f'transformers:{tiny(name)}', max_new_tokens=2, uncertainty=False)
        caplog.clear()
        model.describe(query)
        model.describe(query)
        assert place in model.model._asker.text(query.prompt.text, query.system)
        said = [
            entry for entry in caplog.records if 'no place for a system prompt' in entry.message
        ]
        assert len(said) == (0 if name == 'llava' else 1)


def test_task_prompts_stand_alone_and_are_told_in_the_record(tiny):
    model = load_vlm(f'transformers:{tiny("florence2")}', max_new_tokens=3)
    frame = scene()
    assert model.describe(frame).prompt_id == 'florence2:MORE_DETAILED_CAPTION'
    for query in (Query((frame,), system='be careful'), Query((frame,), context='a car ahead')):
        with pytest.raises(FrameError, match="'<MORE_DETAILED_CAPTION>' alone"):
            model.describe(query)
    own = Prompt('mine', 'what is on the road ?')
    assert model.describe(Query((frame,), own, context='a car ahead')).prompt_id == 'mine'


@pytest.mark.parametrize(
    'prompt, asked',
    [
        ('', 'answer en Is it safe to proceed? Answer yes or no.'),
        ('safety', 'Is it safe to proceed? Answer yes or no.'),
    ],
)
def test_a_question_is_put_in_the_form_of_the_prompt_in_use(tiny, monkeypatch, prompt, asked):
    model = load_vlm(f'transformers:{tiny("paligemma")}', prompt=prompt, max_new_tokens=2).model
    put = []
    inputs = model._asker.inputs

    def inputs_of(pictures, words, *system):
        put.append(words)
        return inputs(pictures, words, *system)

    monkeypatch.setattr(model._asker, 'inputs', inputs_of)
    model.describe(Query((scene(),)))
    assert put[-1] == asked


def test_the_likelihood_of_a_mention_survives_what_a_family_takes_out_of_its_text(tiny):
    model = load_vlm(f'transformers:{tiny("kosmos2")}', max_new_tokens=4).model
    ids = model._asker.tokenizer.convert_tokens_to_ids
    said = torch.tensor(
        [ids('the'), ids('<phrase>'), ids('car'), ids('</phrase>'), ids('is'), ids('red')]
    )
    chances = torch.full((len(said), len(model._asker.tokenizer)), -9.0)
    for place, token in enumerate(said):
        chances[place, token] = -0.1 * place
    text = model._decoder.text(said, '')
    assert text.split() == ['the', 'car', 'is', 'red']
    spoken = {
        text[start:end].strip(): chance
        for start, end, chance in model._decoder.spoken(said, chances, '')
        if text[start:end].strip()
    }
    assert spoken == pytest.approx({'the': 0.0, 'car': -0.2, 'is': -0.4, 'red': -0.5})


@pytest.mark.parametrize('name', halves(CONTRASTIVE, lambda name: name in FAST))
def test_probabilities_are_those_of_the_library(tiny, name):
    folder, frame = tiny(name), scene()
    answer = load_vlm(matrix.reference_of(name, folder), field_of_view='native').describe(frame)
    scores, safe = matrix.scores_of(name, folder, frame)
    np.testing.assert_allclose([answer.scores[entry] for entry in CLASSES], scores, atol=1e-5)
    assert answer.judgement_score == pytest.approx(safe, abs=1e-5)
    assert np.ptp(scores) > 1e-3
    assert answer.view == pytest.approx(CONTRASTIVE[name][1], abs=0.01)


@pytest.mark.parametrize('name', halves(CONTRASTIVE, lambda name: name in FAST))
def test_the_sides_of_a_wide_frame_reach_a_contrastive_model(tiny, name):
    model, frame = load_vlm(matrix.reference_of(name, tiny(name))), scene()
    changed = frame.copy()
    changed[:, :25] = 255 - changed[:, :25]
    answer = model.describe(frame)
    assert answer.view == WHOLE and model.describe(changed).scores != answer.scores


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tables_of_the_docs_are_what_was_run():
    """`PYTHONPATH=.:test python -m tiny.matrix --write` makes them."""
    torch.set_num_threads(1)
    made = f'{matrix.MARKS[0]}{matrix.tables()}{matrix.MARKS[1]}'
    written = matrix.rows(matrix.DOCS.read_text(encoding='utf-8'))
    assert written == matrix.rows(made)
    assert len(written) == len(FAMILIES) + len(CONTRASTIVE) + 2
