"""Requests from the OpenAPI document, half of them breaking it: no 5xx, and nothing is left of them.

``make fuzz`` sends ten thousand; the tests send fewer, for the time.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from tests.material import encoded, photo
from tests.serving.live import Server

CASES = int(os.environ.get("FUZZ_CASES", "2000"))
PICTURE = encoded(photo("chelsea"), "JPEG", (96, 64))
BODIES = (PICTURE, PICTURE[:400], b"", b"{", b"[" * 500, b"\x00" * 64, b"GIF89a\xff\xff\xff\xff" + b"\x00" * 20)
BUSY = 503  # with Retry-After: an honest answer of a server that is to unload a model at work
NOT_READY = "/ready"  # 503 without it: of a model that a request before has unloaded


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server(MASKERY_OFFLINE="true", MASKERY_TIMEOUT="20", MASKERY_LOG_LEVEL="warning")
    yield server
    assert server.stop() in (0, -15)


def status(server: Server, field: str) -> int:
    """A field of the process's status: VmRSS in kB, Threads."""
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise AssertionError(field)


def open_files(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def breakable(operation: schemathesis.APIOperation) -> bool:
    """Whether a request can break its schema: any text will do as a name in a path or as a header."""
    definition = operation.definition.raw
    schemas = [one["schema"] for one in definition.get("parameters", []) if one["in"] != "query"]
    queries = len(definition.get("parameters", [])) - len(schemas)
    texts = all(schema["type"] == "string" and set(schema) <= {"type", "description", "example"} for schema in schemas)
    return "requestBody" in definition or queries > 0 or not texts


@pytest.mark.slow
def test_requests_made_from_the_document(server: Server) -> None:
    address = f"http://127.0.0.1:{server.port}"
    with urlopen(f"{address}/openapi.json", timeout=10) as answer:
        document = json.load(answer)
    schema = schemathesis.openapi.from_dict(document)
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 8
    session = requests.Session()
    seen: Counter[int] = Counter()
    wrong: list[str] = []
    for model in ("objects", "prompt"):  # by task=instance and /v1/interact requests load these too
        assert session.post(f"{address}/v1/models/{model}/load", timeout=60).status_code == 200
    for query in ("", "?task=instance"):
        for _ in range(20):
            session.post(f"{address}/v1/segment{query}", data=PICTURE, timeout=30)
    memory, threads, files = status(server, "VmRSS"), status(server, "Threads"), open_files(server)

    def fuzz(operation: schemathesis.APIOperation, mode: GenerationMode, cases: int, number: int) -> None:
        @seed(number)
        @settings(
            max_examples=cases,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), body=st.none() | st.sampled_from(BODIES))
        def run(case: schemathesis.Case, body: bytes | None) -> None:
            parts = case.as_transport_kwargs(base_url=address)
            if body is not None and case.method in ("POST", "PUT"):
                for name in ("data", "json", "files"):
                    parts.pop(name, None)
                parts["data"] = body
            try:
                response = session.request(**parts, timeout=30, allow_redirects=False)
            except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError):
                return  # what no client can send
            seen[response.status_code] += 1
            honest = "retry-after" in response.headers or urlsplit(response.url).path.endswith(NOT_READY)
            if response.status_code >= 500 and not (response.status_code == BUSY and honest):
                wrong.append(f"{case.method} {parts['url']}: {response.status_code} {response.text[:300]}")

        try:
            run()
        except Unsatisfiable:
            assert mode == GenerationMode.NEGATIVE  # nothing sent can break what has no schema to speak of

    share, number = -(-CASES // (2 * len(operations))), 0
    rich = [
        (operation, mode)
        for operation in operations
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        if mode == GenerationMode.POSITIVE or breakable(operation)  # looking for what is not there takes seconds
    ]
    while sum(seen.values()) < CASES:
        number += 1
        for operation, mode in list(rich):
            before = sum(seen.values())
            fuzz(operation, mode, share, number)
            if sum(seen.values()) - before < share // 2:  # one without parameters has few different requests
                rich.remove((operation, mode))
    assert not wrong, wrong[:5]
    assert seen[200] > CASES / 100, seen
    assert sum(seen[code] for code in range(400, 500)) > CASES / 10, seen
    deadline = time.monotonic() + 10
    while open_files(server) > files + 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert open_files(server) <= files + 2
    assert status(server, "Threads") <= threads + 8  # of pools that have grown to their limit
    assert status(server, "VmRSS") < memory * 1.25 + 20_000
    assert not [line for line in server.lines if "Traceback" in line]
    assert session.post(f"{address}/v1/segment", data=PICTURE, timeout=30).status_code == 200
