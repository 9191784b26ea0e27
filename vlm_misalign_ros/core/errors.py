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

"""The one exception that a user meets, and the exit codes of every command and node."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a process says as it ends."""

    PASS = 0
    """The run, or the command, came to its end and nothing is wrong (COMPLETE: no limit set)."""
    FAIL = 1
    """A limit was exceeded, or what was compared differs. Nothing else ends with 1."""
    ERROR = 2
    """Something could not be done; one line on stderr says what and how to mend it."""
    INVALID = 3
    """Too little was scored for the rates to mean anything, or the data cannot be trusted."""
    UNDECIDED = 4
    """There is too little evidence to say whether a limit is kept."""
    INTERRUPTED = 130
    """Ended by Ctrl-C, whatever the verdict over what was there."""


MAX_REASON = 300
"""Characters of a reason that is sent or recorded."""


class MisalignError(Exception):
    """
    A condition the user can mend; printed as one line, never as a traceback.

    `what` says what happened and names the thing and its value; `remedy` says what to do.
    """

    exit_code = ExitCode.ERROR

    def __init__(self, what: str, remedy: str = '') -> None:
        """Join `what` and `remedy` into the one line that is printed."""
        self.what = ' '.join(what.split()).rstrip('.')
        self.remedy = ' '.join(remedy.split())
        super().__init__(f'{self.what}. {self.remedy}' if remedy else self.what)


class DatasetError(MisalignError):
    """A dataset is missing, incomplete, inconsistent or unreadable."""


class ConfigurationError(MisalignError):
    """A parameter has a wrong name, type or value."""


class ModelError(MisalignError):
    """A model cannot be found, loaded or mapped onto the classes."""


class FrameError(MisalignError):
    """One frame cannot be worked on, or its answer cannot be used; the next one may be."""

    repeats = True
    """Whether so many of these in a row mean that nothing will come any more."""


class NothingSaid(FrameError):
    """A model gave an empty answer, which is none; it may well answer to the next picture."""

    repeats = False


class RecordError(MisalignError):
    """A record, bag or run folder cannot be written or read."""
