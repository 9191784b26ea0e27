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
What a run writes down, as types: one JSON object a line of records.jsonl.

`encode` and `decode` are the only way in and out; the version is checked when a record is read.
records.schema.json beside this file is made from these types, docs/data.md tells them in words.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.records.account import (
    AccountingRecord,
    DoubledRecord,
    GapRecord,
    LateRecord,
    Stamp,
)
from vlm_misalign_ros.core.records.account import Closing as Closing
from vlm_misalign_ros.core.records.account import RunRecord as RunRecord
from vlm_misalign_ros.core.records.clean import CleanEntry, clean_of
from vlm_misalign_ros.core.records.confidence import ConfidenceEntry
from vlm_misalign_ros.core.records.placing import PlacingEntry, placing_of
from vlm_misalign_ros.core.records.scores import ScoreEntry as ScoreEntry
from vlm_misalign_ros.core.records.truths import LabelsEntry, TruthEntry
from vlm_misalign_ros.core.types import (
    Description,
    Input,
    Judgement,
    Kind,
    Mention,
    Protocol,
    View,
)

SCHEMA = 4
"""Version of the records. 4: what cannot be trusted is told apart (unscorable, doubled,
unverified, failed: `error`); two truths of hazard and mask under an occluder; static obstacles."""


class Status(str, Enum):
    """What became of a frame for one model, or for the segmentation."""

    SCORED = 'scored'
    """Answered in time, and held against the truth."""
    MISSING = 'missing'
    """Never answered: lost on the way or with its node, or failed on (`error` says how)."""
    DROPPED = 'dropped'
    """Passed over on purpose, by its node or before it: `problem` says by which policy."""
    LATE = 'late'
    """Answered after the frame was closed; told by a record of its own."""
    UNMATCHED = 'unmatched'
    """Without ground truth."""
    UNSCORABLE = 'unscorable'
    """Truth, condition or answer say too little to be scored, or are of another picture."""
    DOUBLED = 'doubled'
    """Something came twice under one stamp with other content: which was meant is not known."""
    NOT_ASKED = 'not asked'
    """Of the segmentation, where none was asked for; counted nowhere."""


LOST = (
    Status.MISSING,
    Status.DROPPED,
    Status.LATE,
    Status.UNMATCHED,
    Status.UNSCORABLE,
    Status.DOUBLED,
)
"""What can become of a frame that is not scored."""
COUNTED = (Status.SCORED, *LOST)
"""What can become of a frame: every picture is, for every model, in exactly one of these."""


class ConditionEntry(msgspec.Struct, frozen=True):
    """What was done to the picture."""

    corruption: str
    """`clean`, `blank`, the name of a corruption, or `unknown` where nothing told it; of several
    at once all of them, such as `low_light:2+motion_blur:1`."""
    severity: int
    """1 to 5, the highest of several; 0 for clean and blank."""
    name: str
    """Both in one, such as `motion_blur:3`."""
    seed: int
    """Of everything random that was drawn for this frame."""
    parameters: dict[str, float]
    """What was drawn and used."""


class SegmentationEntry(msgspec.Struct, frozen=True):
    """The mask of a frame against its labels."""

    status: Status
    frame_iou: float | None
    """Mean IoU over the classes of this frame, which is no mIoU; null without any."""
    confidence: ConfidenceEntry | None
    """Null where none came."""
    cells: list[tuple[int, int, int]]
    """Cells of the confusion matrix other than 0: true train id, predicted (19: void), pixels."""
    cells_visible: list[tuple[int, int, int]] | None = None
    """The same over pixels that an occluder leaves to see; null without one."""
    verified: bool = False
    """Whether the mask is known to be of this picture, by its checksum."""
    problem: str | None = None
    """Why the mask could not be scored, or why the frame was passed over."""
    error: str | None = None
    """Why the model failed on this frame; null where it did not, or nothing told."""
    lacks: list[str] | msgspec.UnsetType = msgspec.UNSET
    """Classes that the model cannot tell, of a mask without confidence (which says so itself), as
    the settings or the model's files tell; absent where it can tell all 19."""

    @property
    def lacking(self) -> tuple[str, ...]:
        """Return the classes that the model cannot tell."""
        if self.confidence is not None:
            return tuple(self.confidence.lacking)
        return () if self.lacks is msgspec.UNSET else tuple(self.lacks)


class AnswerEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a model said."""

    kind: Kind
    text: str
    """As it was said; empty for contrastive models."""
    mentions: dict[str, Mention]
    """What was said of each class that was named."""
    scores: dict[str, float]
    """By class: probability (contrastive), likelihood of the words (generative)."""
    judgement: Judgement
    judgement_score: float | None
    """Probability of SAFE against UNSAFE; null where the model gives none."""
    prompt_id: str
    truncated: bool
    """Cut off at the length that was allowed."""
    view: View
    """The part of the frame that the model saw: left, top, right, bottom."""
    cut: int = 0
    """Characters of a very long answer that were not read, in its middle."""
    style: str = ''
    """The kind of answer: `answer_style` of its prompt, else as it was found; empty for none."""
    further: dict[str, Mention] = msgspec.field(default_factory=dict)
    """What was said of each class of the user's own, never scored; absent where of none."""
    input: Input = Input.IMAGE
    """What the model was shown of the frame."""
    shown: int = 1
    """Frames that were shown: the frame itself and those before it."""
    prompted: list[str] = msgspec.field(default_factory=list)
    """Classes that the prompt, or what perception found, had named."""
    paraphrases: list[Judgement] = msgspec.field(default_factory=list)
    """Judgements of the paraphrases of the safety question that were asked."""
    paraphrased: list[str] = msgspec.field(default_factory=list)
    """The answers that these were read in, in the same order."""
    context: str = ''
    """What perception found, in the words that stood before the prompt's."""
    placing: PlacingEntry | None = None
    """How it was joined to this picture, of a model outside the run; absent of its own."""
    clean: CleanEntry | None = None
    """What was said of the clean picture; absent where nobody asked."""

    @classmethod
    def of(cls, answer: Description) -> AnswerEntry:
        """Return what a description says, classes in alphabetical order."""
        return cls(
            answer.kind,
            answer.text,
            {name: answer.mentions[name] for name in sorted(answer.mentions)},
            {name: answer.scores[name] for name in sorted(answer.scores)},
            answer.judgement,
            answer.judgement_score,
            answer.prompt_id,
            answer.truncated,
            answer.view,
            answer.cut,
            answer.style,
            {name: answer.further[name] for name in sorted(answer.further)},
            answer.input,
            answer.shown,
            list(answer.prompted),
            list(answer.paraphrases),
            list(answer.paraphrased),
            answer.context,
            placing_of(answer),
            clean_of(answer),
        )


class ModelEntry(msgspec.Struct, frozen=True):
    """One model and one frame."""

    status: Status
    answer: AnswerEntry | None = None
    """Null where none came."""
    score: ScoreEntry | None = None
    """Null where it was not scored."""
    verified: bool = False
    """Whether the answer is known to be about this picture, by its checksum."""
    problem: str | None = None
    """Why the answer could not be scored, or why the frame was passed over."""
    error: str | None = None
    """Why the model failed on this frame; null where it did not, or nothing told."""

    @property
    def scored(self) -> tuple[AnswerEntry, ScoreEntry] | None:
        """Return answer and score of a frame that was scored."""
        if self.answer is None or self.score is None:
            return None
        return self.answer, self.score


class TimingEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Times; never part of what is compared between runs."""

    model_seconds: dict[str, float]
    """Seconds spent in each model, and in the `segmentation`."""
    cached: list[str] = msgspec.field(default_factory=list)
    """Served models that were not asked: their answers were kept from before."""
    queue_seconds: dict[str, float] = msgspec.field(default_factory=dict)
    """Seconds from the arrival of what each needed at its node to the start of the work."""
    result_seconds: dict[str, float] = msgspec.field(default_factory=dict)
    """Seconds from the stamp to the publication of each result, by the clock of its node; absent
    where the stamps are of another clock."""
    open_seconds: float | None = None
    """Seconds from a frame's first part to its closing; absent in an analysis of a bag."""


