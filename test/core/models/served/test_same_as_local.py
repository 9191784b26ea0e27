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
A model behind a server gives what it gives in process: `transformers serve`, and probabilities.

`transformers serve` tells no probabilities; a server of the tests does, as vLLM would, from the
same network by transformers' own call.
"""

import base64
import io
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from serving import Server, completion, say
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import FrameError, ModelError
from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.models.factory import load_vlm, model_facts
from vlm_misalign_ros.core.world import generate

DIRECTORY = str(PACKAGE / 'miniatures' / 'llava')
NAME = f'openai:{DIRECTORY}'
PICTURES = 8
STARTING = 90.0
"""Seconds that the server may take to start."""


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    out = tmp_path_factory.mktemp('data') / 'scenes'
    generate(out, PICTURES, seed=11, width=512, height=256)
    found = open_dataset(str(out))
    return [found.read(index).image for index in range(PICTURES)]


# transformers serve ------------------------------------------------------------------------------


def free_port():
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        return found.getsockname()[1]


class Serving:
    """A `transformers serve` of the miniature."""

    def __init__(self, port):
        self.url = f'http://127.0.0.1:{port}/v1'
        self.process = subprocess.Popen(
            [sys.executable, '-c', 'from transformers.cli.transformers import main; main()']
            + ['serve', DIRECTORY, '--host', '127.0.0.1', '--port', str(port)]
            + ['--device', 'cpu', '--dtype', 'float32'],
            env={**os.environ, 'HF_HUB_OFFLINE': '1'},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + STARTING
        while not self._there():
            if self.process.poll() is not None or time.monotonic() > until:
                self.end()
                raise AssertionError('transformers serve did not start')
            threading.Event().wait(0.1)

    def _there(self):
        try:
            health = self.url.removesuffix('/v1') + '/health'
            return urllib.request.urlopen(health, timeout=1).status == 200
        except OSError:
            return False

    def end(self):
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def serving():
    from transformers.utils.import_utils import is_serve_available

    if not is_serve_available():
        pytest.skip("transformers serve needs more: pip install 'vlm_misalign_ros[serving]'")
    found = Serving(free_port())
    yield found
    found.end()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_transformers_serve_says_what_the_model_says_in_process(serving, pictures):
    facts = model_facts(NAME, base_url=serving.url)['served']
    assert facts['server']['server'] == 'uvicorn'
    assert facts['server']['model'].startswith(DIRECTORY)
    assert facts['trial']['changed'] == 0 and facts['counts_tokens']
    assert facts['parameters']['left_out'] == []
    assert 'null' in facts['probabilities']
    served = load_vlm(NAME, base_url=serving.url)
    local = load_vlm('miniature:llava')
    texts = set()
    for picture in pictures:
        there, here = served.describe(picture), local.describe(picture)
        assert there.text == here.text
        assert (there.mentions, there.judgement) == (here.mentions, here.judgement)
        assert there.truncated == here.truncated
        assert there.judgement_score is None
        texts.add(there.text)
    assert len(texts) > 4


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_real_server_that_is_killed_costs_frames_until_it_is_back(serving, pictures):
    served = load_vlm(NAME, base_url=serving.url, retries=0)
    before = served.describe(pictures[0]).text
    serving.end()
    with pytest.raises(FrameError, match='the server does not answer'):
        served.describe(pictures[0])
    again = Serving(int(serving.url.rpartition(':')[2].partition('/')[0]))
    try:
        assert served.describe(pictures[0]).text == before
    finally:
        again.end()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_real_server_names_what_it_does_not_have(serving):
    with pytest.raises(
        ModelError, match="answers 400: Server is pinned to '.*'; requested 'other'"
    ):
        load_vlm('openai:other', base_url=serving.url)
    with pytest.raises(ModelError, match='answers 404: Not Found.*check base_url'):
        load_vlm(NAME, base_url=serving.url.replace('/v1', '/v2'))


# Probabilities -----------------------------------------------------------------------------------


class Network:
    """The miniature by transformers' own call, which tells its probabilities as vLLM does."""

    def __init__(self):
        from transformers import AutoModelForImageTextToText, AutoProcessor

        torch.set_num_threads(1)
        self.processor = AutoProcessor.from_pretrained(DIRECTORY)
        opened = AutoModelForImageTextToText.from_pretrained(DIRECTORY, dtype=torch.float32)
        self.model = opened.eval()

    def __call__(self, handler, asked):
        parts = asked.json['messages'][-1]['content']
        raw = base64.b64decode(parts[0]['image_url']['url'].partition(',')[2])
        inputs = self.processor.apply_chat_template(
            [
                {
                    'role': 'user',
                    'content': [
                        {'type': 'image', 'image': Image.open(io.BytesIO(raw)).convert('RGB')},
                        {'type': 'text', 'text': parts[1]['text']},
                    ],
                }
            ],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors='pt',
        )
        with torch.inference_mode():
            output = self.model.generate(
                **inputs,
                do_sample=False,
                max_new_tokens=asked.json['max_tokens'],
                return_dict_in_generate=True,
                output_logits=True,
            )
        ids = output.sequences[0, inputs['input_ids'].shape[1] :].tolist()
        rows = torch.cat(output.logits).float().log_softmax(-1)
        text = self._text(ids)
        content = [
            self._entry(ids[:place], ids[place], rows[place], asked.json.get('top_logprobs', 0))
            for place in range(len(ids))
        ]
        say(completion(text, logprobs={'content': content}))(handler, asked)

    def _text(self, ids):
        return self.processor.tokenizer.decode(ids, skip_special_tokens=True)

    def _piece(self, before, token):
        return self._text([*before, token])[len(self._text(before)) :]

    def _entry(self, before, token, row, tops):
        several = row.topk(tops).indices.tolist() if tops else []
        return {
            'token': self._piece(before, token),
            'logprob': float(row[token]),
            'top_logprobs': [
                {'token': self._piece(before, top), 'logprob': float(row[top])} for top in several
            ],
        }


@pytest.mark.heavy
def test_probabilities_of_a_server_are_those_of_the_model_in_process(pictures):
    local = load_vlm('miniature:llava')
    known = 0
    with Server(Network()) as server:
        served = load_vlm(NAME, base_url=server.url)
        # Between a street and its mirror image, probabilities that are neither 0 nor 1 come up.
        blended = [
            cv2.addWeighted(one, 0.5, other, 0.5, 0)
            for one, other in zip(pictures[:4], pictures[4:], strict=True)
        ]
        for picture in [*pictures, *blended]:
            there, here = served.describe(picture), local.describe(picture)
            assert there.text == here.text
            assert there.scores == pytest.approx(here.scores, abs=2e-5)
            assert there.scores or not here.scores
            if there.judgement_score is not None:
                known += 1
                assert there.judgement_score == pytest.approx(here.judgement_score, abs=1e-4)
    assert known >= 8, 'the server tells enough for most frames'


@pytest.mark.heavy
def test_jpeg_and_a_smaller_picture_are_what_the_model_sees(pictures):
    with Server(Network()) as server:
        load_vlm(
            NAME,
            base_url=server.url,
            picture_format='jpeg',
            jpeg_quality=80,
            longest_edge=128,
            uncertainty=False,
        ).describe(pictures[0])
        url = server.asked[-1].json['messages'][0]['content'][0]['image_url']['url']
    head, _, data = url.partition(',')
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert head == 'data:image/jpeg;base64' and shown.shape == (64, 128, 3)
