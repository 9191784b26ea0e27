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

"""What a server is asked: the body of a chat completion, and what stands for it on disk."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import FrameError

SEED = 0
TEMPERATURE = 0.0
_PNG = (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY)
"""Lossless, as every PNG; of a street in a quarter of the time, and smaller than by default."""


@dataclass(frozen=True)
class Coding:
    """How pictures are sent."""

    form: str = 'png'
    """`png`, without loss, or `jpeg`."""
    quality: int = 90
    """Of JPEG, 1 to 100."""
    longest_edge: int = 0
    """Pixels; a larger picture is made smaller. 0: as it is."""

    def told(self) -> dict[str, Any]:
        """Return it for manifests and for names of files."""
        found: dict[str, Any] = {'format': self.form, 'longest_edge': self.longest_edge}
        return {**found, 'quality': self.quality} if self.form == 'jpeg' else found


class Picture:
    """One picture, BGR uint8 (H, W, 3), and how it is sent."""

    def __init__(self, bgr: np.ndarray, coding: Coding) -> None:
        """Keep it; it is only encoded when it is sent."""
        self._bgr = np.ascontiguousarray(bgr)
        self._coding = coding

    @cached_property
    def sha256(self) -> str:
        """Return the SHA-256 of size and pixels, which does not depend on an encoder."""
        digest = hashlib.sha256(repr(self._bgr.shape).encode())
        digest.update(self._bgr.data)
        return digest.hexdigest()

    @cached_property
    def url(self) -> str:
        """Return it as a data URL; FrameError where it cannot be encoded."""
        bgr, coding = self._bgr, self._coding
        longest = max(bgr.shape[:2])
        if coding.longest_edge and longest > coding.longest_edge:
            scale = coding.longest_edge / longest
            size = tuple(max(round(side * scale), 1) for side in (bgr.shape[1], bgr.shape[0]))
            bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
        if coding.form == 'jpeg':
            ending, options = '.jpg', [cv2.IMWRITE_JPEG_QUALITY, coding.quality]
        else:
            ending, options = '.png', list(_PNG)
        done, data = cv2.imencode(ending, bgr, options)
        if not done:
            raise FrameError(f'a picture of shape {bgr.shape} cannot be encoded as {coding.form}')
        return f'data:image/{coding.form};base64,{base64.b64encode(data.tobytes()).decode()}'


@dataclass(frozen=True)
class Question:
    """One request, without what a server may not take of it."""

    model: str
    text: str
    pictures: tuple[Picture, ...]
    """Oldest first."""
    system: str
    length: int
    """Tokens of the answer at most."""
    logprobs: bool
    """Whether probabilities are asked for."""
    tops: int = 0
    """Alternatives to each token, with theirs."""
    repeat: int = 0
    """Counts equal requests of which each is to be asked."""

    def body(self, left_out: Iterable[str]) -> dict[str, Any]:
        """Return the JSON of the request, without the parameters that the server refused."""
        body: dict[str, Any] = {
            'model': self.model,
            'messages': _messages(self.system, self.text, [p.url for p in self.pictures]),
            'max_tokens': self.length,
            'temperature': TEMPERATURE,
            'seed': SEED,
        }
        if self.logprobs:
            body['logprobs'] = True
            if self.tops:
                body['top_logprobs'] = self.tops
        for name in left_out:
            if name == 'max_tokens':
                body['max_completion_tokens'] = body['max_tokens']
            body.pop(name, None)
        if 'logprobs' not in body:
            body.pop('top_logprobs', None)
        return body

    def asked(self, url: str, coding: Coding) -> Mapping[str, Any]:
        """Return all that decides the answer, pictures by their hashes."""
        return {
            'base_url': url,
            'model': self.model,
            'system': self.system,
            'text': self.text,
            'pictures': [picture.sha256 for picture in self.pictures],
            'coding': coding.told() if self.pictures else {},
            'max_tokens': self.length,
            'temperature': TEMPERATURE,
            'seed': SEED,
            'logprobs': self.logprobs,
            'top_logprobs': self.tops,
            'repeat': self.repeat,
        }


def _messages(system: str, text: str, urls: Sequence[str]) -> list[dict[str, Any]]:
    content: Any = text
    if urls:
        content = [{'type': 'image_url', 'image_url': {'url': url}} for url in urls]
        content.append({'type': 'text', 'text': text})
    user = {'role': 'user', 'content': content}
    return [{'role': 'system', 'content': system}, user] if system else [user]
