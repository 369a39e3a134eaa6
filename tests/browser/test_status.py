"""The status page in a real browser against the real server."""

import urllib.request
from typing import Any

import msgspec
from playwright.sync_api import Page, Route, expect

from maskery.serving.telemetry.status import Queue, Status, Waiting
from tests.browser.watch import Watch
from tests.material import encoded, photo
from tests.serving.states import STATUS

Watched = tuple[Page, Watch]
SLOW = 15_000  # milliseconds; a busy machine may take long to ask again


def show(page: Page, server_url: str, status: Status) -> list[Any]:
    """The page over this status instead of the server's. Gives what its questions are answered with; change it."""
    answers = [msgspec.to_builtins(status)]
    page.route("**/v1/status", lambda route: route.fulfill(json=answers[-1]))
    page.goto(f"{server_url}/status")
    return answers


def tiles(page: Page, list_id: str) -> dict[str, str]:
    """Name -> value of a list of tiles."""
    page.wait_for_selector(f"#{list_id} dd")
    names = page.locator(f"#{list_id} dt").all_inner_texts()
    return dict(zip(names, page.locator(f"#{list_id} dd").all_inner_texts(), strict=True))


def test_shows_the_server_without_errors_and_follows_it(watched: Watched, server_url: str) -> None:
    page, watch = watched
    page.goto(f"{server_url}/status")
    row = page.locator("tr[data-model^=everyday]")
    expect(row).to_contain_text("ready", timeout=SLOW)
    expect(row.locator("td").nth(1)).to_have_text("cpu")
    expect(row.locator("td").nth(2)).to_have_text("cpu")
    before = int(row.locator("td").nth(4).inner_text())
    body = encoded(photo("chelsea"), "JPEG", (90, 60))
    urllib.request.urlopen(urllib.request.Request(f"{server_url}/v1/segment", body), timeout=60).close()
    expect(row.locator("td").nth(4)).to_have_text(str(before + 1), timeout=SLOW)
    assert tiles(page, "service")["State"] == "ready"
    assert tiles(page, "limits")["Largest picture"] == "80.0 MP"
    assert watch.errors == []
    assert watch.foreign == []


def test_the_main_page_leads_to_it(page: Page, server_url: str) -> None:
    page.click("footer >> text=Status")
    page.wait_for_selector("#models tr", timeout=SLOW)
    assert page.url == f"{server_url}/status"


def test_a_model_that_failed_and_requests_that_wait(watched: Watched, server_url: str) -> None:
    page, watch = watched
    show(page, server_url, STATUS)
    assert tiles(page, "service") == {
        "State": "not ready",
        "Version": "0.1.0",
        "Running for": "13 s",
        "Pictures in work": "2",
        "Requests waiting": "2",
        "Pictures held": "1 kB",
        "Memory now": "1 kB",
        "Memory at most": "1 kB",
        "Memory limit": "1 kB",
    }
    broken = page.locator("tr[data-model='broken@2']")
    expect(broken).to_contain_text("broken.onnx cannot be loaded.")
    assert broken.locator("td").all_inner_texts()[1:] == ["cuda", "–", "–", "0", "–", "–", "never"]
    assert page.locator("#waiting tr").all_inner_texts() == [
        "everyday\t1\ta-1\t0.8 s\t59 s",
        "everyday\t2\tb-2\t0.5 s\t60 s",
    ]
    assert watch.errors == []


def test_a_device_that_was_not_asked_for_stands_out(watched: Watched, server_url: str) -> None:
    page, _ = watched
    answers = show(page, server_url, STATUS)
    used = page.locator("tr[data-model='everyday@1.0.0'] td").nth(2)
    expect(used).not_to_have_class("bad", timeout=SLOW)
    answers[-1]["models"][0]["device"] = {"asked": "cuda", "used": "cpu"}
    expect(used).to_have_class("bad", timeout=SLOW)


def test_text_of_a_caller_is_only_text(watched: Watched, server_url: str) -> None:
    page, watch = watched
    nasty = "<img src=x onerror=alert(1)>"
    answers = show(page, server_url, STATUS)
    answers[-1]["models"][0]["queue"] = msgspec.to_builtins(Queue(1, (Waiting(1, nasty, 1.0, 2.0),)))
    expect(page.locator("#waiting")).to_contain_text(nasty, timeout=SLOW)
    assert page.locator("#waiting img").count() == 0
    assert watch.errors == []


def test_a_server_that_is_gone_and_comes_back(watched: Watched, server_url: str) -> None:
    page, _ = watched
    show(page, server_url, STATUS)
    page.wait_for_selector("#models tr", timeout=SLOW)

    def refuse(route: Route) -> None:
        route.abort()

    page.route("**/v1/status", refuse)
    expect(page.locator("#lost")).to_be_visible(timeout=SLOW)
    expect(page.locator("#models tr")).to_have_count(2)
    page.unroute("**/v1/status", refuse)
    expect(page.locator("#lost")).to_be_hidden(timeout=SLOW)


def test_a_server_with_keys_asks_once(watched: Watched, server_url: str) -> None:
    page, _ = watched
    asked = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=401, json={"title": "Unauthorized", "code": "unauthorized"})

    page.route("**/v1/status", refuse)
    page.goto(f"{server_url}/status")
    page.click("dialog >> text=Cancel")
    expect(page.locator("#lost")).to_contain_text("Reload the page", timeout=SLOW)
    page.wait_for_timeout(2500)
    assert len(asked) == 1
    assert page.locator("dialog").count() == 0


def test_narrow_screens_scroll_only_the_table(watched: Watched, server_url: str) -> None:
    page, _ = watched
    page.set_viewport_size({"width": 360, "height": 740})
    show(page, server_url, STATUS)
    page.wait_for_selector("#models tr", timeout=SLOW)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
