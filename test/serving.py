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

"""A server of chat completions for tests: it says and does what a test tells it to."""

from __future__ import annotations

import json
import math
import random
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from vlm_misalign_ros.core.models.served.address import parse_address
from vlm_misalign_ros.core.models.served.client import Client
from vlm_misalign_ros.core.models.served.patience import Gate
from vlm_misalign_ros.core.models.served.questions import Coding, Picture, Question
from vlm_misalign_ros.core.models.served.secret import Secret
from vlm_misalign_ros.core.models.served.spending import Budget
from vlm_misalign_ros.core.models.served.transport import Transport

CODING = Coding()
SECONDS = 10.0
MODEL = 'street-vlm'
CANARY = 'sk-canary/7f3A+9Qz=0123456789abcdef'
"""A key; wherever it is found outside a request, it has leaked."""


def completion(text: Any = 'There is a car. It is safe to proceed.', **given: Any) -> dict:
    """Return a chat completion; `given` are fields of it or of its choice."""
    choice = {
        'index': 0,
        'message': {'role': 'assistant', 'content': text},
        'finish_reason': given.pop('finish_reason', 'stop'),
        'logprobs': given.pop('logprobs', None),
    }
    whole = {
        'id': 'x',
        'object': 'chat.completion',
        'created': 1,
        'model': MODEL,
        'system_fingerprint': 'fp_1',
        'choices': [choice],
        'usage': {'prompt_tokens': 90, 'completion_tokens': 10, 'total_tokens': 100},
    }
    return {**whole, **given}


def logprobs(*places: dict[str, float]) -> dict:
    """Return `logprobs` of a greedy answer: at each place, probabilities of tokens by text."""
    content = []
    for place in places:
        tops = [
            {'token': text, 'logprob': math.log(chance), 'bytes': list(text.encode())}
            for text, chance in sorted(place.items(), key=lambda entry: -entry[1])
        ]
        content.append({**tops[0], 'top_logprobs': tops})
    return {'content': content}


class Asked:
    """A request, as the server got it."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        self.method = handler.command
        self.path = handler.path
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.raw = body
        self.json: Any = json.loads(body) if body else None


Answer = Callable[[BaseHTTPRequestHandler, Asked], None]


def say(data: Any, status: int = 200, **headers: str) -> Answer:
    """Return what answers with JSON, or with bytes as they are."""
    body = data if isinstance(data, bytes) else json.dumps(data).encode()

    def answer(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        handler.send_response(status)
        handler.send_header('Content-Type', 'application/json')
        handler.send_header('Content-Length', str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace('_', '-'), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


class Server:
    """
    A server on a free port of this machine.

    `script` are the answers to the next requests, in order; after them, and without any, every
    request gets `otherwise`. `asked` are the requests that came.
    """

    def __init__(
        self, otherwise: Answer | None = None, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.script: list[Answer] = []
        self.otherwise = otherwise or say(completion())
        self.asked: list[Asked] = []
        self.released = threading.Event()
        """Set when the test is over: what stands still goes on."""
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            server_version = 'Fixture/1'
            sys_version = ''

            def setup(self) -> None:
                super().setup()
                outer._open.add(self.connection)

            def finish(self) -> None:
                outer._open.discard(self.connection)
                super().finish()

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
                asked = Asked(self, body)
                with outer._lock:
                    outer.asked.append(asked)
                    answer = outer.script.pop(0) if outer.script else outer.otherwise
                try:
                    answer(self, asked)
                except OSError:
                    self.close_connection = True

            do_POST = do_GET = _answer

            def log_message(self, *args: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *args: Any) -> None:
                pass

        self._server = Quiet(('127.0.0.1', port), Handler)
        self._scheme = 'http' if tls is None else 'https'
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f'{self._scheme}://127.0.0.1:{self.port}/v1'

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *unused: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._open):
            # One that a client keeps open would be answered for ever.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)


class Clock:
    """Time that passes only where it is waited for."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        with self._lock:
            self.waits.append(seconds)
            self.time += seconds


def client_of(url: str, **given: Any) -> Client:
    """Return a client of a server, with a clock of its own and no key."""
    clock = given.pop('clock', Clock())
    whole = {
        'transport': Transport(parse_address(url)),
        'url': url,
        'secret': Secret('A_KEY', given.pop('key', '')),
        'coding': CODING,
        'gate': Gate(given.pop('per_minute', 0.0), clock),
        'budget': Budget(given.pop('limit', 0)),
        'timeout': SECONDS,
        'retries': 2,
        'clock': clock,
        'drawn': random.Random(7),
        **given,
    }
    return Client(**whole)


def question(
    text: str = 'What is there?', seed: int = 0, pictures: int = 1, **given: Any
) -> Question:
    """Return a question about pictures drawn from a seed."""
    drawn = np.random.default_rng(seed)
    shown = [drawn.integers(0, 256, (8, 16, 3), np.uint8) for _ in range(pictures)]
    whole = {
        'model': 'street-vlm',
        'text': text,
        'pictures': tuple(Picture(bgr, CODING) for bgr in shown),
        'system': '',
        'length': 20,
        'logprobs': False,
        **given,
    }
    return Question(**whole)


# Faults ------------------------------------------------------------------------------------------


def cut_off(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    """Announce more than is sent, and go."""
    body = json.dumps(completion()).encode()
    handler.send_response(200)
    handler.send_header('Content-Length', str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()
    handler.close_connection = True
    handler.connection.close()


def hang_up(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    """Close the connection without a word."""
    handler.close_connection = True
    handler.connection.close()


def dripping(server: Server, head: bool) -> Answer:
    """Return what sends a byte every now and then and never ends, of its head or of its body."""

    def answer(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        if head:
            handler.wfile.write(b'HTTP/1.1 200 OK\r\nX-Slow: ')
        else:
            handler.send_response(200)
            handler.send_header('Content-Length', '1000000')
            handler.end_headers()
        while not server.released.wait(0.02):
            handler.wfile.write(b' ')
            handler.wfile.flush()

    return answer


def silent(server: Server) -> Answer:
    """Return what takes the request and says nothing."""

    def answer(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        server.released.wait(30)
        handler.close_connection = True

    return answer


def endless(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    """Send a body that never ends, as fast as it is taken."""
    handler.send_response(200)
    handler.send_header('Transfer-Encoding', 'chunked')
    handler.end_headers()
    chunk = b'10000\r\n' + b' ' * 0x10000 + b'\r\n'
    while True:
        handler.wfile.write(chunk)
