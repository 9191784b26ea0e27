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

"""One ask put to a model: what it is shown, in which words, and what is kept of the answer."""

import numpy as np
import pytest

from vlm_misalign_ros.core.errors import ConfigurationError, FrameError, NothingSaid
from vlm_misalign_ros.core.evaluation.asker import Asker, Shown
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.prompts import Prompt, find_prompt, paraphrases
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.models import findings
from vlm_misalign_ros.core.models.answering import CheckedVlm
from vlm_misalign_ros.core.models.describing import RawAnswer, described
from vlm_misalign_ros.core.settings.asks import Ask, AskParameters
from vlm_misalign_ros.core.types import Description, Input, Judgement, Kind, Segmented

PICTURE = np.random.default_rng(0).integers(0, 256, (20, 40, 3), dtype=np.uint8)
LABELS = np.full((20, 40), CLASSES.index('road'), np.uint8)
LABELS[:10, :10] = CLASSES.index('bus')
MASK = Segmented(LABELS, 0.1, 0.9, {'road': 0.05, 'bus': 0.5})
OWN = Prompt('own', 'What is there?')


class Fake:
    """Answers by what it is asked, and keeps the queries."""

    kind = Kind.GENERATIVE

    def __init__(self, answer=lambda query: 'A car and a bus. It is safe to proceed.'):
        self.answer, self.asked = answer, []

    def describe(self, query):
        self.asked.append(query)
        text = self.answer(query)
        return described('fake', query, query.prompt or OWN, RawAnswer(text), open_lexicon())


class Scores(Fake):
    """A contrastive model."""

    kind = Kind.CONTRASTIVE

    def describe(self, query):
        self.asked.append(query)
        return Description('scores', self.kind, '', scores={'car': 0.5})


def asker(model, **chosen):
    return Asker(CheckedVlm('fake:x', model), Ask('m_ask', AskParameters(**chosen)))


def ask(model, shown=None, **chosen):
    return asker(model, **chosen).answer(shown or Shown((PICTURE,), MASK))


SHOWN = {
    Input.IMAGE: ([PICTURE], ''),
    Input.OVERLAY: ([findings.over(PICTURE, LABELS)], 'colours of a segmentation over it'),
    Input.MASK: ([findings.in_colours(LABELS)], 'is the segmentation of a camera picture'),
    Input.IMAGE_MASK: ([findings.in_colours(LABELS), PICTURE], 'last picture is from the camera'),
    Input.IMAGE_OBJECTS: ([PICTURE], 'looked at this picture and found: road, 88 % of it'),
    Input.IMAGE_OBJECTS_UNCERTAINTY: ([PICTURE], 'bus, 12 % of it, on the left, unsure (entropy'),
    Input.OBJECTS: ([], 'a picture that you do not see'),
}


@pytest.mark.parametrize('chosen', Input)
def test_each_input_shows_what_it_says(chosen):
    model = Fake()
    answer = ask(model, input=chosen.value)
    (query,) = model.asked
    pictures, words = SHOWN[chosen]
    assert len(query.pictures) == len(pictures)
    for shown, wanted in zip(query.pictures, pictures, strict=True):
        assert (shown == wanted).all()
    assert words in query.context and bool(query.context) is bool(words)
    assert ('entropy' in query.context) is (chosen is Input.IMAGE_OBJECTS_UNCERTAINTY)
    assert ('Its colours' in query.context) is (
        chosen in (Input.OVERLAY, Input.MASK, Input.IMAGE_MASK)
    )
    assert (answer.model, answer.input, answer.shown) == ('m_ask', chosen, 1)
    # Words of the mask go before those of the prompt, and are no echo of it.
    assert query.text(OWN).endswith('What is there?')
    assert answer.asserted == {'car', 'bus'} and answer.judgement is Judgement.SAFE


def test_past_pictures_are_shown_before_the_frame_itself():
    model, past = Fake(), np.zeros_like(PICTURE)
    answer = ask(model, Shown((past, past, PICTURE), MASK), frames=2, input='image+mask')
    (query,) = model.asked
    assert answer.shown == 3 and query.picture is PICTURE
    assert [int(picture.any()) for picture in query.pictures] == [0, 0, 1, 1]


def test_classes_that_the_model_was_told_of_are_kept_and_colours_are_none():
    assert ask(Fake()).prompted == ()
    assert ask(Fake(), text='Is there a bus or a tram?').prompted == ('bus', 'train')
    assert ask(Fake(), system='Cars matter.').prompted == ('car',)
    assert ask(Fake(), input='objects').prompted == ('bus', 'road')
    assert ask(Fake(), input='overlay').prompted == ()


