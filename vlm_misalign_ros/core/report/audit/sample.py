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
The file of a draw, sample.jsonl: what was drawn of which records, with the texts to label.

It does not hold what the reader made of the texts, so that nobody who labels sees it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from vlm_misalign_ros.core.errors import ConfigurationError, MisalignError, RecordError
from vlm_misalign_ros.core.files import read_json, sha256_of, write_text
from vlm_misalign_ros.core.language.lexicon import lexicon_hash
from vlm_misalign_ros.core.language.plain import tidy
from vlm_misalign_ros.core.language.prompts import generative_prompt, prompts_hash
from vlm_misalign_ros.core.language.styles import STYLES, style_of
from vlm_misalign_ros.core.records.ending import changed, read_ending
from vlm_misalign_ros.core.records.schema import AnswerEntry
from vlm_misalign_ros.core.records.store import RECORDS, RecordFile
from vlm_misalign_ros.core.report.audit.draw import Chosen, Place, answers_of, choose
from vlm_misalign_ros.core.types import Judgement, Mention

SAMPLE = 'sample.jsonl'
"""The name of the file in the folder of an audit."""
DEFAULT_SAMPLE, DEFAULT_SEED = 100, 0
_REMEDY = 'draw again: leave --labels out and give another folder by --out'
_ID = 10
"""Hexadecimal digits of the name of a text."""


class Head(msgspec.Struct, frozen=True, tag_field='kind', tag='draw'):
    """The first line: how and of what was drawn."""

    schema: int
    run: str
    seed: int
    asked: int
    """Answers that were asked for."""
    answers: int
    """Answers that could be drawn."""
    by: list[str]
    """What the strata are told apart by."""
    records_sha256: str
    lexicon_sha256: str
    """Of the words that the answers were read with."""


class Drawn(msgspec.Struct, frozen=True, tag_field='kind', tag='answer'):
    """One drawn answer."""

    id: str
    """Name of its text; answers that are the same to the same question share it."""
    number: int
    """Position among the answers that could be drawn."""
    stamp: str
    epoch: int
    run: str | None
    """The run that it was merged from."""
    key: str
    model: str
    condition: str
    low: bool
    """Whether the condition is one of low visibility."""
    style: str
    stratum: str
    stratum_size: int
    """Answers of the run in the stratum."""
    weight: float
    """Answers of the run that it stands for: size of the stratum by answers drawn of it."""
    prompt_id: str
    asked: str
    """The prompt in words; empty where it is not known any more."""
    text: str


class Sample(msgspec.Struct, frozen=True):
    """A draw."""

    head: Head
    answers: list[Drawn]

    @property
    def texts(self) -> list[Drawn]:
        """Return one answer a text, in the order in which they are labelled."""
        first: dict[str, Drawn] = {}
        for answer in self.answers:
            first.setdefault(answer.id, answer)
        return list(first.values())


class Read(msgspec.Struct, frozen=True):
    """What the reader made of an answer."""

    asserted: frozenset[str]
    judgement: Judgement


_DECODER = msgspec.json.Decoder(Head | Drawn)


def draw_sample(folder: Path, wanted: int, seed: int) -> Sample:
    """
    Return a draw of the answers of the run in `folder`, which is only read.

    RecordError where it has no answers in words, or was changed since it ended.
    """
    manifest = _manifest(folder)
    records = RecordFile(folder / RECORDS)
    ask = _asking(manifest)
    places = []
    for frame, model, answer in answers_of(records):
        condition = frame.condition
        style = _style(answer, ask(model, answer.prompt_id))
        places.append(Place(condition.severity, condition.name, style, model))
    if not places:
        raise RecordError(
            f'{folder} holds no scored answer of a generative model',
            'there is nothing to audit: contrastive models answer with scores, which are not read '
            'from words',
        )
    chosen, by = choose(places, wanted, seed)
    head = Head(
        1,
        folder.resolve().name,
        seed,
        wanted,
        len(places),
        by,
        sha256_of(folder / RECORDS),
        _lexicon(manifest),
    )
    return Sample(head, _fetch(records, chosen, ask))


