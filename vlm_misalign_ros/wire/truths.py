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

"""From where the truth of a run comes: topics of others, or the run's own reference."""

from __future__ import annotations

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.configuration import Configuration
from vlm_misalign_ros.wire import topics

_TRUTH = (topics.TRUTH_LABELS, topics.TRUTH_INSTANCES, topics.TRUTH_DEPTH)


def remapped(configuration: Configuration) -> dict[str, str]:
    """
    Return the remappings of a run, by which everybody takes a reference's labels for the truth.

    Rules of ROS do not follow one another: labels that are published under another name are taken
    from there.

    Raises ConfigurationError where topics of ground truth are named beside a reference.
    """
    rules = dict(configuration.remap)
    if configuration.reference is None:
        return rules
    for name, target in rules.items():
        if name.endswith(_TRUTH):
            raise ConfigurationError(
                f'{name} is remapped to {target}, and the run has a reference',
                'leave out one of the two: what there is ground truth of needs no reference',
            )
    own = topics.REFERENCE_LABELS
    full = '/' + f'{configuration.namespace.strip("/")}/{own}'.lstrip('/')
    made = next((rules[name] for name in rules if name in (own, full)), own)
    return {**rules, topics.TRUTH_LABELS: made}
