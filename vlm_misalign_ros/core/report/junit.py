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

"""The checks of a verdict as JUnit XML, for continuous integration."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict
from math import isnan
from pathlib import Path

from vlm_misalign_ros.core.files import write_text
from vlm_misalign_ros.core.report.verdict import Check, Status, Verdict

_NOT_XML = re.compile('[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')
_KINDS = {Status.FAIL: 'failure', Status.INVALID: 'error', Status.UNDECIDED: 'error'}
"""JUnit knows no third state: what could not be decided is no success."""


def _clean(text: str) -> str:
    return _NOT_XML.sub('\ufffd', text)


def write_junit(path: Path, name: str, verdict: Verdict) -> None:
    """
    Write a test case a check, with its message and numbers; RecordError when the disk refuses.

    FAIL is a failure, INVALID and UNDECIDED are errors, with the status as their `type`.
    """
    kinds = [_KINDS.get(check.status) for check in verdict.checks]
    suite = ElementTree.Element(
        'testsuite',
        name=_clean(name),
        tests=str(len(verdict.checks)),
        failures=str(kinds.count('failure')),
        errors=str(kinds.count('error')),
    )
    properties = ElementTree.SubElement(suite, 'properties')
    ElementTree.SubElement(properties, 'property', name='verdict', value=_clean(verdict.text))
    for check in verdict.checks:
        _add(suite, check)
    if verdict.notes:
        ElementTree.SubElement(suite, 'system-out').text = _clean('\n'.join(verdict.notes))
    write_text(
        path,
        '<?xml version="1.0" encoding="utf-8"?>\n'
        + ElementTree.tostring(suite, encoding='unicode')
        + '\n',
    )


def _add(suite: ElementTree.Element, check: Check) -> None:
    case = ElementTree.SubElement(
        suite, 'testcase', classname='vlm_misalign_ros', name=_clean(check.name)
    )
    if check.found is not None:
        properties = ElementTree.SubElement(case, 'properties')
        for key, value in asdict(check.found).items():
            if value in ('', None) or (isinstance(value, float) and isnan(value)):
                continue
            text = ', '.join(value) if isinstance(value, tuple) else str(value)
            ElementTree.SubElement(properties, 'property', name=key, value=_clean(text))
    kind = _KINDS.get(check.status)
    if kind is not None:
        ElementTree.SubElement(case, kind, type=check.status.value, message=_clean(check.message))
    ElementTree.SubElement(case, 'system-out').text = _clean(check.message)
