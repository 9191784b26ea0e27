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
One exchange with a server over HTTP: bounded in size and in time, and never redirected.

urllib3 bounds the silence between two packets; what a server sends drop by drop is cut off by a
timer that closes the connection.
"""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, MaxRetryError, NameResolutionError

from vlm_misalign_ros import __version__
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.models.served.address import Address

MOST_BYTES = 8 * 1024 * 1024
"""Of a body; an answer of 4096 tokens with their probabilities has less than one."""
CONNECTING = 10.0
"""Seconds that a connection may take at most."""
_CHUNK = 65536
_HEADERS = ('server', 'retry-after', 'content-encoding', 'location')


class NoAnswer(Exception):
    """Nothing that can be used came back; the text says why, and never holds what was sent."""

    def __init__(self, reason: str, sent: bool) -> None:
        """Keep whether the whole request was sent, so that the server may have worked on it."""
        super().__init__(reason)
        self.sent = sent


@dataclass(frozen=True)
class Response:
    """What came back, as it was sent."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case; only those that are looked at."""
    body: bytes
    whole: bool = True
    """Whether the body is all of it: that of an error is not read beyond a bound."""


class _Exchange(threading.local):
    """What the exchange of this thread goes over, for the timer that may cut it."""

    wire: _Wire | None = None


class _Wire:
    def __init__(self) -> None:
        self.connection: Any = None
        self.socket: Any = None
        self.cut = False

    def close(self) -> None:
        """End what is being sent or received, from another thread."""
        self.cut = True
        found: Any = self.socket or getattr(self.connection, 'sock', None)
        with suppress(OSError, AttributeError, TypeError):
            # Of TLS, too, only the socket itself: its own shutdown would wait for the peer.
            socket.socket.shutdown(found, socket.SHUT_RDWR)


_NOW = _Exchange()


class _Noted:
    """A connection that tells the timer of its thread what it goes over."""

    sock: Any

    def request(self, *args: Any, **options: Any) -> None:
        if _NOW.wire is not None:
            _NOW.wire.connection = self
        super().request(*args, **options)  # type: ignore[misc]

    def getresponse(self) -> Any:
        if _NOW.wire is not None:
            _NOW.wire.socket = self.sock
        return super().getresponse()  # type: ignore[misc]


class _Plain(_Noted, HTTPConnection):
    pass


class _Secured(_Noted, HTTPSConnection):
    pass


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecuredPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secured


class Transport:
    """Connections to one server; may be used by several threads."""

    def __init__(self, address: Address, connections: int = 1) -> None:
        """
        Connect to nothing yet; `connections` are kept open at most.

        Raises ConfigurationError for a proxy of the environment that cannot be used.
        """
        self._address = address
        self._pools: Any = _pools(address, connections)
        self._pools.pool_classes_by_scheme = {'http': _PlainPool, 'https': _SecuredPool}

    def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        seconds: float,
        most: int = MOST_BYTES,
    ) -> Response:
        """
        Send a request to `path` below the address and return what comes back within `seconds`.

        Raises NoAnswer where nothing comes, or too much, too slowly, or not all of it.
        """
        begin = time.monotonic()
        wire = _Wire()
        timer = threading.Timer(seconds, wire.close)
        timer.daemon = True
        timer.start()
        _NOW.wire = wire
        late = f'no whole answer within {seconds:g} s'
        try:
            response = self._exchange(method, path, headers, body, seconds, most)
        except (HTTPError, OSError, ValueError) as error:
            in_time = not wire.cut and time.monotonic() - begin < seconds
            said = _why(error) if in_time else late
            raise NoAnswer(said, wire.socket is not None) from None
        finally:
            _NOW.wire = None
            timer.cancel()
        if wire.cut:
            # A head or a body without a length ends well where its connection ends.
            raise NoAnswer(late, True)
        return response

    def _exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        seconds: float,
        most: int,
    ) -> Response:
        response = self._pools.request(
            method,
            self._address.url + path,
            body=body,
            headers={
                'Accept': 'application/json',
                # What is compressed may be any size; an answer is small.
                'Accept-Encoding': 'identity',
                'User-Agent': f'vlm_misalign_ros/{__version__}',
                **headers,
            },
            timeout=urllib3.Timeout(connect=min(seconds, CONNECTING), read=seconds),
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        whole = False
        try:
            found = {name: str(response.headers.get(name, ''))[:1000] for name in _HEADERS}
            parts, size = [], 0
            while part := response.read(_CHUNK, decode_content=False):
                parts.append(part)
                size += len(part)
                if size > most:
                    break
            whole = size <= most
            return Response(response.status, found, b''.join(parts)[:most], whole)
        finally:
            if whole:
                response.release_conn()
            else:
                # What is not read to its end cannot be used for another request.
                response.close()


def _pools(address: Address, connections: int) -> urllib3.PoolManager:
    """Return what connects, over the proxy of the environment where there is one for it."""
    proxy = urllib.request.getproxies().get(address.scheme)
    if address.local or not proxy or urllib.request.proxy_bypass(address.host):
        return urllib3.PoolManager(maxsize=connections)
    try:
        parts = urllib3.util.parse_url(proxy)
        if parts.auth is None:
            return urllib3.ProxyManager(proxy, maxsize=connections)
        headers = urllib3.make_headers(proxy_basic_auth=unquote(parts.auth))
        bare = parts._replace(auth=None).url
        return urllib3.ProxyManager(bare, maxsize=connections, proxy_headers=headers)
    except (HTTPError, ValueError):
        # It may hold a password, and is not shown.
        raise ConfigurationError(
            f'{address.scheme}_proxy holds no proxy that can be used',
            'give http://HOST:PORT, or name the server in no_proxy',
        ) from None


def _why(error: Exception) -> str:
    """Return in words why nothing came; of the error's own text only what names no request."""
    if isinstance(error, MaxRetryError) and error.reason is not None:
        error = error.reason
    if isinstance(error, NameResolutionError):
        return 'the name of the server is not known (DNS)'
    cause: BaseException = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    told = str(getattr(cause, 'strerror', '') or '') if isinstance(cause, OSError) else ''
    return f'{type(error).__name__}: {told or type(cause).__name__}'
