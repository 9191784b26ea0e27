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

"""Measure how a vision-language model goes wrong when the camera degrades, beside mIoU."""

from __future__ import annotations

from typing import Any

__version__ = '0.1.0'
_LOADED = ('RunTables', 'load_run')
"""From core/report/loading: the tables of a run as DataFrames (docs/data.md)."""


def __getattr__(name: str) -> Any:
    """Load what needs pandas when it is asked for."""
    from importlib import import_module

    if name not in _LOADED:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.core.report.loading'), name)
