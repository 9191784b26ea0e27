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

"""What every model goes through, whatever its family: a plug-in's fails in every way it can."""

import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from vlm_misalign_ros.core.errors import ConfigurationError, FrameError, ModelError, NothingSaid
from vlm_misalign_ros.core.models import weights
from vlm_misalign_ros.core.models.answering import GREY, TRIAL, CheckedSegmentation, CheckedVlm
from vlm_misalign_ros.core.models.factory import load_segmentation, load_vlm
from vlm_misalign_ros.core.models.families import FAMILIES, ModelReference
from vlm_misalign_ros.core.types import Description, Judgement, Kind, Mention, Segmented

PICTURE = np.zeros((32, 64, 3), np.uint8)
GOOD = Description(
    'm',
    Kind.GENERATIVE,
    'a car',
    mentions={'car': Mention.ASSERTED},
    scores={'car': 0.5},
    judgement=Judgement.SAFE,
    judgement_score=0.5,
)
MASK = Segmented(np.zeros((32, 64), np.uint8), 0.5, 0.5)
NAN, INF = float('nan'), float('inf')


def raising(error):
    def work(bgr):
        raise error

    return work


def vlm(answer):
    work = answer if callable(answer) else lambda bgr: answer
    return CheckedVlm('plug:in', SimpleNamespace(kind=Kind.GENERATIVE, describe=work))


def segmentation(found):
    work = found if callable(found) else lambda bgr: found
    return CheckedSegmentation('plug:in', SimpleNamespace(segment=work))


def test_what_is_right_passes_as_it_is():
    assert vlm(GOOD).describe(PICTURE) is GOOD
    assert segmentation(MASK).segment(PICTURE) is MASK
    void = replace(MASK, labels=np.full((32, 64), 255, np.uint8), entropy=1.0000001)
    assert segmentation(void).segment(PICTURE) == replace(void, entropy=1.0)
    rounded = replace(GOOD, scores={'car': -1e-9}, judgement_score=1.0000001)
    assert vlm(rounded).describe(PICTURE) == replace(
        rounded, scores={'car': 0.0}, judgement_score=1.0
    )


@pytest.mark.parametrize(
    'change, words',
    [
        ({'scores': {'car': NAN}}, 'score of car is nan'),
        ({'scores': {'car': INF}}, 'score of car is inf'),
        ({'scores': {'car': -0.1}}, 'score of car is -0.1'),
        ({'scores': {'car': 1.1}}, 'score of car is 1.1'),
        ({'scores': {'car': True}}, 'score of car is True'),
        ({'scores': {'car': None}}, 'score of car is None'),
        ({'scores': {'unicorn': 0.5}}, "'unicorn', which is no class"),
        ({'scores': [0.5]}, 'scores are a list'),
        ({'judgement_score': NAN}, 'judgement is nan'),
        ({'judgement_score': 2}, 'judgement is 2'),
        ({'mentions': {'unicorn': Mention.ASSERTED}}, "mention 'unicorn'"),
        ({'mentions': {'car': 'ASSERTED'}}, "mention 'car': 'ASSERTED'"),
        ({'mentions': None}, 'mentions are a NoneType'),
        ({'judgement': 'SAFE'}, "judgement 'SAFE'"),
        ({'kind': 'generative'}, "kind 'generative'"),
        ({'text': None}, 'text is a NoneType'),
        ({'latency': NAN}, 'latency is nan'),
        ({'cut': -1}, '-1 characters were cut'),
        ({'cut': 0.5}, '0.5 characters were cut'),
        ({'style': 'poem'}, "style is 'poem', none of caption, answer"),
        ({'latency': -1.0}, 'latency is -1.0'),
        ({'view': (0, 0, 0, 1)}, 'no area'),
        ({'view': (0, 0, 2, 1)}, 'view is'),
        ({'view': (0, 0, NAN, 1)}, 'view is'),
        ({'view': (0, 0, 1)}, 'view is'),
    ],
)
def test_an_answer_that_is_none_is_refused_with_the_reason(change, words):
    with pytest.raises(FrameError, match=f"'plug:in' gave an answer that is none: .*{words}"):
        vlm(replace(GOOD, **change)).describe(PICTURE)


@pytest.mark.parametrize('answer', [None, 'a car', {'text': 'a car'}, MASK])
def test_what_is_no_description_is_refused(answer):
    with pytest.raises(FrameError, match=f'a {type(answer).__name__}, not a Description'):
        vlm(answer).describe(PICTURE)


