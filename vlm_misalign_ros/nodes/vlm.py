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

"""VLM node: one vision-language model, one description for every degraded picture."""

from __future__ import annotations

import sys
from dataclasses import replace

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.models.factory import load_vlm
from vlm_misalign_ros.core.settings.nodes import VlmParameters, vlm_options
from vlm_misalign_ros.core.types import Failed
from vlm_misalign_ros.nodes import messages, qos, runtime
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec


class Vlm(runtime.MisalignNode):
    """Runs one VLM over degraded/image_raw."""

    def __init__(self, **kwargs: object) -> None:
        """Load the model, then start to listen."""
        super().__init__('vlm', **kwargs)
        self._chosen = chosen = self.read_parameters(VlmParameters)
        if not chosen.name:
            raise ConfigurationError(
                "parameter 'name' of a vlm node is empty",
                'give the model a name for topics and records',
            )
        self._model = load_vlm(chosen.model, **vlm_options(chosen))
        self._answers = self.create_publisher(
            DiagnosticArray, topics.vlm_description(chosen.name), qos.result_qos()
        )
        self._worker = self.start_worker(
            self._work,
            chosen.policy,
            chosen.queue_size,
            chosen.max_failures,
            self._fail,
            chosen.concurrency,
        )
        self.receive_images(topics.DEGRADED_IMAGE, chosen.reliability, self._worker.submit)

    def _work(self, message: Image) -> None:
        picture = messages.bgr_pixels(message)
        answer = replace(
            self._model.describe(picture), model=self._chosen.name, image=checksum(picture)
        )
        self._publish(codec.description_to_values(answer), message)

    def _fail(self, message: Image, reason: str) -> None:
        """Say that there will be no answer to this picture, so that nobody waits for it."""
        self._publish(codec.failed_to_values(Failed(reason)), message)

    def _publish(self, values: codec.Values, message: Image) -> None:
        values['dropped'] = str(self._worker.dropped)
        self._answers.publish(
            messages.values_message(f'vlm: {self._chosen.name}', values, message.header)
        )


def main() -> int:
    """Run the node."""
    return runtime.main(Vlm)


if __name__ == '__main__':
    sys.exit(main())
