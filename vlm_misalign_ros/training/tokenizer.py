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

"""The small tokenizer of the miniatures: byte-level BPE over what they read and say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

PAD, BOS, EOS, IMAGE = '<pad>', '<s>', '</s>', '<image>'
VOCABULARY = 512


def train_tokenizer(
    texts: Iterable[str], size: int = VOCABULARY, context: int = 512, ends: bool = False
) -> Any:
    """
    Return a fast tokenizer with `size` tokens that puts BOS before a text.

    Ids: 0 padding, 1 beginning, 2 end, 3 the place of an image. Pads on the left, as generation
    needs; with `ends` on the right, and EOS goes behind every text, as a text tower needs.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=[PAD, BOS, EOS, IMAGE],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    raw.post_processor = processors.TemplateProcessing(
        single=f'{BOS} $A {EOS}' if ends else f'{BOS} $A', special_tokens=[(BOS, 1), (EOS, 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=PAD,
        padding_side='right' if ends else 'left',
        model_max_length=context,
        extra_special_tokens={'image_token': IMAGE},
    )
