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

"""Asks a server: kept answers first, then within its limits, again after what may pass."""

from __future__ import annotations

import json
import logging
import random
import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from vlm_misalign_ros.core.errors import FrameError
from vlm_misalign_ros.core.models.served.cache import Answers
from vlm_misalign_ros.core.models.served.patience import (
    MOST,
    Clock,
    Gate,
    Wall,
    backoff,
    retry_after,
)
from vlm_misalign_ros.core.models.served.questions import Coding, Question
from vlm_misalign_ros.core.models.served.replies import (
    NotAnAnswer,
    Reply,
    Withheld,
    error_code,
    error_text,
    read_reply,
)
from vlm_misalign_ros.core.models.served.secret import Secret
from vlm_misalign_ros.core.models.served.spending import Budget
from vlm_misalign_ros.core.models.served.transport import NoAnswer, Response, Transport

CHAT = '/chat/completions'
PASSING = (408, 409, 425, 429)
"""Statuses below 500 that may be another one the next time."""
OPTIONAL = ('top_logprobs', 'logprobs', 'seed', 'temperature', 'max_tokens')
"""What is left out where a server refuses it by name; `max_tokens` has another name then."""
_LOG = logging.getLogger(__name__)


class _Passing(Exception):
    """What may be gone at the next attempt."""

    def __init__(self, reason: str, after: float | None = None, taken: bool = True) -> None:
        super().__init__(reason)
        self.after = after
        """Seconds that the server asks to wait; None where it asks nothing."""
        self.taken = taken
        """Whether the server may have worked, and be paid, for it."""


class NotAnswered(FrameError):
    """A server gave no answer to one question."""


class HeldBack(FrameError):
    """A server does not want to answer one question; it may well answer the next."""

    repeats = False