def test_prompts_come_as_words_or_by_id_and_none_is_the_models_own():
    def asked(**chosen):
        model = Fake()
        return ask(model, **chosen).prompt_id, model.asked[0].prompt

    assert asked() == ('own', None)
    assert asked(prompt='json') == ('json', find_prompt('json'))
    name, prompt = asked(text='What do you see?')
    assert (name, prompt.text) == (prompt.id, 'What do you see?') and name.startswith('text ')
    assert asked(text='Else?')[0] != name


def test_paraphrases_are_asked_about_the_same_pictures_and_their_judgements_kept():
    def answer(query):
        if query.prompt is None:
            return 'A car.'
        if 'drive on' in query.prompt.text:
            raise NothingSaid('nothing')
        return 'No.' if 'way ahead' in query.prompt.text else 'Yes.'

    model = Fake(answer)
    found = ask(model, paraphrases=6, input='objects')
    texts = [prompt.text for prompt in paraphrases('', 6)]
    assert [query.prompt.text for query in model.asked[1:]] == texts
    assert len({query.context for query in model.asked}) == 1
    # The probability of a safe road is that of the frame: no paraphrase asks for it again.
    assert [query.probed for query in model.asked] == [True] + [False] * 6
    wanted = {
        text: Judgement.UNPARSED
        if 'drive on' in text
        else Judgement.UNSAFE
        if 'way ahead' in text
        else Judgement.SAFE
        for text in texts
    }
    assert found.paraphrases == tuple(wanted.values())
    assert found.context.endswith('and found: road, 100 % of it, all over the width.') or (
        'segmentation network' in found.context
    )
    assert len(found.paraphrased) == len(found.paraphrases)
    assert set(found.paraphrases) == {Judgement.SAFE, Judgement.UNSAFE, Judgement.UNPARSED}
    assert found.judgement is Judgement.UNPARSED and found.text == 'A car.'


def test_a_mask_that_is_needed_and_lacks_costs_the_frame():
    with pytest.raises(FrameError, match="no mask for the ask 'm_ask'"):
        ask(Fake(), Shown((PICTURE,)), input='mask')


@pytest.mark.parametrize('chosen', ['image', 'overlay', 'mask'])
def test_a_contrastive_model_is_shown_pictures_alone(chosen):
    model = Scores()
    assert ask(model, input=chosen).prompted == ()
    assert model.asked[0].context == '' and len(model.asked[0].pictures) == 1


@pytest.mark.parametrize(
    'chosen, words',
    [
        ({'text': 'What?'}, 'm_ask has text, and its model is contrastive'),
        ({'system': 'You drive.'}, 'm_ask has system'),
        ({'paraphrases': 2}, 'm_ask has paraphrases'),
        ({'frames': 3}, 'm_ask has frames: 3, and its model is contrastive'),
        ({'input': 'objects'}, "m_ask has the input 'objects', and its model is contrastive"),
        ({'input': 'image+objects'}, "the input 'image.objects'"),
    ],
)
def test_a_contrastive_model_is_not_asked_in_words(chosen, words):
    with pytest.raises(ConfigurationError, match=words):
        asker(Scores(), **chosen)


@pytest.mark.parametrize(
    'chosen, words',
    [
        ({'prompt': 'nope'}, "no generative prompt 'nope'"),
        ({'paraphrases': 16}, '8 paraphrases of the safety question, 16 are asked for'),
    ],
)
def test_prompts_that_are_not_there_are_named(chosen, words):
    with pytest.raises(ConfigurationError, match=words):
        asker(Fake(), **chosen)


def test_paraphrases_come_from_the_file_of_the_prompt_where_it_has_some(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text('generative: {default: "What?"}\nparaphrases: {safety: ["Safe?", "Go on?"]}\n')
    model = Fake()
    ask(model, prompt=str(path), paraphrases=2)
    assert [query.prompt.text for query in model.asked] == ['What?', 'Safe?', 'Go on?']
    path.write_text('generative: {default: "What?"}\n')
    ask(Fake(), prompt=str(path), paraphrases=2)
    path.write_text('generative: {default: "What?"}\nparaphrases: {safety: [3]}\n')
    with pytest.raises(ConfigurationError, match=r'give \{safety: \[texts\]\}'):
        asker(Fake(), prompt=str(path), paraphrases=1)


def test_what_a_model_cannot_be_asked_is_said_as_it_is_loaded():
    def refuse(query):
        raise FrameError('two pictures', 'one')

    with pytest.raises(ConfigurationError, match="ask 'm_ask' cannot be put to its model: two"):
        asker(Fake(refuse)).try_out()

    def silent(query):
        raise NothingSaid('nothing')

    asker(Fake(silent)).try_out()
    model = Fake()
    asker(model, frames=3, input='image+objects').try_out()
    assert len(model.asked[0].pictures) == 4


def test_every_paraphrase_asks_in_one_direction():
    for prompt in paraphrases('', 8):
        for said, judged in (('Yes.', Judgement.SAFE), ('no', Judgement.UNSAFE)):
            assert read(said, open_lexicon(), prompt.text, prompt.style).judgement is judged
