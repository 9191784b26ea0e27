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

"""Yes and no as whole words: the probability of a word does not depend on how it is cut."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.models.factory import load_vlm
from vlm_misalign_ros.core.models.yes_no import CALLS, GREEDY, YesNo

ASKED = 'Is it safe to proceed? Answer yes or no. ASSISTANT:'
LETTERS = sorted({*map(chr, range(33, 127))})
WORDS = ('yes', 'Yes', 'YES', 'no', 'No', 'NO', 'nothing', 'yesterday')


def wrapped(raw, unknown='<unk>'):
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token=unknown)


def byte_level(merges=()):
    """BPE as of GPT-2, Llama 3 and Qwen: bytes, a space belongs to the word behind it."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    whole = [*alphabet, *(a + b for a, b in merges), '<unk>']
    raw = Tokenizer(models.BPE({t: k for k, t in enumerate(whole)}, list(merges)))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    return wrapped(raw)


def letters():
    """Split every word into bytes."""
    return byte_level()


def whole_words():
    """Have ` yes`, `Yes` and ` no` as one token each, and ` No` as two."""
    return byte_level(
        [('y', 'e'), ('ye', 's'), ('Ġ', 'yes'), ('Y', 'e'), ('Ye', 's'), ('n', 'o'), ('Ġ', 'no')]
    )


def joined_letters():
    """Join a space to its first letter, as many do: ` yes` begins like ` you`."""
    return byte_level([('Ġ', 'y'), ('Ġ', 'n'), ('e', 's'), ('o', 't')])


def sentence_pieces():
    """Unigram with the space as a piece of the word, as of T5, Llama 2 and PaliGemma."""
    pieces = ['<unk>', '▁', *LETTERS, '▁yes', 'yes', '▁no', '▁No', 'thing', '▁n', 'es']
    scores = [(piece, -2.0 if len(piece) > 1 else -6.0) for piece in pieces]
    raw = Tokenizer(models.Unigram(scores, unk_id=0))
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.decoder = decoders.Metaspace()
    return wrapped(raw)


def word_pieces():
    """WordPiece in lower case, as of BERT and BLIP, that has `no` and cuts `yes`."""
    pieces = ['<unk>', *LETTERS, *(f'##{letter}' for letter in LETTERS), 'no', '##es', '##thing']
    raw = Tokenizer(models.WordPiece({p: k for k, p in enumerate(pieces)}, unk_token='<unk>'))
    raw.normalizer = normalizers.Lowercase()
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.decoder = decoders.WordPiece(cleanup=True)
    return wrapped(raw)


def words_only():
    """One token a word."""
    words = ['<unk>', '.', *sorted({word.lower() for word in WORDS})]
    raw = Tokenizer(models.WordLevel({w: k for k, w in enumerate(words)}, unk_token='<unk>'))
    raw.normalizer = normalizers.Lowercase()
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    raw.decoder = decoders.WordPiece(prefix='##', cleanup=True)
    return wrapped(raw)


def miniature():
    return AutoTokenizer.from_pretrained(PACKAGE / 'miniatures' / 'llava')


MAKERS = (
    letters,
    whole_words,
    joined_letters,
    sentence_pieces,
    word_pieces,
    words_only,
    miniature,
)
_MADE = {}


def tokenizer_of(make):
    if make not in _MADE:
        tokenizer = make()
        _MADE[make] = tokenizer, YesNo(tokenizer, ASKED)
    return _MADE[make]


class Speaker:
    """A model that gives each of some answers with a probability, token by token."""

    def __init__(self, tokenizer, answers):
        self.size = len(tokenizer)
        self.end = self.size
        self.answers = [
            ((*tokenizer(text, add_special_tokens=False).input_ids, self.end), chance)
            for text, chance in answers.items()
        ]
        self.calls = 0

    def row(self, path):
        chances = torch.full((self.size + 1,), 1e-12, dtype=torch.double)
        for ids, chance in self.answers:
            if ids[: len(path)] == path and len(ids) > len(path):
                chances[ids[len(path)]] += chance
        return (chances / chances.sum()).log()

    def follow(self, way, more):
        self.calls += 1
        path, rows = (), []
        for place in range(len(way) + more):
            row = self.row(path)
            rows.append(row)
            token = way[place] if place < len(way) else int(row.argmax())
            path = (*path, token)
            if token == self.end:
                break
        return list(path), torch.stack(rows)

    def greedy(self, tokenizer):
        tokens, _ = self.follow((), 30)
        self.calls -= 1
        return tokenizer.decode([token for token in tokens if token != self.end])


def normal(answers):
    total = sum(answers.values())
    return {text: chance / total for text, chance in answers.items()}


@pytest.mark.parametrize('make', MAKERS)
@pytest.mark.parametrize('lead', ['', ' '])
@pytest.mark.parametrize('yes', [0.998, 0.7, 0.5, 0.2, 0.002])
@pytest.mark.parametrize('form', [str.lower, str.title, str.upper])
def test_the_probability_is_that_of_the_words(make, lead, yes, form):
    tokenizer, asked = tokenizer_of(make)
    speaker = Speaker(tokenizer, {lead + form('yes'): yes, lead + form('no'): 1 - yes})
    assert asked.probability(speaker.follow) == pytest.approx(yes, abs=0.011)
    assert speaker.calls <= 1 + CALLS