@dataclass
class Client:
    """One model of one server; may be used by several threads."""

    transport: Transport
    url: str
    secret: Secret
    coding: Coding
    gate: Gate
    budget: Budget
    timeout: float
    """Seconds that one attempt may take."""
    retries: int
    """Attempts after the first."""
    answers: Answers | None = None
    clock: Clock = field(default_factory=Wall)
    drawn: random.Random = field(default_factory=random.Random)
    left_out: tuple[str, ...] = ()
    """Parameters that the server refused by name."""
    counts: Counter[str] = field(default_factory=Counter)
    """Of questions: `asked`, `cached`; of attempts: `again`."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def ask(self, question: Question) -> Reply:
        """
        Return the answer to a question, from the folder of answers where it is kept there.

        Raises FrameError with the reason where there is none.
        """
        asked = question.asked(self.url, self.coding)
        if self.answers is not None:
            kept = self.answers.get(asked)
            if kept is not None:
                self._count('cached')
                return kept
        reply = self._insist(question)
        self._count('asked')
        if self.answers is not None:
            self.answers.put(asked, reply)
        return reply

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def _insist(self, question: Question) -> Reply:
        """Ask, and again after what may pass, `retries` times at most."""
        attempt = 0
        while True:
            pause = self.gate.enter()
            if pause:
                raise NotAnswered(
                    f'the server of {question.model!r} asks not to be asked for {pause:.0f} s'
                )
            aside = self.budget.take(question.length)
            left_out = self.left_out
            try:
                reply = self._attempt(question, left_out)
            except _Passing as error:
                self._after(error, aside)
                if attempt >= self.retries:
                    tried = f' ({attempt + 1} attempts)' if attempt else ''
                    raise NotAnswered(f'model {question.model!r}: {error}{tried}') from None
                wait = backoff(attempt, self.drawn)
                self._count('again')
                attempt += 1
                if error.after is None or error.after <= 0:
                    self.clock.wait(wait)
                else:
                    # Whoever else asks waits, too; the gate says so where that is too long.
                    self.gate.close(error.after)
                    if error.after <= MOST:
                        self.clock.wait(error.after + min(wait, 1.0))
            except _Refused as error:
                self.budget.give_back(aside)
                if not self._adapt(error, left_out):
                    raise NotAnswered(f'model {question.model!r}: {error}', error.remedy) from None
            except (NotAnAnswer, Withheld) as error:
                self.budget.settle(aside, None)
                kind = HeldBack if isinstance(error, Withheld) else NotAnswered
                raise kind(f'the server gave no answer of {question.model!r}: {error}') from None
            except BaseException:
                self.budget.give_back(aside)
                raise
            else:
                self.budget.settle(aside, reply.used)
                self._check_told(reply)
                return replace(reply, left_out=left_out)

    def _after(self, error: _Passing, aside: int) -> None:
        if error.taken:
            self.budget.settle(aside, None)
        else:
            self.budget.give_back(aside)

    def _check_told(self, reply: Reply) -> None:
        if self.budget.limit and reply.used is None:
            raise NotAnswered(
                'the server does not tell how many tokens it used (usage.total_tokens), so that '
                'token_budget cannot be kept',
                'set token_budget to 0',
            )

    def _attempt(self, question: Question, left_out: Sequence[str]) -> Reply:
        body = json.dumps(question.body(left_out)).encode()
        headers = {'Content-Type': 'application/json', **self.secret.headers()}
        try:
            response = self.transport.exchange('POST', CHAT, headers, body, self.timeout)
        except NoAnswer as error:
            raise _Passing(f'the server does not answer: {error}', taken=error.sent) from None
        if response.status == 200:
            return self._reply(response)
        raise self._failure(response)

    def _reply(self, response: Response) -> Reply:
        if not response.whole:
            raise NotAnAnswer(f'its body is larger than {len(response.body)} bytes')
        coding = response.headers.get('content-encoding', '')
        if coding not in ('', 'identity'):
            raise NotAnAnswer('its body is compressed, which was not asked for')
        return read_reply(response.body, response.headers.get('server', ''), self.secret)

    def _failure(self, response: Response) -> Exception:
        """Return what a status other than 200 means."""
        status = response.status
        said = error_text(response.body[:_EXCERPT], _fits(response), self.secret)
        told = f'the server answers {status}' + (f': {said}' if said else '')
        if 300 <= status < 400:
            return _Refused(
                f'the server answers {status}, which leads elsewhere and is not followed',
                'set base_url to where it leads',
            )
        quota = status == 429 and error_code(response.body) == 'insufficient_quota'
        if (status in PASSING or status >= 500) and not quota:
            after = retry_after(response.headers.get('retry-after', ''))
            return _Passing(told, after, taken=status >= 500 or status == 408)
        return _Refused(told, _remedy(status, self.secret), said if status in (400, 422) else '')

    def _adapt(self, error: _Refused, left_out: Sequence[str]) -> bool:
        """Leave out a parameter that the server refuses by name; return whether there is one."""
        for name in OPTIONAL:
            if name in left_out or not re.search(rf'\b{name}\b', error.said):
                continue
            with self._lock:
                if name not in self.left_out:
                    self.left_out = (*self.left_out, name)
                    _LOG.warning('the server refuses %r, which is left out from here on', name)
            return True
        return False


_EXCERPT = 65536
"""Bytes of an error's body that are looked at."""


class _Refused(Exception):
    """What will be the same at the next attempt."""

    def __init__(self, reason: str, remedy: str = '', said: str = '') -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.said = said
        """The server's own words, where they may name a parameter."""


def _fits(response: Response) -> bool:
    return response.whole and len(response.body) <= _EXCERPT


def _remedy(status: int, secret: Secret) -> str:
    if status in (401, 403):
        named = secret.name or 'that api_key_env names'
        has = 'holds a key that it does not take' if secret else 'is not set, or empty'
        return f'the environment variable {named} {has}'
    if status == 404:
        return 'check base_url (it ends in /v1 for most servers) and the name of the model'
    if status == 413:
        return 'send smaller pictures: longest_edge, or picture_format: jpeg'
    return ''
