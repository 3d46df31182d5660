"""What live servers stand on: ports that nobody else gets, and readiness that is an answer."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from lab.servers import kafka
from lab.servers.process import Ports


def listener(port: int) -> socket.socket:
    """As Java's and Go's servers listen."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen()
    return made


def test_a_held_port_is_a_servers_again_and_again_and_nobody_elses() -> None:
    ports = Ports()
    first, second = ports.take(), ports.take()
    assert first != second
    try:
        for _ in range(2):  # A server that is started again.
            with socket.socket() as asking, pytest.raises(ConnectionRefusedError):
                asking.connect(("127.0.0.1", first))
            with listener(first), socket.create_connection(("127.0.0.1", first), timeout=5.0):
                pass
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", first))
    finally:
        ports.release()
    with socket.socket() as other:
        other.bind(("127.0.0.1", second))


def test_ports_that_are_taken_after_a_release_are_released_too() -> None:
    ports = Ports()
    ports.release()
    port = ports.take()
    ports.release()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("answer", "answers"),
    [
        (struct.pack(">iih", 6, 7, 35), True),
        (struct.pack(">iih", 6, 8, 35), False),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (b"", False),
    ],
    ids=["a broker", "another's answer", "another server", "closed at once"],
)
def test_a_broker_is_there_when_it_answers(*, answer: bytes, answers: bool) -> None:
    with listener(0) as server:

        def serve() -> None:
            asked, _ = server.accept()
            with asked:
                assert asked.recv(100) == struct.pack(">ihhih", 10, 18, 0, 7, -1)
                asked.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert kafka._answers(server.getsockname()[1]) is answers
        thread.join(5.0)
