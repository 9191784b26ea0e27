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

"""One model of a server as a vision-language model: its questions, its answers, what it told."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import FrameError
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.prompts import DEFAULT, find_prompt
from vlm_misalign_ros.core.models.answering import trial_picture
from vlm_misalign_ros.core.models.describing import RawAnswer, described
from vlm_misalign_ros.core.models.families import ModelReference, VlmOptions
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.models.served import chances
from vlm_misalign_ros.core.models.served.address import parse_address
from vlm_misalign_ros.core.models.served.cache import Answers
from vlm_misalign_ros.core.models.served.client import Client
from vlm_misalign_ros.core.models.served.patience import Clock, Gate, Wall
from vlm_misalign_ros.core.models.served.questions import (
    SEED,
    TEMPERATURE,
    Coding,
    Picture,
    Question,
)
from vlm_misalign_ros.core.models.served.replies import Reply
from vlm_misalign_ros.core.models.served.secret import Secret
from vlm_misalign_ros.core.models.served.spending import Budget
from vlm_misalign_ros.core.models.served.transport import Transport
from vlm_misalign_ros.core.types import Description, Kind

SAFETY_PROMPT = 'safety'
"""Id of the question whose answer, yes or no, tells how sure the model is."""
ASKED, SAME = 'asked', 'as it was kept'
OTHER, GONE = 'another answer than was kept', 'no answer'
"""What a server says to the trial question now."""
GLANCE = 20.0
"""Seconds that a server has to say that."""
_MOST_TOLD = 8
"""Servers that are told apart."""
_MOST_PROBED = 128
"""More than the frames that are under way at once."""
_LOG = logging.getLogger(__name__)


class ServedModel:
    """
    One model of a server. `describe` may be called by several threads at once.

    What the server's own processor does with a picture (crop, squash, tile) cannot be seen from
    here: the view is the whole frame, as it is sent.
    """

    kind = Kind.GENERATIVE
    checked = True
    """There are no weights on this machine."""

    def __init__(
        self, reference: ModelReference, options: VlmOptions, clock: Clock | None = None
    ) -> None:
        """Ask nothing yet; ConfigurationError for options that will not do."""
        self._name = reference.text
        self._model = reference.name
        self._length = options.max_new_tokens
        self._uncertainty = options.uncertainty
        self._prompt = find_prompt(options.prompt, DEFAULT)
        self._safety = find_prompt(SAFETY_PROMPT)
        self._lexicon = open_lexicon(options.lexicon)
        self._coding = Coding(options.picture_format, options.jpeg_quality, options.longest_edge)
        self._logprobs: bool | None = None
        """Whether the server tells probabilities; None before the first answer."""
        self._lock = threading.Lock()
        self._probed: dict[tuple[str, ...], Reply] = {}
        """The newest answers of yes or no, by what was asked."""
        self._told: list[tuple[str, str]] = []
        """What the server has said that it is so far, without repetitions."""
        address = parse_address(options.base_url)
        secret = Secret.of_environment(options.api_key_env)
        if secret and not address.safe:
            _LOG.warning(
                'the key of %s travels to %s without encryption', secret.name, address.host
            )
        folder = options.answer_cache
        time_of = clock or Wall()
        self.client = Client(
            transport=Transport(address, options.concurrency),
            url=address.url,
            secret=secret,
            coding=self._coding,
            gate=Gate(options.requests_per_minute, time_of),
            budget=Budget(options.token_budget),
            timeout=options.timeout,
            retries=options.retries,
            answers=Answers(Path(folder).expanduser()) if folder else None,
            clock=time_of,
        )

    def describe(self, query: Query) -> Description:
        """Return what the model answers; FrameError with the reason where it does not."""
        begin = time.perf_counter()
        prompt = query.prompt or self._prompt
        pictures = tuple(Picture(bgr, self._coding) for bgr in query.pictures)
        reply = self.client.ask(self._question(query, query.text(prompt), pictures))
        self._learn(reply)
        safe, kept = None, reply.cached
        if self._uncertainty and query.probed and self._logprobs:
            probe = self._probe(query, pictures)
            safe, kept = chances.probability_of_yes(probe.tokens), kept and probe.cached
        text = reply.text.strip()
        raw = RawAnswer(
            text,
            reply.truncated,
            safe=safe,
            latency=time.perf_counter() - begin,
            spoken=partial(chances.placed, text, reply.tokens) if self._uncertainty else None,
        )
        found = described(self._name, query, prompt, raw, self._lexicon)
        return replace(found, cached=kept)

    def _question(
        self, query: Query, text: str, pictures: tuple[Picture, ...], repeat: int = 0
    ) -> Question:
        return Question(
            self._model, text, pictures, query.system, self._length, self._uncertainty, 0, repeat
        )

    def _probe(self, query: Query, pictures: tuple[Picture, ...]) -> Reply:
        """
        Return the answer, yes or no, about the same pictures and after the same words.

        Asks that show the same share it: it is asked once a frame.
        """
        text = query.text(self._safety)
        key = (text, query.system, *(picture.sha256 for picture in pictures))
        with self._lock:
            known = self._probed.get(key)
        if known is not None:
            return known
        found = self.client.ask(
            Question(self._model, text, pictures, query.system, chances.LENGTH, True, chances.TOPS)
        )
        with self._lock:
            self._probed[key] = found
            while len(self._probed) > _MOST_PROBED:
                self._probed.pop(next(iter(self._probed)))
        return found

    def _learn(self, reply: Reply) -> None:
        """
        Note what the server says of itself, and whether it tells probabilities where asked to.

        A server that becomes another one during a run is warned of. Probabilities are asked for
        again only where they have come with the first answer.
        """
        told = (reply.told.model, reply.told.fingerprint)
        if told not in self._told and len(self._told) < _MOST_TOLD:
            self._told.append(told)
            if len(self._told) > 1:
                _LOG.warning(
                    '%s: the server now says that it is %s, and said %s before',
                    self._name,
                    *(' '.join(filter(None, one)) or 'nothing' for one in self._told[:-3:-1]),
                )
        if self._logprobs is None and self._uncertainty and reply.text.strip():
            self._logprobs = bool(reply.tokens)
            if not reply.tokens:
                _LOG.warning('%s: the server tells no probabilities (logprobs)', self._name)

    def account(self) -> str:
        """Return in a line how often the server was asked since the start, and what it cost."""
        counts, tokens = self.client.counts, self.client.budget.spent
        return (
            f'{self._name}: {counts["asked"]} questions asked, {counts["cached"]} answers kept '
            f'from before, {counts["again"]} attempts anew, about {tokens} tokens'
        )

    def facts(self) -> dict[str, Any]:
        """
        Ask the trial question twice; return what the server says that it is, for a manifest.

        Where it tells probabilities it is asked yes or no, too: alternatives are asked for with
        that alone. Raises FrameError where it does not answer. Where both answers are kept ones
        the trial question is put once more: a server that has other weights by now says something
        else, as a rule.
        """
        picture = Picture(trial_picture(), self._coding)
        query = Query((trial_picture(),))
        questions = [
            self._question(query, query.text(self._prompt), (picture,), repeat)
            for repeat in (0, 1)
        ]
        replies = [self.client.ask(question) for question in questions]
        self._learn(replies[0])
        asks_probe = self._uncertainty and self._logprobs
        probe = self._probe(query, (picture,)) if asks_probe else None
        now = ASKED
        if all(reply.cached for reply in replies):
            now = self._now(questions[0], {reply.text for reply in replies})
        told = replies[0].told
        return {
            'base_url': self.client.url,
            'asked_for': self._model,
            'server': {
                'model': told.model,
                'system_fingerprint': told.fingerprint,
                'server': told.server,
            },
            'trial': {
                'asked': len(replies),
                'changed': int(replies[0].text != replies[1].text),
                'cached': sum(reply.cached for reply in replies),
                'now': now,
            },
            'probabilities': self._probabilities(probe),
            'counts_tokens': replies[0].used is not None,
            'parameters': {
                'temperature': TEMPERATURE,
                'seed': SEED,
                'max_tokens': self._length,
                'left_out': sorted(
                    {name for reply in (*replies, probe) if reply for name in reply.left_out}
                ),
            },
            'pictures': self._coding.told(),
            'field_of_view': 'not known: pictures are sent whole, and the server works on them',
            'key': self.client.secret.name if self.client.secret else None,
        }

    def _now(self, question: Question, kept: set[str]) -> str:
        """Return whether the server gives one of the kept answers still; not insisting on it."""
        client = replace(
            self.client, answers=None, retries=0, timeout=min(self.client.timeout, GLANCE)
        )
        try:
            said = client.ask(question).text
        except FrameError:
            return GONE
        if said in kept:
            return SAME
        _LOG.warning(
            '%s: the server answers the trial question otherwise than when its answers were kept; '
            'if it has another model by now, give another answer_cache',
            self._name,
        )
        return OTHER

    def _probabilities(self, probe: Reply | None) -> str:
        """Return what the server tells of probabilities; `probe` is what it says to yes or no."""
        if not self._uncertainty:
            return 'not asked for'
        if probe is None:
            return 'not told by the server: probability and scores null'
        if not chances.has_alternatives(probe.tokens):
            return 'told without alternatives (top_logprobs): probability null'
        return 'told'
