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

"""Plug-ins that fail at work: the error names them, and nothing is scored with what they gave."""

from types import SimpleNamespace

import numpy as np
import pytest

from vlm_misalign_ros.core.corruptions import CORRUPTIONS, Effect, try_out
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.labels.encodings import decode_labels
from vlm_misalign_ros.core.models.families import FAMILIES, forms
from vlm_misalign_ros.core.types import Condition


def failing(error):
    def call(*_):
        raise error

    return call


@pytest.mark.parametrize(
    ('apply', 'told'),
    [
        (failing(KeyError('x')), "corruption 'bad' failed on frame .*KeyError"),
        (lambda image, *_: image, 'gave a ndarray, not an Effect'),
        (lambda image, *_: Effect(None), 'not an Effect with an image'),
        (lambda image, *_: Effect(image[:8]), "corruption 'bad' made uint8"),
        (lambda image, *_: Effect(image, {}, image[:, :, 0]), 'covers=False and gives a mask'),
    ],
)
def test_a_corruption_that_fails_is_named_before_the_run(monkeypatch, apply, told):
    monkeypatch.setitem(CORRUPTIONS._builtin, 'bad', 'nowhere')
    monkeypatch.setitem(CORRUPTIONS._loaded, 'bad', SimpleNamespace(covers=False, apply=apply))
    with pytest.raises(ConfigurationError, match=told):
        try_out([Condition(), Condition('bad', 2)])


@pytest.mark.parametrize(
    ('decode', 'told'),
    [
        (failing(IndexError('9')), 'label encoding bad failed on uint8 .*IndexError: 9'),
        (lambda pixels: [[0]], 'gave no label ids'),
        (lambda pixels: pixels.astype(np.int64), 'gave no label ids'),
        (lambda pixels: pixels[:1], 'gave no label ids'),
        (lambda pixels: pixels + np.uint8(34), 'gave no label ids'),
        (failing(RecordError('not mine')), '^not mine$'),
    ],
)
def test_an_encoding_that_fails_is_named(decode, told):
    with pytest.raises(RecordError, match=told):
        decode_labels(SimpleNamespace(name='bad', decode=decode), np.zeros((4, 6), np.uint8))


def test_a_family_that_cannot_be_loaded_does_not_hide_the_others(monkeypatch):
    monkeypatch.setattr(FAMILIES, 'names', lambda: ('open_clip', 'broken'))
    assert 'open_clip:' in forms() and forms().endswith('broken:...')
