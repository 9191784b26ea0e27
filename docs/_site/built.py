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

"""Looks at the built pages: every link leads somewhere, and nothing comes from the network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADS = {
    'audio': ('src',),
    'embed': ('src',),
    'iframe': ('src',),
    'img': ('src', 'srcset'),
    'input': ('src',),
    'link': ('href',),
    'object': ('data',),
    'script': ('src',),
    'source': ('src', 'srcset'),
    'track': ('src',),
    'use': ('href', 'xlink:href'),
    'video': ('src', 'poster'),
}
"""What a browser fetches to show a page, by element."""
_NOT_FETCHED = {'author', 'canonical', 'help', 'license', 'next', 'prev', 'search'}
"""Values of `rel` of a link that is only told of."""
_REMOTE = re.compile(r'^(?:https?:)?//')
_REMOTE_CSS = re.compile(r'(?:@import\s+|url\(\s*)[\'"]?((?:https?:)?//[^\'")\s]+)')


@dataclass
class Page:
    """What a page offers as anchors, where its links lead, and what it loads."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or '' for name, value in attrs}
        self.page.anchors.update(filter(None, (told.get('id'), told.get('name'))))
        if tag == 'a' and told.get('href'):
            self.page.links.append(told['href'])
        if _NOT_FETCHED & set(told.get('rel', '').split()):
            return
        self.page.loads += [told[name] for name in _LOADS.get(tag, ()) if told.get(name)]


def read_page(text: str) -> Page:
    """Return anchors, links and loads of a page of HTML."""
    reader = _Reader()
    reader.feed(text)
    return reader.page


def faults(site: Path) -> Iterator[str]:
    """Yield what is wrong with a built site, a line each."""
    files = {path: read_page(path.read_text('utf-8')) for path in sorted(site.rglob('*.html'))}
    for path, page in files.items():
        here = path.relative_to(site)
        for load in page.loads:
            if _REMOTE.match(load):
                yield f'{here}: {load} is loaded from the network'
            elif not load.startswith('data:') and not _local(path, load).is_file():
                yield f'{here}: {load} is not there'
        for link in page.links:
            if urlsplit(link).scheme or _REMOTE.match(link):
                continue
            target = _local(path, link)
            anchor = unquote(urlsplit(link).fragment)
            if not target.is_file():
                yield f'{here}: {link} leads nowhere'
            elif anchor and target in files and anchor not in files[target].anchors:
                yield f'{here}: {link} has no such anchor'
    for path in sorted(site.rglob('*.css')):
        for url in _REMOTE_CSS.findall(path.read_text('utf-8')):
            yield f'{path.relative_to(site)}: {url} is loaded from the network'


def _local(page: Path, link: str) -> Path:
    path = unquote(urlsplit(link).path)
    return (page.parent / path).resolve() if path else page


def _look(app, error) -> None:
    from sphinx.errors import ExtensionError

    if error is None and app.builder.format == 'html':
        found = list(faults(Path(app.outdir)))
        if found:
            raise ExtensionError('\n'.join(['what was built has faults:', *found]))


def setup(app) -> None:
    """Look at what was built when it is there."""
    app.connect('build-finished', _look)