def write_sample(out: Path, sample: Sample) -> None:
    """Write the file of a draw into the folder of an audit; RecordError when it cannot be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(
            f'{out} cannot be made: {error.strerror}', 'choose another folder by --out'
        ) from error
    lines = [sample.head, *sample.answers]
    write_text(out / SAMPLE, ''.join(msgspec.json.encode(line).decode() + '\n' for line in lines))


def read_sample(out: Path, folder: Path) -> Sample | None:
    """
    Return the draw in the folder of an audit; None where there is none.

    RecordError for a file that is no draw, or one of other records than those in `folder`.
    """
    path = out / SAMPLE
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f'{path} cannot be read: {error.strerror}', _REMEDY) from error
    try:
        head, *answers = [_DECODER.decode(line) for line in lines]
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise RecordError(f'{path} is no draw: {error}', _REMEDY) from error
    if not isinstance(head, Head) or not all(isinstance(line, Drawn) for line in answers):
        raise RecordError(f'{path} is no draw: its first line is lacking or is not alone', _REMEDY)
    _manifest(folder)
    if head.records_sha256 != sha256_of(folder / RECORDS):
        raise RecordError(f'{path} was drawn from other records than {folder} has', _REMEDY)
    return Sample(head, [line for line in answers if isinstance(line, Drawn)])


def check_draw(sample: Sample, wanted: int | None, seed: int | None) -> None:
    """ConfigurationError where a draw is there and another is asked for."""
    for name, given, there in (
        ('--sample', wanted, sample.head.asked),
        ('--seed', seed, sample.head.seed),
    ):
        if given is not None and given != there:
            raise ConfigurationError(
                f'{name} is {given}, and there is a draw with {name} {there}',
                f'leave {name} out to go on with it, or give another folder by --out',
            )


def readings_of(folder: Path, sample: Sample) -> dict[int, Read]:
    """Return by number what the reader made of each drawn answer, as the records have it."""
    wanted = {answer.number for answer in sample.answers}
    found = {}
    for number, (_, _, answer) in enumerate(answers_of(RecordFile(folder / RECORDS))):
        if number in wanted:
            asserted = (name for name, s in answer.mentions.items() if s is Mention.ASSERTED)
            found[number] = Read(frozenset(asserted), answer.judgement)
    return found


def _manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run that is as it was left."""
    manifest = read_json(folder / 'manifest.json', 'give the folder of a run')
    if not (folder / RECORDS).is_file():
        raise RecordError(f'{folder} has no {RECORDS}', 'give the folder of a run')
    for name in changed(folder, read_ending(folder)):
        raise RecordError(
            f'{folder / name} is not as the run left it: it was changed or damaged',
            'audit what the run left',
        )
    return manifest


def _lexicon(manifest: dict[str, Any]) -> str:
    """Return the hash of the words that a run was read with; of this package's where none is."""
    language = manifest.get('language')
    found = language.get('lexicon_sha256') if isinstance(language, dict) else None
    return found if isinstance(found, str) and found else lexicon_hash()


def _asking(manifest: dict[str, Any]) -> Callable[[str, str], str]:
    """Return a function that gives the prompt of (model, prompt id) in words, where known."""
    models = manifest.get('models')
    known: dict[tuple[str, str], str] = {}

    def ask(model: str, prompt_id: str) -> str:
        key = model, prompt_id
        if key not in known:
            entry = models.get(model) if isinstance(models, dict) else None
            told = entry if isinstance(entry, dict) else {}
            chosen = told.get('ask')
            text = chosen.get('text') if isinstance(chosen, dict) else None
            known[key] = str(text) if text else _prompt(prompt_id, told.get('prompts_sha256'))
        return known[key]

    return ask


def _prompt(prompt_id: str, hashed: object) -> str:
    """Return a prompt in words; empty where its file has changed since, or is not there."""
    try:
        if hashed and prompts_hash(prompt_id) != hashed:
            return ''
        return generative_prompt(prompt_id)
    except MisalignError:
        return ''


def _style(answer: AnswerEntry, asked: str) -> str:
    """Return the style of an answer; found by its text where the record tells none."""
    if answer.style in STYLES:
        return answer.style
    return style_of(tidy(answer.text, asked).text, asked)


def _fetch(
    records: RecordFile, chosen: list[Chosen], ask: Callable[[str, str], str]
) -> list[Drawn]:
    """Return the drawn answers in the order in which they were drawn."""
    by_number = {entry.number: entry for entry in chosen}
    found = {}
    for number, (frame, model, answer) in enumerate(answers_of(records)):
        entry = by_number.get(number)
        if entry is None:
            continue
        asked = ask(model, answer.prompt_id)
        found[number] = Drawn(
            _name(asked or answer.prompt_id, answer.text),
            number,
            frame.stamp,
            frame.epoch,
            frame.run,
            frame.key,
            model,
            entry.place.condition,
            entry.place.low,
            entry.place.style,
            entry.stratum,
            entry.size,
            entry.size / entry.drawn,
            answer.prompt_id,
            asked,
            answer.text,
        )
    return [found[entry.number] for entry in chosen]


def _name(asked: str, text: str) -> str:
    """Return the name of a text: by what it says, so that no label is taken for another's."""
    both = f'{asked}\0{text}'.encode('utf-8', 'surrogatepass')
    # No spreadsheet takes it for a number.
    return 't' + hashlib.sha256(both).hexdigest()[:_ID]
