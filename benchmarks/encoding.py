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

"""
What the probability of a safe road costs, with the picture encoded once and encoded anew.

One thread, processor time of the whole process, the least of some rounds over synthetic streets of
2048 x 1024. The answers of both ways have to be the same to the last digit.

    python benchmarks/encoding.py miniature:paligemma miniature:llava
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np
import torch

from vlm_misalign_ros.core.models.factory import load_vlm
from vlm_misalign_ros.core.types import Description
from vlm_misalign_ros.core.world import render_scene

MODELS = ('miniature:paligemma', 'miniature:llava')
HEAD = (
    '| model | answer alone | with P(yes), encoded once | encoded anew | added | added anew |\n'
    '|---|---|---|---|---|---|'
)


def seconds(model: Any, frames: list[np.ndarray], rounds: int) -> tuple[float, list[Description]]:
    """Return processor time of a frame and the answers; every round is of new pictures."""
    least, answers = np.inf, []
    for _ in range(rounds):
        begin = time.process_time()
        answers = [model.describe(frame) for frame in frames]
        least = min(least, (time.process_time() - begin) / len(frames))
    return least, answers


def row(text: str, frames: list[np.ndarray], rounds: int) -> str:
    """Return the row of a model; ends the program where the two ways differ."""
    alone = load_vlm(text, prompt='default', uncertainty=False)
    model = load_vlm(text, prompt='default')
    base, _ = seconds(alone, frames, rounds)
    once, shared = seconds(model, frames, rounds)
    model.model._encodings.keep(False)
    again, anew = seconds(model, frames, rounds)
    for first, second in zip(shared, anew, strict=True):
        if (first.text, first.scores, first.judgement_score) != (
            second.text,
            second.scores,
            second.judgement_score,
        ):
            sys.exit(f'{text}: the answers differ')
    added = [f'{(value / base - 1):+.0%}' for value in (once, again)]
    return f'| {text} | {base:.3f} s | {once:.3f} s | {again:.3f} s | {added[0]} | {added[1]} |'


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().splitlines()[0])
    parser.add_argument('models', nargs='*', default=MODELS)
    parser.add_argument('--frames', type=int, default=4)
    parser.add_argument('--rounds', type=int, default=3)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    frames = [render_scene(seed, 0, 2048, 1024).image for seed in range(chosen.frames)]
    print(HEAD)
    for text in chosen.models:
        print(row(text, frames, chosen.rounds))


if __name__ == '__main__':
    main()
