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

"""The family `openai`: models behind a server of chat completions (vLLM, Ollama, hosted ...)."""

from __future__ import annotations

import re
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.models.families import (
    Describes,
    ModelReference,
    SegmentationOptions,
    Segments,
    VlmOptions,
    refuse_segmentation,
)
from vlm_misalign_ros.core.models.library_options import refuse_options
from vlm_misalign_ros.core.types import Kind, Role

_NAME = re.compile(r'[!-~]{1,300}')


class OpenAI:
    """Models that are asked over HTTP; `base_url` of the options says where."""

    forms = ('openai:MODEL (with base_url)',)

    def parse(self, rest: str, text: str) -> ModelReference:
        """Return the model of that name; ModelError for what no server could have."""
        if not _NAME.fullmatch(rest):
            raise ModelError(
                f'model {text[:80]!r} has a name with spaces or other signs, or none',
                'give the name by which the server knows it (GET base_url/models lists them)',
            )
        return ModelReference(text, 'openai', rest)

    def kind(self, reference: ModelReference) -> Kind:
        """Return that it is generative."""
        return Kind.GENERATIVE

    def check(self, reference: ModelReference, role: Role) -> None:
        """Refuse it as a segmentation; what a server has is seen when it is asked."""
        if role is Role.SEGMENTATION:
            raise refuse_segmentation(reference)

    def open_vlm(self, reference: ModelReference, options: VlmOptions) -> Describes:
        """Return a model that asks the server; nothing is sent yet."""
        if options.calibration:
            raise ConfigurationError(
                f'model {reference.text!r} is generative and has no scores to calibrate',
                'leave out its calibration',
            )
        if options.field_of_view != 'whole':
            raise ConfigurationError(
                f'model {reference.text!r} is behind a server: what its processor crops is not '
                f'known (field_of_view: {options.field_of_view})',
                'leave field_of_view out, or run the model here (transformers:NAME_OR_DIRECTORY)',
            )
        refuse_options(options, 'openai')
        from vlm_misalign_ros.core.models.served.model import ServedModel

        return ServedModel(reference, options)

    def open_segmentation(
        self, reference: ModelReference, options: SegmentationOptions
    ) -> Segments:
        """Refuse: there are none."""
        raise refuse_segmentation(reference)

    def facts(self, reference: ModelReference, options: VlmOptions) -> dict[str, Any]:
        """Ask the server the trial question twice, and yes or no; return what it says it is."""
        refuse_options(options, 'openai')
        from vlm_misalign_ros.core.models.served.model import ServedModel

        return {'served': ServedModel(reference, options).facts()}


FAMILY = OpenAI()