@pytest.mark.parametrize(
    'change, words',
    [
        ({'entropy': NAN}, 'entropy is nan'),
        ({'confidence': INF}, 'confidence is inf'),
        ({'confidence': -0.5}, 'confidence is -0.5'),
        ({'entropies': [0.5]}, 'entropies are a list'),
        ({'entropies': {'unicorn': 0.5}}, "entropy of 'unicorn', which is no class"),
        ({'entropies': {'vehicle': 0.5}}, "entropy of 'vehicle', which is no class"),
        ({'entropies': {'car': NAN}}, 'entropy of car is nan'),
        ({'entropies': {'car': 1.5}}, 'entropy of car is 1.5'),
        ({'labels': np.zeros((32, 64), np.int64)}, 'labels are int64, not uint8'),
        ({'labels': np.zeros((32, 64), np.float32)}, 'labels are float32'),
        ({'labels': [[0]]}, 'labels are list'),
        ({'labels': np.zeros((16, 32), np.uint8)}, r'shape \(16, 32\), the picture \(32, 64\)'),
        ({'labels': np.zeros((32, 64, 1), np.uint8)}, r'shape \(32, 64, 1\)'),
        ({'labels': np.full((32, 64), 19, np.uint8)}, 'labels hold 19, which are no train ids'),
        ({'labels': np.arange(19, 83, dtype=np.uint8)[None].repeat(32, 0)}, '19, 20, 21, 22, 23,'),
    ],
)
def test_a_mask_that_is_none_is_refused_with_the_reason(change, words):
    with pytest.raises(FrameError, match=f"'plug:in' gave a mask that is none: .*{words}"):
        segmentation(replace(MASK, **change)).segment(PICTURE)


@pytest.mark.parametrize(
    'error, words',
    [
        (ZeroDivisionError('division by zero'), 'ZeroDivisionError: division by zero'),
        (MemoryError(), 'it does not fit into the memory (MemoryError)'),
        (torch.OutOfMemoryError('CUDA out of memory.\n Tried'), 'CUDA out of memory. Tried'),
        (KeyError('x'), "KeyError: 'x'"),
        (ModelError('it has no eyes', 'give it some'), 'it has no eyes. give it some'),
    ],
)
def test_whatever_a_model_raises_costs_the_frame_only(error, words):
    for checked, ask in (
        (vlm(raising(error)), 'describe'),
        (segmentation(raising(error)), 'segment'),
    ):
        with pytest.raises(FrameError) as caught:
            getattr(checked, ask)(PICTURE)
        assert words in str(caught.value) and caught.value.repeats


@pytest.mark.parametrize('text', ['', ' \n\t '])
def test_an_empty_answer_is_none(text):
    nothing = Description('m', Kind.GENERATIVE, text)
    assert nothing.empty
    with pytest.raises(NothingSaid, match='empty answer') as caught:
        vlm(nothing).describe(PICTURE)
    assert not caught.value.repeats


@pytest.mark.parametrize(
    'change',
    [
        {'text': 'I see.'},
        {'mentions': {'car': Mention.DENIED}},
        {'scores': {'car': 0.1}},
        {'judgement': Judgement.REFUSED},
    ],
)
def test_an_answer_that_says_anything_is_one(change):
    said = replace(Description('m', Kind.CONTRASTIVE, ''), **change)
    assert not said.empty and vlm(said).describe(PICTURE) is said


# Through the registry ------------------------------------------------------------------------


class Family:
    """A model family of somebody else; `made` is what it opens."""

    forms = ('fake:NAME',)
    made = None

    def parse(self, rest, text):
        return ModelReference(text, 'fake', rest)

    def kind(self, reference):
        return Kind.GENERATIVE

    def check(self, reference, role):
        pass

    def open_vlm(self, reference, options):
        return self.made

    open_segmentation = open_vlm


@pytest.fixture
def family(monkeypatch):
    """Register the family `fake` as a plug-in would be."""
    module = ModuleType('fake_models')
    module.FAMILY = Family()
    monkeypatch.setitem(sys.modules, 'fake_models', module)
    monkeypatch.setitem(FAMILIES._builtin, 'fake', 'fake_models:FAMILY')
    yield module.FAMILY
    FAMILIES._loaded.pop('fake', None)


class Fake:
    """A model that keeps what it was shown."""

    kind = Kind.GENERATIVE

    def __init__(self, answer=GOOD, network=None):
        self.answer, self.network, self.shown = answer, network, []

    def describe(self, query):
        return self.answer_to(query.picture)

    def answer_to(self, bgr):
        self.shown.append(bgr)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def segment(self, bgr):
        return self.answer_to(bgr)


