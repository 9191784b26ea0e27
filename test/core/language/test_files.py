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

"""Prompts and additions to the lexicon as files that a configuration names."""

from pathlib import Path

import pytest
import yaml

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import sha256_of
from vlm_misalign_ros.core.language.lexicon import lexicon_hash, open_lexicon
from vlm_misalign_ros.core.language.prompts import (
    SHIPPED,
    answer_style,
    contrastive_prompts,
    generative_prompt,
    prompt_ids,
    prompts_hash,
)
from vlm_misalign_ros.core.language.reading import read, to_plain

TEXT = 'A velomobile waits beside two cars.'


def asserted(additions=''):
    return to_plain(read(TEXT, open_lexicon(additions)))['asserted']


def write(path, data):
    path.write_text(yaml.safe_dump(data))
    return str(path)


def test_additions_join_the_lexicon(tmp_path):
    more = {
        'things': [{'classes': ['motorcycle'], 'phrases': ['velomobile']}],
        'nothing': ['two car'],
    }
    path = write(tmp_path / 'more.yaml', more)
    assert asserted() == ['car']
    # The longest phrase counts, so that two cars mean nothing now.
    assert asserted(path) == ['motorcycle']
    assert lexicon_hash(path) != lexicon_hash() == lexicon_hash('')


@pytest.mark.parametrize(
    'content, words',
    [
        ('{thing: []}', "adds to 'thing', which there is not"),
        ('{polarity: {negatoin_before: [x]}}', "adds to 'polarity.negatoin_before'"),
        ('{things: {a: 1}}', "has a dict under 'things'. expected a list"),
        ('[1]', 'has a list under .the top.. expected a mapping'),
        ('{things: [{classes: [dragon], phrases: [wyrm]}]}', "names the class 'dragon'"),
        ('{things: [{phrases: [wyrm]}]}', "has no 'classes' under things.0."),
        ('{a: [', 'is no YAML'),
    ],
)
def test_wrong_additions_are_named(tmp_path, content, words):
    path = tmp_path / 'more.yaml'
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=words):
        open_lexicon(str(path))


def test_absent_additions_are_named():
    with pytest.raises(ConfigurationError, match='/no/file.yaml cannot be read'):
        open_lexicon('/no/file.yaml')
    with pytest.raises(ConfigurationError, match='/no/file.yaml cannot be read'):
        lexicon_hash('/no/file.yaml')


def test_prompts_come_by_id_or_from_a_file(tmp_path):
    path = write(
        tmp_path / 'mine.yaml', {'generative': {'default': ' What is there? ', 'short': 'List.'}}
    )
    assert generative_prompt('') == generative_prompt('default') != ''
    assert generative_prompt(path) == generative_prompt(f'{path}#') == 'What is there?'
    assert generative_prompt(f'{path}#short') == 'List.'
    assert generative_prompt('', 'caption') == 'a street scene with'
    assert prompts_hash(f'{path}#short') == prompts_hash(path) != prompts_hash('json')
    assert 'json' in prompt_ids('generative') and 'default' in prompt_ids('contrastive')


def test_a_prompt_says_what_kind_of_answer_it_asks_for(tmp_path):
    styles = {'short': 'list', 'other': 'plan'}
    prompts = {'generative': {'default': 'What is there?', 'short': 'List.'}}
    plain = write(tmp_path / 'plain.yaml', prompts)
    styled = write(tmp_path / 'styled.yaml', {**prompts, 'answer_style': styles})
    assert answer_style(f'{styled}#short') == 'list'
    assert answer_style(styled) == answer_style(plain) == ''
    assert [answer_style(name) for name in prompt_ids('generative')] == [
        'description',
        'structured',
        'caption',
        'answer',
    ]
    assert answer_style('', 'caption') == 'caption'
    # No model is told of it: what was calibrated with the prompts stays valid.
    Path(styled).write_text(Path(plain).read_text() + 'answer_style:\n  # why\n\n  short: list\n')
    assert answer_style(f'{styled}#short') == 'list'
    assert prompts_hash(styled) == prompts_hash(plain)
    assert prompts_hash(plain) == sha256_of(Path(plain))
    for wrong, words in (
        ({'short': 'poem'}, "answer_style 'poem' of 'short'.*allowed: caption, answer"),
        (['list'], 'give a style by the id'),
    ):
        path = write(tmp_path / 'wrong.yaml', {**prompts, 'answer_style': wrong})
        with pytest.raises(ConfigurationError, match=words):
            answer_style(path)


def test_wrong_prompts_are_named(tmp_path):
    path = write(tmp_path / 'mine.yaml', {'generative': {'default': 3}, 'contrastive': {'a': {}}})
    for call, words in (
        (lambda: generative_prompt('nope'), "no generative prompt 'nope'.*known: default, json"),
        (lambda: generative_prompt(f'{path}#nope'), 'mine.yaml has no generative prompt'),
        (lambda: generative_prompt(path), 'is 3. give a text'),
        (lambda: generative_prompt('/no/file.yaml'), 'cannot be read'),
        (lambda: prompts_hash('/no/file.yaml'), 'cannot be read'),
        (lambda: contrastive_prompts(f'{path}#a'), "incomplete: 'templates'"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            call()
    other = write(tmp_path / 'other.yaml', {'generative': {}})
    with pytest.raises(ConfigurationError, match="no section 'contrastive'"):
        contrastive_prompts(other)


def test_a_prompt_set_without_a_class_is_named(tmp_path):
    data = yaml.safe_load(SHIPPED.read_text())['contrastive']['default']
    del data['classes']['bus']
    path = write(tmp_path / 'mine.yaml', {'contrastive': {'default': data}})
    with pytest.raises(ConfigurationError, match='lack bus'):
        contrastive_prompts(path)
