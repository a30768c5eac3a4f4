"""Passes TCP connections on to a server, counts their bytes and reads the HTTP calls in them.

There are two relays, one behind the other. The outer one counts what crosses the network. The inner
one ends TLS with the server's own certificate, reads a copy, and begins TLS anew. What is read, or
cannot be read, never changes what is passed on.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

HOST = "127.0.0.1"
_AT_ONCE_BYTES = 1 << 16
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Call:
    """One HTTP request with its response: the length of both heads, and the bodies."""

    path: str
    status: int
    head_bytes: int
    request: bytes
    response: bytes


@dataclass
class Wire:
    """What crossed the network by way of `port`: connections, and all bytes in them with TLS."""

    port: int = 0
    connections: int = 0
    sent_bytes: int = 0
    unread: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Server:
    """Where the server listens on this machine; `credentials` holds its certificate and key."""

    port: int
    credentials: Path | None = None

    def incoming(self) -> ssl.SSLContext | None:
        """TLS as the server itself offers it."""
        if self.credentials is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.credentials / "server.crt", self.credentials / "server.key")
        return context

    def outgoing(self) -> ssl.SSLContext | None:
        """TLS as a client asks for it."""
        if self.credentials is None:
            return None
        return ssl.create_default_context(cafile=str(self.credentials / "ca.crt"))


@contextmanager
def relaying(server: Server, tell: Callable[[Call], None], port: int = 0) -> Iterator[Wire]:
    """Relay a port (0: any that is free) to the server, from a thread; `tell` runs there."""
    wire, loop = Wire(), asyncio.new_event_loop()
    inner = _Relay(
        server.port, lambda: _Reader(tell, wire.unread), server.incoming(), server.outgoing()
    )
    thread = threading.Thread(target=loop.run_forever, name="relay")
    thread.start()

    def wait_for(work: Coroutine[Any, Any, int]) -> int:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    try:
        with ExitStack() as closing:
            outer = _Relay(wait_for(inner.listen(0)), lambda: _Counter(wire))
            closing.callback(lambda: wait_for(inner.close()))
            wire.port = wait_for(outer.listen(port))
            closing.callback(lambda: wait_for(outer.close()))
            yield wire
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Watcher(Protocol):
    """Sees the bytes of one connection."""

    def up(self, data: bytes) -> None: ...

    def down(self, data: bytes) -> None: ...

    async def end(self) -> None: ...


@dataclass
class _Relay:
    """A port and the one behind it."""

    target: int
    watcher: Callable[[], _Watcher]
    incoming: ssl.SSLContext | None = None
    outgoing: ssl.SSLContext | None = None
    _server: asyncio.Server | None = None
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    async def listen(self, port: int) -> int:
        self._server = await asyncio.start_server(self._accept, HOST, port, ssl=self.incoming)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> int:
        assert self._server is not None
        self._server.close()
        ended = list(self._open)
        for connection in ended:
            connection.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        return len(ended)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        watcher = self.watcher()
        # A side that goes away ends the connection for the other: it will try again.
        with suppress(OSError, asyncio.CancelledError):
            await self._both_ways(reader, writer, watcher)
        await _close(writer)
        await watcher.end()
        self._open.discard(task)

    async def _both_ways(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watcher: _Watcher
    ) -> None:
        back, on = await asyncio.open_connection(HOST, self.target, ssl=self.outgoing)
        ways = [
            asyncio.create_task(_pump(reader, on, watcher.up)),
            asyncio.create_task(_pump(back, writer, watcher.down)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            await _close(on)


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Callable[[bytes], None]
) -> None:
    while data := await reader.read(_AT_ONCE_BYTES):
        seen(data)
        writer.write(data)
        await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


class _Counter:
    """Counts all bytes."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        wire.connections += 1

    def up(self, data: bytes) -> None:
        self.wire.sent_bytes += len(data)

    def down(self, data: bytes) -> None:
        self.wire.sent_bytes += len(data)

    async def end(self) -> None:
        """Counted as they came."""


class _Reader:
    """Reads the calls in a copy of the bytes."""

    def __init__(self, tell: Callable[[Call], None], unread: list[str]) -> None:
        self._up, self._down = asyncio.StreamReader(), asyncio.StreamReader()
        self._task = asyncio.create_task(self._read(tell, unread))

    def up(self, data: bytes) -> None:
        self._up.feed_data(data)

    def down(self, data: bytes) -> None:
        self._down.feed_data(data)

    async def end(self) -> None:
        self._up.feed_eof()
        self._down.feed_eof()
        await self._task

    async def _read(self, tell: Callable[[Call], None], unread: list[str]) -> None:
        try:
            while True:
                asked, request = await _message(self._up)
                told, response = await _message(self._down)
                path, status = asked.split(b" ", 2)[1].decode(), int(told.split(b" ", 2)[1])
                tell(Call(path, status, len(asked) + len(told), request, response))
        except asyncio.IncompleteReadError:
            return  # the end of the connection
        except Exception as error:  # noqa: BLE001 - told with the result; the traffic goes on
            unread.append(f"{type(error).__name__}: {error}")


async def _message(stream: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The head and the body of a request or a response."""
    head = await stream.readuntil(b"\r\n\r\n")
    if b"\r\ntransfer-encoding:" in head.lower():
        raise ValueError("a body in chunks, which this relay does not read")
    length = _LENGTH.search(head)
    return head, await stream.readexactly(int(length[1]) if length else 0)
