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
Fine-tunes a vision-language model on what `vlm-misalign mine` collected (docs/training_data.md).

    python examples/fine_tune.py mined tuned
    python examples/fine_tune.py mined tuned --model /models/llava --steps 600 --rate 1e-4

MODEL is a folder in transformers' format of the LLaVA family or alike: a vision tower, a projector
and a language model. The tower stays as it is, so that what it sees of a picture is computed once.
Projector and language model learn to answer what the model was asked with the `target` of each
line; the loss is on the words of the answer alone. What is kept is the step with the least loss
on the test split, or the model as it came where no step has less. `transformers:tuned` opens it.
Pictures go to the model's processor whole: of one that crops them, run it before and after with
`field_of_view: native`.

A training that was cut off goes on where it was, from the folder OUT.work beside OUT.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from tqdm import tqdm

from vlm_misalign_ros.core.errors import ConfigurationError, ExitCode, MisalignError, RecordError
from vlm_misalign_ros.core.files import read_json, sha256_of, write_json
from vlm_misalign_ros.core.language.prompts import find_prompt
from vlm_misalign_ros.core.models.families.miniature import MINIATURES
from vlm_misalign_ros.core.models.generative_asking import Asker, template_of
from vlm_misalign_ros.core.models.generative_families import ways_of
from vlm_misalign_ros.training.generative import IGNORED, answer_loss
from vlm_misalign_ros.training.loop import Recipe, fit

SAME = 1e-3
"""Relative difference up to which two ways to the same loss count as one."""


@dataclass(frozen=True)
class Example:
    """A picture, what was asked of it, and what would have been a true answer."""

    picture: Path
    prompt: str
    target: str


@dataclass(frozen=True)
class Lesson:
    """An example as the model takes it."""

    question: tuple[int, ...]
    """Token ids, with the places of the picture."""
    answer: tuple[int, ...]
    """Token ids, with the mark of the end."""
    seen: torch.Tensor
    """What the tower sees, float32 (N, C) for N places."""


# What was mined --------------------------------------------------------------------------------


def read_examples(folder: Path, split: str, which: str = 'all') -> list[Example]:
    """
    Return the examples of a split, each picture and question once.

    Left out are lines without a picture or without anything true to say, and models that were
    shown another thing than the picture alone. `which` is `all`, `failed` or `right`. RecordError
    where the table is not there or cannot be read.
    """
    path = folder / 'answers' / f'{split}.parquet'
    if not path.is_file():
        raise RecordError(
            f'{path} is not there',
            'give a folder that `vlm-misalign mine` made; of few scenes a split may be empty: '
            'mine with another --test or --seed',
        )
    try:
        table = pd.read_parquet(path)
        rows = table[table['file_name'].notna() & (table['target'] != '')]
        rows = rows[rows['input'] == 'image']
        if which != 'all':
            rows = rows[rows['failed'] == (which == 'failed')]
    except (OSError, ValueError, KeyError) as error:
        raise RecordError(
            f'{path} cannot be read: {_line(error)}', 'give a folder that `mine` made'
        ) from error
    rows = rows.drop_duplicates(['file_name', 'prompt_id'])
    return [
        Example(folder / name, find_prompt(prompt).text, target)
        for name, prompt, target in zip(
            rows['file_name'], rows['prompt_id'], rows['target'], strict=True
        )
    ]


def _line(error: Exception) -> str:
    """Return what an error of somebody else says, in one line that is not long."""
    return ' '.join(str(error).split())[:200]


# What the model takes --------------------------------------------------------------------------


def open_picture(path: Path) -> Image.Image:
    """Return a picture, RGB; RecordError where it cannot be read."""
    try:
        with Image.open(path) as picture:
            return picture.convert('RGB')
    except OSError as error:
        raise RecordError(
            f'{path} cannot be read: {_line(error)}', 'mine the run again'
        ) from error


def asker_of(name: str, model: Any, processor: Any) -> Asker:
    """Return what puts questions to a model as a run does."""
    model_type = model.config.model_type
    ways = ways_of(model_type, bool(template_of(processor)))
    return Asker(name, processor, model_type, ways)


def answer_of(tokenizer: Any, question: str, target: str) -> list[int]:
    """Return the ids of an answer that follows a question, with the mark of the end."""
    space = '' if question[-1:].isspace() else ' '
    ids: list[int] = tokenizer(space + target, add_special_tokens=False).input_ids
    return [*ids, tokenizer.eos_token_id]