@pytest.mark.parametrize('make', MAKERS)
@given(data=st.data())
def test_it_agrees_with_greedy_decoding(make, data):
    tokenizer, asked = tokenizer_of(make)
    lead = data.draw(st.sampled_from(['', ' ']))
    end = data.draw(st.sampled_from(['', '.']))
    form = data.draw(st.sampled_from([str.lower, str.title]))
    yes = data.draw(st.floats(0, 1).filter(lambda p: abs(p - 0.5) > 0.02))
    speaker = Speaker(tokenizer, {lead + form('yes') + end: yes, lead + form('no') + end: 1 - yes})
    said = speaker.greedy(tokenizer).strip().strip('.').lower()
    assert (asked.probability(speaker.follow) > 0.5) == (said == 'yes')


@pytest.mark.parametrize('make', MAKERS)
def test_words_that_begin_like_yes_or_no_are_neither(make):
    tokenizer, asked = tokenizer_of(make)
    answers = {' yes': 0.3, ' nothing': 0.4, ' no': 0.1, ' yesterday': 0.2}
    speaker = Speaker(tokenizer, answers)
    assert asked.probability(speaker.follow) == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize('make', MAKERS)
def test_all_ways_to_write_a_word_count(make):
    tokenizer, asked = tokenizer_of(make)
    answers = normal({' yes': 0.25, 'Yes.': 0.2, ' YES': 0.1, ' no': 0.3, 'No.': 0.15})
    speaker = Speaker(tokenizer, answers)
    assert asked.probability(speaker.follow) == pytest.approx(0.55, abs=0.02)


@pytest.mark.parametrize('make', MAKERS)
def test_where_neither_is_said_nothing_is_known(make):
    tokenizer, asked = tokenizer_of(make)
    speaker = Speaker(tokenizer, normal({' nothing': 0.995, ' yes': 0.004, ' no': 0.001}))
    assert asked.probability(speaker.follow) is None


@pytest.mark.parametrize('make', [whole_words, words_only])
def test_a_model_that_is_sure_is_asked_once(make):
    tokenizer, asked = tokenizer_of(make)
    speaker = Speaker(tokenizer, {' yes': 0.9999, ' no': 0.0001})
    assert asked.probability(speaker.follow) > 0.999
    assert speaker.calls == 1


def test_what_the_first_token_alone_would_say():
    """The case that this is for: ` yes` cut into a space and letters, ` no` whole."""
    tokenizer, asked = tokenizer_of(miniature)
    assert len(tokenizer(' yes', add_special_tokens=False).input_ids) == 3
    assert len(tokenizer(' no', add_special_tokens=False).input_ids) == 1
    speaker = Speaker(tokenizer, {' yes': 0.998, ' no': 0.002})
    assert asked.probability(speaker.follow) == pytest.approx(0.998, abs=1e-3)


def test_a_tokenizer_without_the_words_gives_none():
    raw = Tokenizer(models.WordLevel({'<unk>': 0, 'car': 1}, unk_token='<unk>'))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    asked = YesNo(wrapped(raw), ASKED)
    assert not asked.yes and not asked.no

    def follow(way, more):
        raise AssertionError('nobody has to be asked')

    assert asked.probability(follow) is None


@pytest.mark.parametrize('make', MAKERS)
def test_no_way_begins_another_and_none_is_of_both(make):
    tokenizer, asked = tokenizer_of(make)
    assert asked.yes and asked.no
    ways = [*asked.yes, *asked.no]
    assert len(set(ways)) == len(ways)
    for group in (asked.yes, asked.no):
        assert not any(a != b and b[: len(a)] == a for a in group for b in group)
    for way in ways:
        word = tokenizer.decode(list(way)).strip(' \n"*').lower()
        assert word == ('yes' if way in asked.yes else 'no')


def test_the_number_of_greedy_tokens_covers_a_word_in_letters():
    tokenizer, _ = tokenizer_of(letters)
    assert len(tokenizer(' yes', add_special_tokens=False).input_ids) == GREEDY


@pytest.mark.parametrize('name', ['llava', 'captioner'])
def test_an_answer_that_is_begun_for_the_model_has_the_networks_own_probabilities(
    checkpoints, name
):
    """The network, given the tokens all at once, has the same at each of them."""
    model = load_vlm(f'transformers:{checkpoints[name]}', max_new_tokens=2).model
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 128, 3), np.uint8))
    inputs = model._inputs([picture], model._safety.text)
    way = (7, 11, 9)
    with torch.inference_mode():
        tokens, rows = model._decoder.forced(inputs, len(way) + 1, way)
        assert tokens[-4:-1].tolist() == list(way) and len(rows) == 4
        # BLIP's own generate leaves the end of the prompt out.
        asked = tokens[: len(tokens) - 4]
        whole = torch.cat([asked, torch.tensor(way)])[None]
        given = {**inputs, 'input_ids': whole, 'attention_mask': torch.ones_like(whole)}
        forced = model._model(**given).logits[0, len(asked) - 1 :].float().log_softmax(-1)
    torch.testing.assert_close(rows, forced, atol=1e-4, rtol=1e-4)
