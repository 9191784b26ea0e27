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

"""What a session tells: the lines of its records, its log, and the notes of the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.join import Joined, Twice
from vlm_misalign_ros.core.evaluation.parts import SEGMENTATION
from vlm_misalign_ros.core.evaluation.resuming import gap
from vlm_misalign_ros.core.labels.encodings import AUTO
from vlm_misalign_ros.core.records.account import DoubledRecord, LateRecord
from vlm_misalign_ros.core.records.schema import FrameRecord, Record
from vlm_misalign_ros.core.records.store import FollowingWriter, RecordWriter
from vlm_misalign_ros.core.stamps import format_stamp
from vlm_misalign_ros.core.truth.trust import REMEDIES


class Journal:
    """
    Writes records where there is a file, logs each kind of thing once, and keeps notes.

    `publishers(part)` names who may have sent a part whose own publisher is not known.
    """

    def __init__(
        self,
        writer: RecordWriter | None,
        log: Callable[[str], None],
        publishers: Callable[[str], Sequence[str]],
    ) -> None:
        """Begin with nothing told; without a `writer` nothing is written down."""
        self._log = log
        self._publishers = publishers
        self._said: set[str] = set()
        self._senders: dict[str, list[str]] = {}
        self._writer = writer
        self.notes: list[str] = []

    @property
    def follows(self) -> bool:
        """Return whether it goes over records of before."""
        return isinstance(self._writer, FollowingWriter)

    @property
    def expected(self) -> Record | None:
        """Return the record of before that is gone over next; None where there is none."""
        return self._writer.expected if isinstance(self._writer, FollowingWriter) else None

    def write(self, record: Record) -> None:
        """Append a record; RecordError when the disk refuses."""
        if self._writer is not None:
            self._writer.write(record)

    def close(self) -> None:
        """Close the records; does nothing the second time."""
        if self._writer is not None:
            self._writer.close()

    def once(self, what: str, text: str) -> bool:
        """Log a text unless one about the same was logged; return whether it was new."""
        if what in self._said:
            return False
        self._said.add(what)
        self._log(text)
        return True

    def gone_on(self, frames: int, newest: int | None, epoch: int, seconds: float | None) -> None:
        """
        Tell that there are `frames` from before, the newest of which bears a stamp, nanoseconds.

        Nobody saw what came in the `seconds` since; None where nothing came.
        """
        text = f'goes on: {frames} frames were closed before'
        if seconds is not None:
            self.write(gap(newest, epoch, seconds))
            text += f'; what came in the {seconds:.0f} s since is not known'
        self.once('gap', text)

    def note(self, text: str) -> None:
        """Log a text and keep it for the verdict."""
        self._log(text)
        self.notes.append(text)

    def malformed(self, part: str, error: RecordError) -> None:
        """Note the first message of each part that could not be read."""
        if self.once(f'malformed {part}', f'{part}: {error}'):
            self.notes.append(f'{part}: a message could not be read: {error}')

    def failures(self, record: FrameRecord) -> int:
        """Note the first failure of each model with its reason; return how many a frame had."""
        errors = {name: entry.error for name, entry in record.models.items()}
        errors[SEGMENTATION] = record.segmentation.error
        told = {name: error for name, error in errors.items() if error is not None}
        for name, error in told.items():
            text = f'{name} failed on the frame at {record.stamp}: {error}'
            if self.once(f'failed {name}', text):
                self.notes.append(text)
        return len(told)

    def labels(self, record: FrameRecord, auto: bool) -> None:
        """Say once what `auto` decided on, and once of each fault that ground truth has it."""
        labels = record.labels
        if auto and labels is not None and labels.encoding != AUTO:
            self.once(AUTO, f'label_encoding auto: the labels are {labels.encoding}')
        if labels is not None and labels.fault is not None:
            text = (
                f'ground truth is unscorable ({labels.fault.value}), first that of frame '
                f'{record.key or record.stamp}: {record.problem}. {REMEDIES[labels.fault]}'
            )
            if self.once(f'labels {labels.fault.value}', text):
                self.notes.append(text)
        elif record.problem:
            text = f'the frame {record.key or record.stamp}: {record.problem}'
            if self.once('problem', text):
                self.notes.append(text)

    def late(self, epoch: int, stamp: int, part: str, passed: bool) -> None:
        """Write down that a part came, or was told to be passed over, after its frame closed."""
        self.write(LateRecord(format_stamp(stamp), part, epoch, passed))

    def named(self, twice: Twice) -> list[str]:
        """Return who sent a part that came twice, as far as that is known."""
        known = [name for name in twice.publishers if name]
        return known if len(known) == 2 else list(self._publishers(twice.part)) or known

    def doubled(self, epoch: int, twice: Twice) -> None:
        """Write down that a part came twice with other content."""
        stamp, publishers = format_stamp(twice.stamp), self.named(twice)
        self.once(
            f'doubled {twice.part}',
            f'{twice.part} came twice with other content at {stamp}, from '
            f'{" and ".join(publishers) or "publishers that are not known"}: such frames are '
            'not scored, and the run is INVALID',
        )
        self.write(DoubledRecord(stamp, twice.part, publishers, twice.count, epoch=epoch))

    def sent(self, epoch: int, stamp: int, part: str, publisher: str) -> None:
        """
        Take up who sent a part; write down where two publishers take turns.

        A node that was started again takes over from its former self, and never gives back.
        """
        senders = self._senders.setdefault(part, [])
        if senders and senders[-1] == publisher:
            return
        known = f'doubled {part}' in self._said
        if (
            publisher in senders
            and not known
            and self.once(
                f'turns {part}',
                f'{part} comes from {senders[-1]} and {publisher} in turns: two runs on one '
                'ROS_DOMAIN_ID? The run is INVALID',
            )
        ):
            names = [senders[-1], publisher]
            self.write(DoubledRecord(format_stamp(stamp), part, names, 0, epoch=epoch))
        self._senders[part] = [*(name for name in senders if name != publisher), publisher][-8:]

    def doubled_probe(self, twice: Twice) -> None:
        """Note that a start-up probe came twice with other content."""
        who = ' and '.join(self.named(twice)) or 'publishers that are not known'
        text = (
            f'a start-up probe came with two contents of {twice.part}, from {who}: is another '
            'run on this ROS_DOMAIN_ID?'
        )
        if self.once('probe', text):
            self.notes.append(text)

    def mismatch(self, epoch: int, joined: Joined, part: str, against: str) -> None:
        """Write down that a part is of another picture than the rest of its frame."""
        stamp, heard = format_stamp(joined.stamp), joined.heard.publishers
        publishers = [
            heard.get(name, '')
            or ' or '.join(self._publishers(name))
            or f'the publisher of {name}'
            for name in (part, against)
        ]
        self.once(
            f'mismatch {part}',
            f'{part} (from {publishers[0]}) is of another picture than {against} (from '
            f'{publishers[1]}) at {stamp}: such frames are not scored, and the run is INVALID',
        )
        self.write(DoubledRecord(stamp, part, publishers, 0, True, epoch))