@torch.no_grad()
def lesson_of(model: Any, asker: Asker, example: Example) -> tuple[Lesson, float]:
    """
    Return an example as the model takes it, and the loss that the library computes on it.

    It is asked as in a run. The labels of the question are masked: nobody has to learn what is
    asked.
    """
    inputs = asker.inputs([open_picture(example.picture)], example.prompt)
    question = inputs.pop('input_ids')[0].tolist()
    answer = answer_of(asker.tokenizer, asker.text(example.prompt), example.target)
    ids = torch.tensor([[*question, *answer]])
    labels = torch.tensor([[*[IGNORED] * len(question), *answer]])
    inputs['attention_mask'] = torch.ones_like(ids)
    if 'token_type_ids' in inputs:
        inputs['token_type_ids'] = torch.tensor([[0] * len(question) + [1] * len(answer)])
    given: list[torch.Tensor] = []
    hook = projector_of(model).register_forward_pre_hook(lambda _, args: given.append(args[0]))
    try:
        loss = float(model(input_ids=ids, labels=labels, **inputs).loss)
    finally:
        hook.remove()
    seen = torch.cat([part.flatten(0, -2) for part in given])
    return Lesson(tuple(question), tuple(answer), seen), loss


def projector_of(model: Any) -> Any:
    """Return what lies between tower and language model; ConfigurationError where nothing does."""
    inner = getattr(model, 'model', None)
    projector = getattr(inner, 'multi_modal_projector', None)
    if projector is None or not hasattr(inner, 'vision_tower'):
        raise ConfigurationError(
            f'a model of type {model.config.model_type!r} has no vision_tower and '
            'multi_modal_projector',
            'give one of the LLaVA family, or PaliGemma',
        )
    return projector


def lessons_of(model: Any, asker: Asker, examples: Sequence[Example], name: str) -> list[Lesson]:
    """Return all examples as the model takes them; the first proves that the loss is its own."""
    lessons: list[Lesson] = []
    for example in tqdm(examples, desc=f'features {name}', unit='picture', mininterval=5.0):
        lesson, loss = lesson_of(model, asker, example)
        if not lessons:
            with torch.no_grad():
                ours = float(loss_of(model, [lesson]))
            if abs(ours - loss) > SAME * max(loss, 1.0):
                raise ConfigurationError(
                    f'a model of type {model.config.model_type!r} puts a picture together in a '
                    f'way that this example does not know (loss {ours:.4f}, its own {loss:.4f})',
                    'give one of the LLaVA family, or PaliGemma',
                )
        lessons.append(lesson)
    return lessons


