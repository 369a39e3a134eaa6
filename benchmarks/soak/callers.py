"""Those who call: steady ones, slow ones, ones who leave, and crowds. All write what they saw into one ``Book``."""

import hashlib
import http.client
import random
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.soak.material import File, Material
from benchmarks.soak.traffic import SEGMENT, Kind, Shot

PATIENCE = 60.0  # seconds without an answer that count as a hang
CHUNKS = 10
SLOW, STALLED, TOO_MUCH, LEFT, CROWD = "slow", "stalled", "announces too much", "left", "crowd"


@dataclass
class Book:
    """What came back. ``statuses`` by kind; ``ms`` by kind, of answers that were right; ``wrong``: in words."""

    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: Counter[str] = field(default_factory=Counter)
    _answers: dict[tuple[str, str], str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, kind: Kind, shot: Shot, status: int, headers: Mapping[str, str], answer: bytes, ms: float) -> None:
        """Note an answer, and what is wrong with it."""
        with self._lock:
            self.statuses[kind.name][status] += 1
            if status == 503 and "retry-after" in {name.lower() for name in headers}:
                return
            if status not in kind.statuses:
                self.wrong[f"{kind.name}: {status} for {shot.about or shot.path}: {answer[:160]!r}"] += 1
                return
            self.ms[kind.name].append(ms)
            if kind.steady and status == 200 and (steady := kind.steady(answer)) is not None:
                self._compare(kind, shot, steady)

    def _compare(self, kind: Kind, shot: Shot, answer: bytes) -> None:
        digest = hashlib.sha256(answer).hexdigest()
        if self._answers.setdefault((kind.name, shot.about), digest) != digest:
            self.wrong[f"{kind.name}: another answer than before for {shot.about}"] += 1

    def status(self, who: str, status: int, right: Sequence[int]) -> None:
        """Note the status that a special caller got."""
        with self._lock:
            self.statuses[who][status] += 1
            if status not in right:
                self.wrong[f"{who}: {status}"] += 1

    def complain(self, text: str) -> None:
        with self._lock:
            self.wrong[text] += 1


@dataclass(frozen=True)
class Site:
    """Where to send what. ``timeout``: the server's, in seconds. ``crowd``: more than it takes at once."""

    port: int
    kinds: Sequence[Kind]
    material: Material
    timeout: float
    crowd: int
    book: Book


def steady(site: Site, until: float, seed: int) -> None:
    """One request after the other over a kept connection, of every kind by its weight."""
    draw, weights = random.Random(seed), [kind.weight for kind in site.kinds]
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE)
    while time.monotonic() < until:
        (kind,) = draw.choices(site.kinds, weights)
        fire(site, kind, kind.shot(site.material, draw), connection)
    connection.close()


def fire(site: Site, kind: Kind, shot: Shot, connection: http.client.HTTPConnection) -> None:
    """Send and check."""
    began = time.monotonic()
    try:
        connection.request(shot.method, shot.path, shot.body, dict(shot.headers))
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        seconds = time.monotonic() - began
        site.book.complain(f"{kind.name}: no answer after {seconds:.1f} s: {type(error).__name__} for {shot.about}")
        return
    ms = (time.monotonic() - began) * 1000
    site.book.check(kind, shot, response.status, dict(response.headers), answer, ms)


def slow(site: Site, until: float, seed: int) -> None:
    """Bodies that drip in time, that stall, and ones that are announced to be enormous."""
    draw = random.Random(seed)
    while time.monotonic() < until:
        who = draw.choice((SLOW, STALLED, TOO_MUCH))
        file = draw.choice(site.material.good)
        right = {SLOW: (200, 503), STALLED: (408,), TOO_MUCH: (413,)}[who]
        announced = 1 << 40 if who == TOO_MUCH else len(file.data)
        try:
            with _connected(site) as connection:
                connection.sendall(_head(announced))
                if who != TOO_MUCH:
                    _drip(connection, file, site.timeout / 3, stall=who == STALLED)
                site.book.status(who, _status(connection), right)
        except OSError as error:
            site.book.complain(f"{who}: no answer: {type(error).__name__}")


def leaving(site: Site, until: float, seed: int) -> None:
    """Callers who close: in the middle of the body, or while their picture is worked on."""
    draw = random.Random(seed)
    while time.monotonic() < until:
        file, part = draw.choice(site.material.good), draw.choice((0.0, 0.5, 1.0, 1.0))
        with _connected(site) as connection:
            connection.sendall(_head(len(file.data)) + file.data[: int(part * len(file.data))])
            time.sleep(draw.random() * 0.3)
        site.book.status(LEFT, 0, (0,))
        time.sleep(draw.random() * 0.5)


def crowds(site: Site, until: float, seed: int, every: float = 15.0) -> None:
    """Now and then more callers at once than the server takes: some get 503, and are told when to come back."""
    draw = random.Random(seed)
    while True:
        crowd = [
            threading.Thread(target=_one_of_many, args=(site, draw.choice(site.material.good)))
            for _ in range(site.crowd)
        ]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
        if time.monotonic() + every > until:
            return
        time.sleep(every)


def _one_of_many(site: Site, file: File) -> None:
    kind = Kind(CROWD, SEGMENT, 0, lambda file: Shot(file.name, f"{SEGMENT}?format=mask", file.data))
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE)
    fire(site, kind, kind.make(file), connection)
    connection.close()


def _connected(site: Site) -> socket.socket:
    return socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE)


def _head(length: int) -> bytes:
    return f"POST {SEGMENT}?format=mask HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n".encode()


def _drip(connection: socket.socket, file: File, seconds: float, stall: bool) -> None:
    """The body in pieces over ``seconds``; ``stall``: all but the last one, which never comes."""
    step = -(-len(file.data) // CHUNKS)
    pieces = [file.data[i : i + step] for i in range(0, len(file.data), step)]
    for piece in pieces[: -1 if stall else None]:
        connection.sendall(piece)
        time.sleep(seconds / CHUNKS)


def _status(connection: socket.socket) -> int:
    response = http.client.HTTPResponse(connection)
    response.begin()
    response.read()
    return response.status


Caller = Callable[[Site, float, int], None]
"""(site, until, seed): call until then."""

CALLERS: tuple[Caller, ...] = (steady, steady, steady, steady, slow, slow, leaving, crowds)


def call(site: Site, seconds: float, seed: int) -> None:
    """All callers at once for so long."""
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=caller, args=(site, until, seed + n)) for n, caller in enumerate(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
