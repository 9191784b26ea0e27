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

"""Pages of HTML from templates beside this file: every text in them is escaped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jinja2


def open_template(
    name: str, filters: dict[str, Callable[..., object]], **shared: object
) -> jinja2.Template:
    """
    Return a template; a name that it is not given raises UndefinedError.

    `filters` are what it may put values through, `shared` what all that it includes knows.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=['jinja2.ext.do'],
    )
    environment.filters.update(filters)
    environment.globals.update(shared)
    return environment.get_template(name)
