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

"""Where each page stands: the lists of docs/index.md are the navigation of the site."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INDEX = 'docs/index'
AT_THE_ROOT = ('README', 'ARCHITECTURE', 'CONTRIBUTING', 'CHANGELOG')
"""Pages of the site that lie at the root of the repository."""
_HEADING = re.compile(r'^## (.+)$')
_ENTRY = re.compile(r'^- \[([^\]]+)\]\(([^)#:]+)\.md\)')


def pages() -> list[str]:
    """Return every page that is there but the index, as a path from the root without .md."""
    found = [path.relative_to(ROOT) for path in sorted((ROOT / 'docs').rglob('*.md'))]
    return [*AT_THE_ROOT, *(str(page.with_suffix('')) for page in found if INDEX not in str(page))]


def other_folders() -> list[str]:
    """Return the folders of the repository that have no pages."""
    return [path.name for path in sorted(ROOT.iterdir()) if path.is_dir() and path.name != 'docs']


def placed(index: str) -> dict[str, dict[str, str]]:
    """Return the titles of the pages of each list of the index, by heading and page, in order."""
    lists: dict[str, dict[str, str]] = {}
    heading = ''
    for line in index.splitlines():
        if found := _HEADING.match(line):
            heading = found[1]
        elif found := _ENTRY.match(line):
            page = posixpath.normpath(posixpath.join('docs', found[2]))
            entries = lists.setdefault(heading, {})
            if page in entries:
                raise ValueError(f'{page}.md stands twice under {heading!r} of {INDEX}.md')
            entries[page] = found[1]
    return lists


def navigation(index: str) -> str:
    """Return a hidden toctree for each list of the index, in the words of the index."""
    trees = []
    for heading, entries in placed(index).items():
        lines = '\n'.join(f'{title} </{page}>' for page, title in entries.items())
        trees.append(f'```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{lines}\n```\n')
    return '\n'.join(trees)


def _add_navigation(app, page, source) -> None:
    if page == INDEX:
        source[0] += '\n' + navigation(source[0])


def _off_the_site_as_text(app, document) -> None:
    """Have a link to a folder or page of the repository that the site lacks as its bare words."""
    from sphinx.addnodes import pending_xref

    for link in list(document.findall(pending_xref)):
        if link.get('reftype') != 'myst':
            continue
        if link.get('refdomain') == 'doc':
            page = link['reftarget']
            elsewhere = page not in app.env.found_docs and (ROOT / f'{page}.md').is_file()
        else:
            _, path = app.env.relfn2path(link['reftarget'], link['refdoc'])
            elsewhere = Path(path).is_dir()
        if elsewhere:
            link.replace_self(link.children)


def setup(app) -> None:
    """Connect both to Sphinx."""
    app.connect('source-read', _add_navigation)
    app.connect('doctree-read', _off_the_site_as_text)