class FrameRecord(msgspec.Struct, frozen=True, tag_field='kind', tag='frame'):
    """One closed frame."""

    schema: int
    stamp: Stamp
    """Header time, seconds.nanoseconds."""
    index: int | None
    """Position in the run; null where no camera/source told it."""
    dataset: str
    sequence: str
    key: str
    """Name of the source frame; the stamp where nothing told it."""
    cycle: int = msgspec.field(name='pass')
    """The pass over the data set."""
    condition: ConditionEntry
    closed: Closing
    missing: list[str]
    """Parts that never came."""
    truth: TruthEntry | None
    """Null without labels."""
    segmentation: SegmentationEntry
    models: dict[str, ModelEntry]
    timing: TimingEntry
    labels: LabelsEntry | None = None
    """Null where no labels came."""
    problem: str | None = None
    """Why the ground truth could not be used, or what of it was not."""
    run: str | None = None
    """The run that it was merged from."""
    image: str | None = None
    """Checksum of the degraded picture, as its condition told it; null where it told none."""
    pictures: int = 1
    """Pictures that came with this stamp; of more than one, each is doubled."""
    epoch: int = 0
    """How often time had jumped back before: stamps are unique within an epoch."""
    offsets: dict[str, float] = msgspec.field(default_factory=dict)
    """Seconds by which stamps of parts of the ground truth, or of a mask from outside that was
    joined by its stamp, lie behind the picture's, where not at 0."""
    protocol: Protocol | msgspec.UnsetType = msgspec.UNSET
    """How the frames of the source hang together in time; absent for single frames, and where
    nothing told it."""
    recorded: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    """Conditions under which the picture was taken, as its data set names them, such as
    `weather`; absent where it names none."""

    @property
    def held(self) -> bool:
        """Return whether the source frame comes several times, in which nothing moves."""
        return self.protocol is not msgspec.UNSET and self.protocol.held

    @property
    def pseudo(self) -> bool:
        """Return whether the labels are a segmentation model's."""
        return self.protocol is not msgspec.UNSET and self.protocol.pseudo


Record = FrameRecord | RunRecord | LateRecord | DoubledRecord | GapRecord | AccountingRecord

_DECODER = msgspec.json.Decoder(Record)
_ENCODER = msgspec.json.Encoder()


class _Head(msgspec.Struct):
    schema: Any = None


class _Place(msgspec.Struct):
    stamp: str
    run: str | None = None
    epoch: int = 0


_PLACE = msgspec.json.Decoder(_Place)


def encode(record: Record) -> bytes:
    """
    Return a record as one line of JSON, without the line break.

    Raises RecordError when it could not be read again, as with a number that is not finite.
    """
    line = _ENCODER.encode(record)
    try:
        _DECODER.decode(line)
    except msgspec.ValidationError as error:
        raise RecordError(f'a record cannot be written: {error}') from error
    return line


def decode(line: bytes, place: str) -> Record:
    """
    Return the record in one line of JSON; `place` names it in errors.

    Raises RecordError for another version of the schema, naming both, and for what is no record.
    """
    try:
        record: Record = _DECODER.decode(line)
    except msgspec.ValidationError as error:
        _check_version(line, place)
        raise RecordError(
            f'{place} is no record: {error}', 'the file was changed or damaged'
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(
            f'{place} is no record: {line[:60]!r}', 'the file was changed or damaged'
        ) from error
    if isinstance(record, (FrameRecord, RunRecord)) and record.schema != SCHEMA:
        _check_version(line, place)
    return record


def decode_place(line: bytes, place: str) -> tuple[str | None, int, str]:
    """Return run, epoch and stamp of a frame's line, of which the rest is not read."""
    try:
        found = _PLACE.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        record = decode(line, place)
        assert isinstance(record, FrameRecord)
        return record.run, record.epoch, record.stamp
    return found.run, found.epoch, found.stamp


def _check_version(line: bytes, place: str) -> None:
    try:
        version = msgspec.json.decode(line, type=_Head).schema
    except msgspec.DecodeError:
        return
    if version is not None and version != SCHEMA:
        raise RecordError(
            f'{place} has the schema {version!r}, this version of vlm_misalign_ros reads {SCHEMA}',
            'make the records again from the bag with vlm-misalign analyse, run again, or use the '
            'version of vlm_misalign_ros that wrote them (packages in manifest.json)',
        )


def to_plain(record: Record) -> dict[str, Any]:
    """Return a record as plain data, as JSON has it."""
    plain: dict[str, Any] = msgspec.to_builtins(record)
    return plain


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a line of records.jsonl."""
    return msgspec.json.schema(Record)
