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

"""What a generative model says to its inputs: tokens, their probabilities, their text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from vlm_misalign_ros.core.errors import FrameError
from vlm_misalign_ros.core.language.bounding import without_controls
from vlm_misalign_ros.core.models.describing import Spoken
from vlm_misalign_ros.core.models.generative_families import Ways
from vlm_misalign_ros.core.models.yes_no import Path

Inputs = Mapping[str, torch.Tensor]


class Decoder:
    """Greedy (or beam) decoding of bounded length by one model, and the text of its tokens."""

    def __init__(
        self, name: str, model: Any, processor: Any, ways: Ways, options: Mapping[str, Any]
    ) -> None:
        """Decode with `options`, those of generate, when an answer is asked for."""
        self._name = name
        self._model = model
        self._processor = processor
        self._tokenizer = getattr(processor, 'tokenizer', processor)
        self._ways = ways
        self._options = dict(options)
        ends = model.generation_config.eos_token_id
        self._ends = set(ends if isinstance(ends, (list, tuple)) else [ends]) - {None}

    def answer(self, inputs: Inputs, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the tokens, (T,), and the log-probabilities at each new one, (N, V)."""
        return self._generate(inputs, length, (), self._options)

    def forced(
        self, inputs: Inputs, length: int, begin: Path
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the same of an answer that begins with `begin`, whatever the model would say."""
        return self._generate(inputs, length, begin, {})

    def _generate(
        self, inputs: Inputs, length: int, begin: Path, options: Mapping[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Raise FrameError for scores that are not numbers or tell no token from another."""
        forced = iter(begin)

        def force(_: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            token = next(forced, None)
            if token is None:
                return scores
            only = torch.full_like(scores, float('-inf'))
            only[:, token] = 0
            return only

        output = self._model.generate(
            **inputs,
            **{
                'max_new_tokens': length,
                'do_sample': False,
                'num_beams': 1,
                'return_dict_in_generate': True,
                'output_logits': True,
                'logits_processor': [force] if begin else None,
                **options,
            },
        )
        logits = _logits(output).float()
        chances = logits.log_softmax(-1)
        flat = logits.amax(-1) == logits.amin(-1)
        if bool(chances.isnan().any() | flat.any()):
            raise FrameError(
                f'model {self._name!r} gave scores of the next word that are not finite or all '
                'the same'
            )
        return output.sequences[0], chances

    def ended(self, tokens: torch.Tensor) -> bool:
        """Return whether an answer came to its own end."""
        return bool(len(tokens)) and int(tokens[-1]) in self._ends

    def text(self, tokens: torch.Tensor, asked: str) -> str:
        """Return the text of an answer to the words `asked`, without what is no text in it."""
        text = str(self._tokenizer.decode(tokens, skip_special_tokens=not self._ways.keep_special))
        if self._ways.finish is not None:
            text = self._ways.finish(self._processor, text, asked)
        return without_controls(text.strip())

    def spoken(self, tokens: torch.Tensor, chances: torch.Tensor, asked: str) -> list[Spoken]:
        """Return where each new token stands in the text, and how likely it was."""
        count = min(len(chances), len(tokens))
        new = tokens[len(tokens) - count :]
        logs = chances[torch.arange(count), new].cpu().tolist()
        lengths = [
            len(self.text(tokens[: len(tokens) - count + place], asked))
            for place in range(count + 1)
        ]
        # What a family takes out of its text may be there while it is half said.
        for place in range(1, count + 1):
            lengths[place] = max(lengths[place - 1], lengths[place])
        return list(zip(lengths[:-1], lengths[1:], logs, strict=True))


def _logits(output: Any) -> torch.Tensor:
    """Return the scores of the next token along the answer, (N, V)."""
    if not output.logits:
        return torch.zeros(0, 2)
    beams = getattr(output, 'beam_indices', None)
    if beams is None:
        return torch.cat(output.logits)
    # Of every beam; the answer went through some of them, and ended before the others did.
    rows = [
        step[int(beam)] for step, beam in zip(output.logits, beams[0], strict=False) if beam >= 0
    ]
    return torch.stack(rows)
