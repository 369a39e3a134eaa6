"""The page of a server that asks for a key, and the pages of other hosts."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import serving

KEY = "a-key-for-the-tests-0123456789"


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[list[str]]:
    """Two other hosts with empty pages: their origins."""

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Empty) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield [f"http://127.0.0.1:{server.server_port}" for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def guarded(chromium: str, elsewhere: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that asks for ``KEY`` and lets the pages of the first other host in."""
    with serving(tmp_path_factory.mktemp("guarded"), API_KEYS=KEY, CORS=elsewhere[0]) as url:
        yield url


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_the_page_asks_for_the_key_and_keeps_it_in_this_tab(tab: Page, guarded: str) -> None:
    tab.goto(guarded)
    expect(tab.get_by_role("dialog", name="This server asks for an API key")).to_be_visible()
    tab.locator("#key").fill("wrong-key-0123456789")
    tab.get_by_role("button", name="Use this key").click()
    expect(tab.get_by_role("dialog")).to_contain_text("The server does not know this key")
    tab.locator("#key").fill(KEY)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#ability-list li")
    expect(tab.get_by_role("dialog")).to_have_count(0)
    tab.click("[data-sample='astronaut.jpg']")
    tab.wait_for_selector("#page[data-state=result]", timeout=60_000)
    tab.reload()
    tab.wait_for_selector("#ability-list li")
    assert tab.evaluate("[sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""]
    other = tab.context.new_page()
    other.goto(guarded)
    expect(other.get_by_role("dialog")).to_be_visible()


def test_who_leaves_the_question_is_told_why_nothing_works(tab: Page, guarded: str) -> None:
    tab.goto(guarded)
    tab.get_by_role("button", name="Cancel").click()
    expect(tab.locator("#problem")).to_contain_text("This server asks for an API key.")
    tab.get_by_role("button", name="Try again").click()
    expect(tab.get_by_role("dialog")).to_be_visible()


def test_the_reference_asks_for_it_when_something_is_tried(tab: Page, guarded: str) -> None:
    tab.goto(f"{guarded}/docs")
    models = tab.locator("#get-v1-models")
    models.locator("summary", has_text="Try it").click()
    models.locator("button", has_text="Send").click()
    tab.locator("#key").fill(KEY)
    tab.keyboard.press("Enter")
    expect(models.locator(".try-result")).to_contain_text("200 OK")


CALL = """([url, key]) => fetch(`${url}/v1/models`, { headers: { Authorization: `Bearer ${key}` } })
    .then((response) => [response.status, Boolean(response.headers.get("x-request-id"))], (error) => error.name)"""


def test_pages_of_other_hosts(tab: Page, guarded: str, elsewhere: list[str]) -> None:
    tab.goto(elsewhere[0])
    assert tab.evaluate(CALL, [guarded, KEY]) == [200, True]
    assert tab.evaluate(CALL, [guarded, "wrong"]) == [401, True]
    tab.goto(elsewhere[1])
    assert tab.evaluate(CALL, [guarded, KEY]) == "TypeError"
