"""A relay passes everything on as it is, and counts it."""

import socket
import threading
from contextlib import closing, contextmanager

import pytest

from benchmarks.relay import Call, Server, relaying
from clients.credentials import write_credentials

REQUEST = b"POST /v1/fleet/push HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbye"


@contextmanager
def answering(response, tls=None):
    """A server that answers whatever comes and ends the connection; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            taken, _ = listening.accept()
            with taken if tls is None else tls.wrap_socket(taken, server_side=True) as one:
                heard.append(one.recv(1000))
                one.sendall(response)

        heard = []
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], heard
        thread.join()


def ask(port, request, tls=None):
    """All that comes back until the other side ends the connection."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=20)
    with closing(
        plain if tls is None else tls.wrap_socket(plain, server_hostname="localhost")
    ) as s:
        s.sendall(request)
        return b"".join(iter(lambda: s.recv(1000), b""))


def test_a_call_is_passed_on_read_and_counted():
    calls = []
    with answering(RESPONSE) as (port, heard), relaying(Server(port), calls.append) as wire:
        assert ask(wire.port, REQUEST) == RESPONSE
    assert heard == [REQUEST]
    heads = len(REQUEST) - 5 + len(RESPONSE) - 3
    assert calls == [Call("/v1/fleet/push", 200, heads, b"hello", b"bye")]
    assert (wire.connections, wire.sent_bytes) == (1, len(REQUEST) + len(RESPONSE))
    assert wire.unread == []


def test_tls_is_counted_and_what_is_in_it_is_read(tmp_path):
    write_credentials(tmp_path / "made", nodes=0)
    calls, folder = [], tmp_path / "made" / "server"
    tls = Server(0, folder)
    server = answering(RESPONSE, tls.incoming())
    with server as (port, heard), relaying(Server(port, folder), calls.append) as wire:
        assert ask(wire.port, REQUEST, tls.outgoing()) == RESPONSE
    assert heard == [REQUEST]
    assert [call.request for call in calls] == [b"hello"]
    assert wire.sent_bytes > len(REQUEST) + len(RESPONSE) + 1000, "with the certificate"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "in chunks"),
        (b"HTTP/1.1 two OK\r\n\r\n", "invalid literal"),
    ],
)
def test_what_cannot_be_read_is_passed_on_all_the_same_and_told(response, reason):
    calls = []
    with answering(response) as (port, _), relaying(Server(port), calls.append) as wire:
        assert ask(wire.port, REQUEST) == response
    assert calls == []
    assert [reason in line for line in wire.unread] == [True]


def test_without_a_server_the_connection_ends():
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    with relaying(Server(port), print) as wire:
        assert ask(wire.port, b"") == b""


def test_a_port_that_is_taken_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        with pytest.raises(OSError, match="in use"), relaying(Server(port), print, port):
            pass