def loss_of(model: Any, lessons: Sequence[Lesson]) -> torch.Tensor:
    """Return the mean loss over the words of the answers to one question."""
    device = next(model.parameters()).device
    seen = torch.stack([lesson.seen for lesson in lessons]).to(device)
    answers = [list(lesson.answer) for lesson in lessons]
    try:
        return answer_loss(model, seen, list(lessons[0].question), answers)
    except (AttributeError, IndexError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise ConfigurationError(
            f'a model of type {model.config.model_type!r} puts a picture together in a way that '
            f'this example does not know: {_line(error)}',
            'give one of the LLaVA family, or PaliGemma',
        ) from error


# Training --------------------------------------------------------------------------------------


class Batches:
    """Batches of lessons that share a question, each lesson as often as any other."""

    def __init__(self, lessons: Sequence[Lesson]) -> None:
        """Sort the lessons by their questions."""
        groups: dict[tuple[int, ...], list[Lesson]] = {}
        for lesson in lessons:
            groups.setdefault(lesson.question, []).append(lesson)
        self.groups = list(groups.values())
        sizes = np.array([len(group) for group in self.groups])
        self._shares = sizes / sizes.sum()

    def draw(self, rng: np.random.Generator, batch: int) -> list[Lesson]:
        """Return a batch."""
        group = self.groups[int(rng.choice(len(self.groups), p=self._shares))]
        return [group[int(index)] for index in rng.integers(0, len(group), batch)]

    @torch.no_grad()
    def mean_loss(self, model: Any, batch: int) -> float:
        """Return the mean loss over all words of all answers."""
        total = count = 0.0
        for group in self.groups:
            for first in range(0, len(group), batch):
                part = group[first : first + batch]
                words = sum(len(lesson.answer) for lesson in part)
                total += words * float(loss_of(model, part))
                count += words
        return total / count


class Best:
    """The best model so far, on disk, and the losses that made it so."""

    def __init__(self, folder: Path, test: Batches, batch: int, every: int, last: int) -> None:
        """Go on with what is in `folder`."""
        self._folder = folder
        self._test, self._batch, self._every, self._last = test, batch, every, last
        self._losses = folder / 'losses.json'
        self.losses: dict[str, float] = {}
        if self._losses.is_file():
            self.losses = read_json(self._losses, f'remove {folder}')

    @property
    def model(self) -> Path:
        """Return the folder of the model."""
        return self._folder / 'best'

    @property
    def step(self) -> int:
        """Return the step that it is of; 0: as it came."""
        return int(min(self.losses, key=lambda step: self.losses[step]))

    def look(self, kind: torch.dtype, step: int, model: Any) -> None:
        """Measure a model after `step` steps, and keep it where none before was as good."""
        if step % self._every and step != self._last:
            return
        loss = self._test.mean_loss(model, self._batch)
        before = [value for known, value in self.losses.items() if int(known) < step]
        self.losses[str(step)] = loss
        if loss < min(before, default=np.inf):
            partial_folder = self._folder / 'best.part'
            shutil.rmtree(partial_folder, ignore_errors=True)
            deepcopy(model).to(kind).save_pretrained(partial_folder)
            shutil.rmtree(self.model, ignore_errors=True)
            partial_folder.rename(self.model)
        write_json(self._losses, self.losses)
        tqdm.write(f'step {step}: loss on the test split {loss:.4f}')


def fine_tune(mined: Path, out: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Fine-tune, write the model to `out`, and return what is told of it."""
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    if out.exists():
        raise RecordError(f'{out} exists', 'give a folder that does not')
    examples = {
        split: read_examples(mined, split, which)
        for split, which in (('train', chosen.only), ('test', 'all'))
    }
    for split, found in examples.items():
        if not found:
            raise RecordError(
                f'{mined} has nothing to learn from in its split {split}',
                'mine with pictures, of more scenes, or with another --test',
            )
    folder = str(chosen.model)
    try:
        kind = AutoConfig.from_pretrained(folder, local_files_only=True).dtype or torch.float32
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f'model {folder!r} cannot be loaded: {_line(error)}',
            'give the folder of an image-text-to-text model in the format of transformers',
        ) from error
    torch.manual_seed(chosen.seed)
    projector_of(model)
    model.eval().requires_grad_(True)
    model.model.vision_tower.requires_grad_(False)
    work = _work_folder(out, mined, chosen)
    asker = asker_of(folder, model, processor)
    lessons = {name: lessons_of(model, asker, examples[name], name) for name in examples}
    train, test = Batches(lessons['train']), Batches(lessons['test'])
    model.to('cuda' if torch.cuda.is_available() else 'cpu')
    best = Best(work, test, chosen.batch, chosen.every, chosen.steps)
    if '0' not in best.losses:
        best.look(kind, 0, model)
    fit(
        model,
        lambda model, rng, batch: loss_of(model, train.draw(rng, batch)),
        Recipe(chosen.steps, chosen.batch, chosen.rate, warmup=max(chosen.steps // 20, 1)),
        work / 'training.pt',
        chosen.seed,
        'fine-tuning',
        partial(best.look, kind),
    )
    told = {
        **_settings(mined, chosen),
        'examples': {name: len(found) for name, found in lessons.items()},
        'losses': best.losses,
        'step': best.step,
    }
    processor.save_pretrained(best.model)
    write_json(best.model / 'fine_tuning.json', told)
    best.model.rename(out)
    shutil.rmtree(work)
    return told


def _settings(mined: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Return what decides what comes out."""
    names = ('only', 'steps', 'rate', 'batch', 'every', 'seed')
    return {
        'model': str(chosen.model),
        'answers': {
            path.name: sha256_of(path) for path in sorted((mined / 'answers').glob('*.parquet'))
        },
        **{name: getattr(chosen, name) for name in names},
    }


def _work_folder(out: Path, mined: Path, chosen: argparse.Namespace) -> Path:
    """Return the folder of a training that may have begun; RecordError for one of another."""
    work = out.with_name(f'{out.name}.work')
    work.mkdir(parents=True, exist_ok=True)
    kept, settings = work / 'settings.json', _settings(mined, chosen)
    if not kept.is_file():
        write_json(kept, settings)
    elif read_json(kept, f'remove {work}') != json.loads(json.dumps(settings)):
        raise RecordError(
            f'{work} is of a training with other data or settings', 'remove it, or go on with them'
        )
    return work


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('mined', type=Path, help='folder that `vlm-misalign mine` made')
    parser.add_argument('out', type=Path, help='folder that is made')
    parser.add_argument(
        '--model',
        type=Path,
        default=MINIATURES / 'llava',
        help='folder of the model (default: miniature:llava)',
    )
    parser.add_argument(
        '--only',
        choices=('all', 'failed', 'right'),
        default='all',
        help='train on failures or right answers alone',
    )
    parser.add_argument('--steps', type=_natural, default=60)
    parser.add_argument('--rate', type=float, default=1e-3, help='highest learning rate')
    parser.add_argument('--batch', type=_natural, default=16, help='answers a step')
    parser.add_argument('--every', type=_natural, default=10, help='steps between two looks')
    parser.add_argument('--seed', type=int, default=0, help='of the batches')
    return parser


def _natural(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not 1 or more')
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Fine-tune, and say what came of it."""
    chosen = _parser().parse_args(arguments)
    try:
        told = fine_tune(chosen.mined, chosen.out, chosen)
    except MisalignError as error:
        print(f'fine_tune: {error}', file=sys.stderr)
        return ExitCode.ERROR
    losses = told['losses']
    print(
        f'{chosen.out}: learnt from {told["examples"]["train"]} answers; loss on the test split '
        f'({told["examples"]["test"]} answers) {losses["0"]:.4f} before, '
        f'{losses[str(told["step"])]:.4f} at step {told["step"]}, which is kept'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
