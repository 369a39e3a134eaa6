"""A real server and a real browser, for the tests of the page."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from maskery.core.settings import PREFIX
from tests.browser.watch import Watch

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
READY = "maskery: ready on "
SECONDS_TO_START = 60


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; the tests are skipped where none is installed."""
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser is installed (looked for {', '.join(CHROMIUM)})")
    return found


@pytest.fixture(scope="session")
def server_url(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server as users start it, without a slash at the end."""
    with serving(tmp_path_factory.mktemp("server")) as url:
        yield url


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[str]:
    """A server with ``settings`` (API_KEYS="..."), and its cache and log in ``folder``."""
    log = folder / "stderr.txt"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {"MASKERY_CACHE": str(folder)} | {PREFIX + name: value for name, value in settings.items()}
    command = [sys.executable, "-m", "maskery", "serve", "--port", "0"]
    with (
        log.open("wb") as stderr,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr, env=environment) as server,
    ):
        try:
            yield _address(server, log)
        finally:
            server.terminate()


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and server.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith(READY):
                return line.removeprefix(READY).strip().rstrip("/")
        time.sleep(0.1)
    pytest.fail(f"the server did not say {READY!r}:\n{log.read_text()}")


@pytest.fixture(scope="module")  # not longer: its event loop stands in the way of other tests'
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server_url: str) -> Iterator[Page]:
    """The page at /, loaded, with its models and samples."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    page = context.new_page()
    page.goto(server_url)
    page.wait_for_selector("#ability-list li")
    page.wait_for_selector("#sample-list button")
    yield page
    context.close()


@pytest.fixture
def watched(browser: Browser, server_url: str) -> Iterator[tuple[Page, Watch]]:
    """A page that has loaded nothing yet, and what it does that it should not."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    yield page, Watch(page, server_url)
    context.close()