def test_a_model_answers_one_grey_picture_as_it_is_loaded(family):
    family.made = Fake()
    loaded = load_vlm('fake:x')
    (picture,) = family.made.shown
    assert picture.shape == (*TRIAL, 3) and TRIAL[1] == 2 * TRIAL[0]
    assert picture.dtype == np.uint8 and (picture == GREY).all()
    # What a family's models have beside their answers can be reached.
    assert loaded.shown is family.made.shown and loaded.kind is Kind.GENERATIVE


@pytest.mark.parametrize(
    'answer, words',
    [
        (replace(GOOD, scores={'car': NAN}), 'score of car is nan'),
        (RuntimeError('no kernel image is available'), 'no kernel image is available'),
        (ConfigurationError('no prompt', 'give one'), 'no prompt .*give one'),
        (None, 'a NoneType, not a Description'),
    ],
)
def test_what_cannot_work_says_so_as_it_is_loaded(family, answer, words):
    family.made = Fake(answer)
    with pytest.raises(ModelError, match=words) as caught:
        load_vlm('fake:x')
    assert 'trial on a grey picture of 512 x 256' in str(caught.value)
    family.made = Fake(MASK if answer is None else answer)
    with pytest.raises(ModelError, match='trial on a grey picture'):
        load_segmentation('fake:x')


def test_to_have_nothing_to_say_of_grey_is_no_fault(family):
    family.made = Fake(Description('m', Kind.GENERATIVE, ''))
    with pytest.raises(NothingSaid):
        load_vlm('fake:x').describe(PICTURE)


@pytest.mark.parametrize('value, words', [(NAN, 'not finite'), (0.0, 'weights of zero only')])
def test_the_network_of_a_plug_in_is_checked_too(family, value, words):
    network = torch.nn.Linear(4, 4)
    family.made = Fake(network=network)
    load_vlm('fake:x')
    with torch.no_grad():
        network.weight.fill_(value)
    with pytest.raises(ModelError, match=f"'fake:x' .*{words}"):
        load_vlm('fake:x')


def test_a_trial_changes_no_answer(checkpoints):
    """Two models of one checkpoint, one of which has answered before, say the same."""
    picture = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    text = f'transformers:{checkpoints["llava"]}'
    state = torch.random.get_rng_state()
    first, second = load_vlm(text, max_new_tokens=6), load_vlm(text, max_new_tokens=6)
    second.describe(picture[::-1])
    answers = [replace(model.describe(picture), latency=0.0) for model in (first, second)]
    assert answers[0] == answers[1] and answers[0].text
    assert torch.equal(state, torch.random.get_rng_state())


def test_overflow_within_a_network_costs_the_frame(checkpoints):
    """Weights are finite, and what is computed is not: NaN of a picture alone."""
    loaded = load_segmentation(f'transformers:{checkpoints["segformer"]}', input_height=64)
    network = loaded.model.network
    clean = loaded.segment(PICTURE)
    hook = network.decode_head.register_forward_hook(lambda m, i, o: o * NAN)
    with pytest.raises(FrameError, match='not finite or all the same'):
        loaded.segment(PICTURE)
    hook.remove()
    assert np.array_equal(loaded.segment(PICTURE).labels, clean.labels)
    loaded = load_vlm(f'transformers:{checkpoints["llava"]}', max_new_tokens=3)
    hook = loaded.model._model.lm_head.register_forward_hook(lambda m, i, o: o * NAN)
    with pytest.raises(FrameError, match='the next word'):
        loaded.describe(PICTURE)
    hook.remove()
    assert loaded.describe(PICTURE).text
    loaded = load_vlm(f'open_clip:local-dir:{checkpoints["clip"]}')
    hook = loaded.model._model.visual.register_forward_hook(lambda m, i, o: o * 0)
    with pytest.raises(FrameError, match=r'embeds the picture with a length of 0\.0'):
        loaded.describe(PICTURE)
    hook.remove()
    assert loaded.describe(PICTURE).scores


@pytest.mark.parametrize('text', ['open_clip:local-dir:{clip}', 'transformers:{llava}'])
def test_the_weights_of_a_model_are_gone_through_once(checkpoints, monkeypatch, text):
    gone = []
    tensors = weights._tensors
    monkeypatch.setattr(
        weights, '_tensors', lambda model, unused: gone.append(model) or tensors(model, unused)
    )
    load_vlm(text.format(**checkpoints), max_new_tokens=1)
    assert gone and len(gone) == len({id(model) for model in gone})
