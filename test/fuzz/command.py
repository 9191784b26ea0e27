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

"""The command in this process, and what every end of it has to be."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import numpy as np

from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.core.errors import ExitCode

SEED = 12
"""Of all cases; each is made from it, its kind and its number, and from nothing else."""


def case(kind: str, number: int) -> np.random.Generator:
    """Return what draws one case: the same one alone as among all."""
    return np.random.default_rng([SEED, *kind.encode(), number])


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Return what the command says of itself, progress bars aside."""
        return [line for line in self.err.splitlines() if 'vlm-misalign: ' in line]


def call(*words: object) -> Ended:
    """
    Run the command; AssertionError where it ends in a way that none may.

    It never raises and never prints a traceback; an error is one line, and nothing else is.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    ended = Ended(code, out.getvalue(), err.getvalue())
    assert 'Traceback' not in ended.err and 'fault of the program' not in ended.err, ended.err
    assert code in {*ExitCode} - {ExitCode.INTERRUPTED}, ended
    assert len(ended.lines) == (code == ExitCode.ERROR), ended
    return ended
