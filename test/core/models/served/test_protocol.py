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

"""What is sent and what the tests' server answers are what OpenAI's own types describe."""

import pytest

from serving import completion, logprobs, question

pytest.importorskip('openai', reason="pip install 'vlm_misalign_ros[serving]'")

from openai.types.chat import ChatCompletion  # noqa: E402
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming  # noqa: E402
from pydantic import TypeAdapter  # noqa: E402

REQUEST = TypeAdapter(CompletionCreateParamsNonStreaming)


@pytest.mark.parametrize('left_out', [(), ('max_tokens',), ('seed', 'temperature', 'logprobs')])
@pytest.mark.parametrize(
    'given',
    [
        {},
        {'pictures': 0},
        {'pictures': 3, 'system': 'You drive.', 'logprobs': True},
        {'logprobs': True, 'tops': 20},
    ],
)
def test_a_request_is_one_of_openai(given, left_out):
    body = question(**given).body(left_out)
    found = REQUEST.validate_python(body)
    assert set(found) == set(body)
    (user,) = [message for message in body['messages'] if message['role'] == 'user']
    assert list(found['messages'])[-1]['role'] == 'user'
    assert not set(left_out) & set(body) and 'stream' not in body
    assert isinstance(user['content'], str) is (given.get('pictures') == 0)


def test_a_parameter_of_another_name_would_be_seen():
    body = {**question().body(()), 'seeds': 1}
    assert set(body) - set(REQUEST.validate_python(body)) == {'seeds'}
    with pytest.raises(ValueError, match='temperature'):
        REQUEST.validate_python({**body, 'temperature': 'cold'})


def test_the_answers_of_the_tests_server_are_openais():
    whole = completion('yes', logprobs=logprobs({'yes': 0.75, 'no': 0.25}), finish_reason='length')
    whole['choices'][0]['logprobs']['refusal'] = None
    found = ChatCompletion.model_validate(whole, strict=True)
    assert found.choices[0].message.content == 'yes'
    assert found.choices[0].logprobs.content[0].top_logprobs[1].token == 'no'
    assert found.usage.total_tokens == 100
