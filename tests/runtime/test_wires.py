"""Opening connections and keeping them: whether a request left is known exactly, and nothing is left open."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import socket
import ssl
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from yarl import URL

from engine.runtime import wires as module
from engine.runtime.http import ConnectionHttp, Pools, Target
from engine.runtime.wire import Answer, BrokenAnswer, Wire
from engine.runtime.wires import Place, Progress, Wires
from engine.sdk import errors
from tests.runtime.doubles import HandClock
from tests.runtime.loops import FACTORIES, on_both_loops
from tests.runtime.wire import HANG, Closing, answer, wire


class Counted(Wires):
    """Remembers the sockets that it made."""

    def __init__(self, **options: Any) -> None:
        usual = {"keep_alive": 60.0, "keep_alive_writes": 60.0, "allowed_addresses": (), "agent": "test"}
        super().__init__(**{**usual, **options})
        self.made: list[socket.socket] = []

    def _socket(self, info: Any) -> socket.socket:
        self.made.append(super()._socket(info))
        return self.made[-1]


@asynccontextmanager
async def pool(**options: Any) -> AsyncIterator[Counted]:
    """A pool, and proof that it leaves no socket open."""
    wires = Counted(**options)
    yield wires
    await wires.close()
    assert [made for made in wires.made if made.fileno() != -1] == []


async def ask(wires: Wires, url: str, *, progress: Progress | None = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await wires.exchange(
        "POST", Place.of(URL(url)), URL(url).raw_path_qs, named, b"{}", 1_000, progress or Progress()
    )


async def fails(wires: Wires, url: str, said: str, kind: type[Exception] = OSError) -> bool:
    """Whether a request that fails in this way says that it left."""
    progress = Progress()
    with pytest.raises(kind, match=said):
        await ask(wires, url, progress=progress)
    return progress.sent


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    """Every name leads to these addresses."""
    loop = asyncio.get_running_loop()

    async def resolve(host: str, port: int, **options: Any) -> Any:
        if (host, port) in addresses:
            # uvloop asks for the address of an address before it connects
            return await type(loop).getaddrinfo(loop, host, port, **options)
        return [
            (
                socket.AF_INET6 if ":" in host else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (host, port),
            )
            for host, port in addresses
        ]

    monkeypatch.setattr(loop, "getaddrinfo", resolve)


class Silent:
    """Listens and is full: nobody's connection comes about."""

    def __init__(self) -> None:
        self._sockets = [socket.socket()]
        self._sockets[0].bind(("127.0.0.1", 0))
        self._sockets[0].listen(0)
        self.port: int = self._sockets[0].getsockname()[1]
        for _ in range(2):
            self._sockets.append(socket.socket())
            self._sockets[-1].setblocking(False)
            self._sockets[-1].connect_ex(("127.0.0.1", self.port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for each in self._sockets:
            each.close()


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


# ---------------------------------------------------------------------- what leaves


@on_both_loops
async def test_the_head_of_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    async with wire(answer()) as server, pool() as wires:
        resolve_to(monkeypatch, ("127.0.0.1", server.port))
        for host, said in {
            "api.example.com": "api.example.com",
            "API.Example.com.": "api.example.com",
            "bücher.example.com": "xn--bcher-kva.example.com",
            "[::1]": "[::1]",
        }.items():
            await ask(wires, f"http://{host}:8080/a%2Fb/ü?x=%0d%0aX:1", x_name="Köln")
            lines = server.requests[-1].split(b"\r\n")
            assert lines[:2] == [b"POST /a%2Fb/%C3%BC?x=%0D%0AX:1 HTTP/1.1", f"Host: {said}:8080".encode()]
            assert lines[2:5] == [b"User-Agent: test", b"Accept: */*", b"Accept-Encoding: gzip"]
            assert lines[5:] == ["x-name: Köln".encode(), b"Content-Length: 2", b"", b"{}"]
        await ask(wires, "http://api.example.com/")
        assert b"\r\nHost: api.example.com\r\n" in server.requests[-1]


@on_both_loops
async def test_a_header_of_the_callers_takes_the_place_of_the_clients() -> None:
    async with wire(answer()) as server, pool() as wires:
        for name in ("user-agent", "accept", "accept-encoding"):
            await ask(wires, server.url, **{name: "mine"})
            head = server.requests[-1].lower()
            assert head.count(b"\r\n" + name.encode() + b":") == 1
            assert f"\r\n{name}: mine\r\n".encode() in head
            assert head.count(b"\r\naccept") == 2


# ---------------------------------------------------------------------- whether it left


@on_both_loops
async def test_a_request_that_nobody_could_take_did_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pool() as wires:
        assert not await fails(wires, f"http://127.0.0.1:{closed_port()}", "Connect call failed|refused")
        assert not await fails(wires, "http://nobody.invalid", r"'nobody\.invalid' cannot be resolved")
        for name in ("a..example.com", ".example.com", f"{'a' * 64}.example.com"):
            assert not await fails(wires, f"http://{name}", "cannot be resolved")
        assert not await fails(wires, "http://169.254.169.254", "metadata address")
        resolve_to(monkeypatch, ("169.254.169.254", 80), ("fe80::1", 80))
        assert not await fails(wires, "http://a.example.com", "169.254.169.254 is a link-local or metadata address")


@on_both_loops
async def test_a_request_over_a_connection_that_was_taken_away_did_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(Wire):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            # in the round in which the connection comes about: it is lost before anybody can send over it
            asyncio.get_running_loop().call_soon(self.close)

    async with wire(answer()) as server, pool() as wires:
        monkeypatch.setattr(module, "Wire", Gone)
        assert not await fails(wires, server.url, "closed the connection at once")
    assert server.requests == []


@on_both_loops
async def test_an_error_of_the_loops_own_kind_is_a_failed_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_args: Any, **_options: Any) -> socket.socket:
        raise RuntimeError("File descriptor 7 is used by transport")

    monkeypatch.setattr(module.aiohappyeyeballs, "start_connection", broken)
    async with pool() as wires:
        assert not await fails(wires, "http://127.0.0.1:1", "File descriptor 7")


@on_both_loops
async def test_a_request_that_was_read_left() -> None:
    async with wire(Closing()) as server, pool() as wires:
        assert await fails(wires, server.url, "the server closed it", BrokenAnswer)
    assert len(server.requests) == 1


@on_both_loops
async def test_a_request_left_before_the_first_of_its_bytes_did(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress()
    seen: list[bool] = []

    class Watched(Wire):
        def send(self, method: str, request: bytes, limit: int) -> asyncio.Future[Answer]:
            seen.append(progress.sent)
            return super().send(method, request, limit)

    monkeypatch.setattr(module, "Wire", Watched)
    async with wire(answer()) as server, pool() as wires:
        await ask(wires, server.url, progress=progress)
    assert seen == [True]


# ---------------------------------------------------------------------- several addresses


@on_both_loops
async def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NEXT_ADDRESS_AFTER", 0.01)
    with Silent() as silent:
        async with wire(answer(b"1")) as server, pool(keep_alive_writes=0.0) as wires:
            for first in (("169.254.0.1", 80), ("127.0.0.1", closed_port()), ("127.0.0.1", silent.port)):
                resolve_to(monkeypatch, first, ("127.0.0.1", server.port))
                assert (await ask(wires, "http://a.example.com")).body == b"1"
    assert len(server.requests) == 3


# ---------------------------------------------------------------------- giving up


@on_both_loops
async def test_giving_up_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """At each point at which something is waited for."""
    with Silent() as silent, socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(5)  # takes connections, and never says a word: TLS does not come about
        for url, addresses in (
            (f"http://127.0.0.1:{silent.port}", ()),
            ("http://a.example.com", (("127.0.0.1", silent.port), ("127.0.0.1", silent.port))),
            (f"https://127.0.0.1:{mute.getsockname()[1]}", ()),
        ):
            async with pool() as wires:
                if addresses:
                    resolve_to(monkeypatch, *addresses)
                for rounds in range(12):
                    progress = Progress()
                    call = asyncio.create_task(ask(wires, url, progress=progress))
                    for _ in range(rounds):
                        await asyncio.sleep(0)
                    call.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await call
                    assert not progress.sent
                monkeypatch.undo()


@on_both_loops
async def test_giving_up_while_the_name_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def resolve(*_args: Any, **_options: Any) -> list[Any]:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    async with pool() as wires:
        progress = Progress()
        call = asyncio.create_task(ask(wires, "http://a.example.com", progress=progress))
        await asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not progress.sent


@on_both_loops
async def test_giving_up_while_the_loop_takes_the_connection_over() -> None:
    """Before 0.23 uvloop left the socket with a descriptor that was closed already, and soon somebody else's."""
    async with wire(HANG) as server:
        progress, rounds = Progress(), 0
        while not progress.sent:
            rounds += 1
            async with pool() as wires:
                call = asyncio.create_task(ask(wires, server.url, progress=progress))
                for _ in range(rounds):
                    await asyncio.sleep(0)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call


@on_both_loops
async def test_giving_up_while_an_answer_is_waited_for() -> None:
    async with wire(HANG) as server, pool() as wires:
        progress = Progress()
        call = asyncio.create_task(ask(wires, server.url, progress=progress))
        await server.arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert progress.sent
        await asyncio.sleep(0)
        assert wires.made[0].fileno() == -1, "closed at once, not when the pool is"


@on_both_loops
async def test_an_answer_that_drips_in_is_given_up() -> None:
    clock = HandClock()
    hung_up = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        try:
            for _ in range(99):
                writer.write(b"x")
                await writer.drain()
                clock.advance(1)
                if await asyncio.wait_for(asyncio.shield(ending := asyncio.ensure_future(reader.read(1))), 0.01) == b"":
                    break
        except TimeoutError:
            ending.cancel()
        finally:
            writer.transport.abort()
            hung_up.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        pools = Pools()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(errors.ModuleError) as caught:
            await ConnectionHttp(Target(base_url=url, timeout=1), pools, clock).request("GET", "/x")
        await hung_up.wait()
        await pools.close()
    assert isinstance(caught.value, errors.TimeoutError)
    assert not caught.value.refused


# ---------------------------------------------------------------------- keeping them


@on_both_loops
async def test_each_request_of_many_gets_its_own_answer() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
                await asyncio.sleep(0)
                writer.write(answer(line.split(b" ")[1]))
        finally:
            writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server, pool() as wires:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        async def some(worker: int) -> None:
            for n in range(20):
                assert (await ask(wires, f"{url}/{worker}-{n}")).body == f"/{worker}-{n}".encode()

        await asyncio.gather(*(some(worker) for worker in range(20)))
        assert sum(len(waiting) for waiting in wires._idle.values()) <= 20
        # hosts that share an address share no connection
        await ask(wires, url.replace("127.0.0.1", "localhost") + "/x")
        assert len(wires._idle) == 2


@on_both_loops
async def test_a_request_that_outlives_the_pool_leaves_no_connection() -> None:
    released = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        released.set()
        await go.wait()
        writer.write(answer(b"late"))
        assert await reader.read() == b"{}"
        writer.close()
        hung_up.set()

    go, hung_up = asyncio.Event(), asyncio.Event()
    async with await asyncio.start_server(late, "127.0.0.1", 0) as slow, pool() as wires:
        other = asyncio.create_task(ask(wires, f"http://127.0.0.1:{slow.sockets[0].getsockname()[1]}"))
        await released.wait()
        await wires.close()
        go.set()
        assert (await other).body == b"late"
        await hung_up.wait()


@on_both_loops
async def test_a_closed_pool_leaves_no_timer() -> None:
    async with wire(answer()) as server:
        pools = Pools()
        await ask(pools.wires(), server.url)
        gone = weakref.ref(pools.wires())
        await pools.close()
        gc.collect()
        assert gone() is None


@pytest.mark.parametrize("loop_factory", FACTORIES.values(), ids=FACTORIES.keys())
def test_a_loop_that_ends_right_after_its_pool_leaves_no_socket(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            taken = listening.accept()[0]
            with taken:
                taken.recv(1_000)
                taken.sendall(answer())
                taken.recv(1_000)

        server = threading.Thread(target=serve)
        server.start()

        async def once() -> Counted:
            wires = Counted()
            await ask(wires, f"http://127.0.0.1:{listening.getsockname()[1]}")
            await wires.close()
            return wires

        loop = loop_factory()
        wires = loop.run_until_complete(once())
        loop.close()
        assert wires.made.pop().fileno() == -1
        gc.collect()
        server.join()


def test_each_loop_has_connections_of_its_own() -> None:
    pools = Pools()

    async def once() -> int:
        async with wire(answer()) as server:
            http = ConnectionHttp(Target(base_url=server.url), pools, HandClock())
            for _ in range(2):
                await http.request("GET", "/x")
            await pools.close()
            return server.connections

    assert [asyncio.run(once()) for _ in range(3)] == [1, 1, 1]
    assert not pools._wires


# ---------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for shop.example.com and the loopback addresses, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    names: Sequence[x509.GeneralName] = [
        x509.DNSName("shop.example.com"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file


class Shop:
    """A TLS server: what clients asked it for, and what they agreed on."""

    def __init__(self, reply: bytes) -> None:
        self.reply = reply
        self.port = 0
        self.names: list[str | None] = []
        self.agreed: list[str | None] = []
        self.requests = 0

    def named(self, _socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        self.names.append(name)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.agreed.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        try:
            while await reader.readline():
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
                self.requests += 1
                writer.write(self.reply)
                if isinstance(self.reply, Closing):
                    break
        finally:
            writer.close()


@asynccontextmanager
async def shop(certificate: Path, reply: bytes) -> AsyncIterator[Shop]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    made = Shop(reply)
    context.sni_callback = made.named
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


@on_both_loops
async def test_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with shop(certificate, answer(b"1")) as server, pool() as wires:
        resolve_to(monkeypatch, ("127.0.0.1", server.port))
        for host in ("shop.example.com", "shop.example.com", "shop.example.com.", "127.0.0.1", "[::1]"):
            assert (await ask(wires, f"https://{host}:{server.port}")).body == b"1"
        await asyncio.gather(*(ask(wires, f"https://127.0.0.1:{server.port}") for _ in range(3)))
    assert server.names[:4] == ["shop.example.com", "shop.example.com", None, None]
    assert set(server.agreed) == {"http/1.1"}
    assert server.requests == 8
    assert len(server.agreed) == 6, "the second request went over the connection of the first, one of three likewise"


@on_both_loops
async def test_tls_answers_until_the_end_and_bodies_that_are_cut(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with pool() as wires:
        for reply, body in (
            (Closing(b"HTTP/1.1 200 OK\r\n\r\nall of it"), b"all of it"),
            (answer(b"x" * 500_000), b"x" * 1_000),
        ):
            async with shop(certificate, reply) as server:
                assert (await ask(wires, f"https://127.0.0.1:{server.port}")).body == body
        async with shop(certificate, Closing(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut")) as server:
            assert await fails(wires, f"https://127.0.0.1:{server.port}", "closed", BrokenAnswer)


@on_both_loops
async def test_a_certificate_that_does_not_fit_proves_that_nothing_was_sent(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shop(certificate, answer()) as server, pool() as wires:
        url = f"https://127.0.0.1:{server.port}"
        assert not await fails(wires, url, "self-signed certificate", ssl.SSLCertVerificationError)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with shop(certificate, answer()) as server, pool() as wires:
        resolve_to(monkeypatch, ("127.0.0.1", server.port))
        for host in ("other.example.com", "127.0.0.2"):
            assert not await fails(wires, f"https://{host}", "doesn't match|mismatch", ssl.SSLCertVerificationError)
        # a name that is none for TLS either
        pools = Pools()
        with pytest.raises(errors.ConnectionError, match="nothing was sent") as caught:
            await ConnectionHttp(Target(), pools, HandClock()).request("POST", "https://other.example.com/", json={})
        await pools.close()
        assert caught.value.refused
    assert server.requests == 0
