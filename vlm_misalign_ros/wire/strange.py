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

"""Messages of strangers, whose fields may be of any type: reading them has one error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vlm_misalign_ros.core.errors import MAX_REASON, RecordError


@contextmanager
def of_strangers() -> Iterator[None]:
    """Have a RecordError, in one line, of whatever reading a message raises."""
    try:
        yield
    except RecordError:
        raise
    except Exception as error:  # fields that are none, or of another type
        raise RecordError(f'{type(error).__name__}: {error}'[:MAX_REASON]) from error
