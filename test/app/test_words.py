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

"""A file of words that will not do stops a run before it begins."""

import pytest

from vlm_misalign_ros.app.preflight import preflight
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.records.manifest import build_manifest
from vlm_misalign_ros.core.settings.configuration import parse


def configuration(words):
    return parse(
        {
            'mode': 'evaluation',
            'replay': {'dataset': '/no/folder'},
            'segmentation': False,
            'lexicon': str(words),
            'vlms': {'clip': {'model': 'miniature:clip'}},
        }
    )


@pytest.mark.parametrize(
    'text, words',
    [
        ('further: {car: [x]}', "the class 'car' under 'further'"),
        ('polarity: {negation: [x]}', "adds to 'polarity.negation'"),
        ('language: de', "of the language 'de' lacks compounds, .*, gate, grammar. a file"),
    ],
)
def test_words_that_will_not_do_are_named_before_a_run(tmp_path, text, words):
    path = tmp_path / 'my_words.yaml'
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r'my_words\.yaml .*' + words):
        preflight(configuration(path))


def test_the_manifest_tells_the_language_and_the_further_classes(tmp_path):
    path = tmp_path / 'my_words.yaml'
    path.write_text('further: {cone: [cone], animal: [dog]}')
    plain, told = (build_manifest({}, {}, {}, words)['language'] for words in ('', str(path)))
    assert (plain['lexicon_language'], plain['further_classes']) == ('en', [])
    assert told['further_classes'] == ['cone', 'animal']
    assert told['lexicon_sha256'] != plain['lexicon_sha256']
