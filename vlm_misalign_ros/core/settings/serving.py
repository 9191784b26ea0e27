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

"""What a model behind a server is asked with: the parameters of openai:MODEL."""

from __future__ import annotations

from dataclasses import dataclass

from vlm_misalign_ros.core.models.served.address import EXAMPLE
from vlm_misalign_ros.core.settings.parameters import parameter


@dataclass(frozen=True)
class ServerParameters:
    """The server, and how much it is asked; a local model has none of them."""

    base_url: str = parameter(
        '', f'served: address of the server of chat completions, such as {EXAMPLE}'
    )
    api_key_env: str = parameter(
        'OPENAI_API_KEY',
        'served: NAME of the environment variable with the key, never the key itself; empty: no '
        'key is sent',
    )
    picture_format: str = parameter(
        'png', 'served: how pictures are sent; png loses nothing', choices=('png', 'jpeg')
    )
    jpeg_quality: int = parameter(90, 'served: of jpeg', minimum=1, maximum=100)
    longest_edge: int = parameter(
        0,
        'served: pixels to which larger pictures are made smaller; 0: sent as they are',
        minimum=0,
    )
    timeout: float = parameter(
        60.0, 'served: seconds that one attempt may take', minimum=0.1, maximum=3600
    )
    retries: int = parameter(
        3, 'served: attempts after the first where a failure may pass', minimum=0, maximum=20
    )
    concurrency: int = parameter(
        1, 'served: frames that are asked about at once', minimum=1, maximum=64
    )
    requests_per_minute: float = parameter(
        0.0, 'served: rate that is kept to; 0: any', minimum=0, maximum=1e6
    )
    token_budget: int = parameter(
        0, 'served: tokens, of questions and answers, that are used at most; 0: any', minimum=0
    )
    answer_cache: str = parameter(
        '', 'served: folder of answers that are not asked for again; empty: none are kept'
    )
