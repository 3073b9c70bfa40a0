"""A real browser, and a page of the service in it that notices everything it should not do."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.service import Service

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDED = "needs a browser: apt-get install chromium, or put Google Chrome on the path"


@contextmanager
def started() -> Iterator[Browser]:
    """Chromium, running."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, service: Service, search: dict[str, str], **context: Any) -> Iterator[Page]:
    """The search page at the address of a search.

    Afterwards: no request has left this machine, no script has failed, and nothing was written to the console but what
    Chromium itself writes there about every request that fails.
    """
    page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **context})
    page.set_default_timeout(20_000)
    wrong, elsewhere = list[str](), list[str]()
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: elsewhere.append(request.url) if not _of_service(request.url, service) else None)
    try:
        page.goto(f"http://127.0.0.1:{service.port}/?{urlencode(search)}")
        yield page
    finally:
        page.close()
    assert elsewhere == []
    assert [message for message in wrong if not message.startswith("Failed to load resource")] == []


def _of_service(url: str, service: Service) -> bool:
    address = urlsplit(url)
    return (address.scheme, address.hostname, address.port) == ("http", "127.0.0.1", service.port)
