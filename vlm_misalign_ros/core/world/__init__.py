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
Synthetic street scenes with exact truth, written in the Cityscapes layout.

A sequence is a street with houses, trees, furniture, traffic and people, seen from a car that
drives along it. Everything is drawn from (seed, sequence), so a frame is the same in any order.
"""

from vlm_misalign_ros.core.world.cities import CITIES, SPLITS
from vlm_misalign_ros.core.world.writing import BASELINE, PERIOD, cities_of, generate, render_scene

__all__ = ['BASELINE', 'CITIES', 'PERIOD', 'SPLITS', 'cities_of', 'generate', 'render_scene']
