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

"""A tokenizer of whole words, with the marks that a family's processor asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import PreTrainedTokenizerFast

from vlm_misalign_ros.core.models.untrained import _vocabulary

PLAIN = ['<pad>', '<s>', '</s>', '<unk>']
"""The first four tokens of every vocabulary."""
_MORE = 'yes no user assistant human question answer en caption describe system you are a careful'


def words(
    marks: Sequence[str] = (),
    named: Mapping[str, str] | None = None,
    *,
    begins: bool = True,
    length: int = 4096,
) -> PreTrainedTokenizerFast:
    """
    Return a tokenizer that knows the words of prompts and lexicon and the special `marks`.

    `named` are the marks that have a name of their own, such as image_token. With `begins` every
    text gets `<s>` in front, as the tokenizers of Llama and Gemma do it.
    """
    named = dict(named or {})
    known = dict.fromkeys([*PLAIN, *marks, *named.values(), *_vocabulary(), *_MORE.split()])
    ids = {word: index for index, word in enumerate(known)}
    raw = Tokenizer(models.WordLevel(ids, unk_token='<unk>'))
    raw.normalizer = normalizers.Lowercase()
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    raw.decoder = decoders.WordPiece(prefix='##', cleanup=True)
    # As they stand, whatever the normalizer makes of other words.
    raw.add_special_tokens(
        [AddedToken(mark, normalized=False, special=True) for mark in (*marks, *named.values())]
    )
    if begins:
        raw.post_processor = processors.TemplateProcessing(
            single='<s> $A', pair='<s> $A $B:1', special_tokens=[('<s>', 1)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token='<pad>',
        bos_token='<s>',
        eos_token='</s>',
        unk_token='<unk>',
        padding_side='left',
        model_max_length=length,
        additional_special_tokens=[
            AddedToken(mark, normalized=False, special=True) for mark in marks
        ],
        extra_special_tokens=named or None,
    )
