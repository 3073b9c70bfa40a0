"""Takes the pictures of the search page in docs/images, from a service that runs on the demo's home.

    genret serve --home .demo        # in another terminal, after `make demo`
    python docs/screenshots.py       # followed by the service's address, if it is another one

Needs playwright (the `dev` extra) and Chromium on the path.
"""

import shutil
import sys
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

from playwright.sync_api import Browser, sync_playwright

IMAGES = Path(__file__).parent / "images"
SEARCH = {"q": "keep only the n largest things of a long list without sorting all of it", "f.kind": "function"}


def main(service: str) -> None:
    """Take both pictures of the service at an address."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        picture(browser, service, IMAGES / "search.png", 1280, 1240, "light")
        picture(browser, service, IMAGES / "search-phone.png", 390, 1240, "dark")
        browser.close()


def picture(
    browser: Browser, service: str, path: Path, width: int, height: int, scheme: Literal["light", "dark"]
) -> None:
    """A picture of a search whose first hit is explained."""
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    page.goto(f"{service}/?{urlencode(SEARCH)}")
    page.get_by_role("button", name="Why").first.click()
    page.locator("#attributes button").first.wait_for(state="attached")
    page.screenshot(path=path)
    page.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
