"""The pictures of the Dagster UI and of the Data Docs in docs/images, taken of the demo's home.

    make demo && genret ingest FOLDER --home .demo     # a second delta
    genret quality --html --home .demo                 # writes the Data Docs
    genret ui --home .demo                             # elsewhere, and left to run
    python docs/screenshots_ui.py .demo                # and the UI's address, if it is another one

Needs playwright (the `dev` extra) and a Chromium on the path. It launches the job evaluate.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
PATIENCE, DRAWN = 180_000, 4_000
"""Milliseconds to wait for what a page shows, and for it to be drawn."""
LOCATION = "locations/assets.definitions"


def main(home: Path, ui: str) -> None:
    """Take all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 820}, reduced_motion="reduce")
        page.set_default_timeout(PATIENCE)
        graph(page, ui)
        newest = max(path.stem for path in (home / "commits").glob("*.json"))
        shown(page, f"{ui}/assets/passages?view=partitions&partition={newest}", "Latest materialization", "ui-delta")
        shown(page, f"{ui}/assets/passages?view=checks", "Latest execution", "ui-check-passed")
        shown(page, f"{ui}/assets/synthetic_queries?view=checks", "Latest execution", "ui-check-failed")
        launched(page, ui)
        docs = home / "data_docs" / "index.html"
        shown(page, docs.absolute().as_uri(), "Data checks", "data-docs")
        browser.close()


def shown(page: Page, address: str, text: str, name: str) -> None:
    """A page, once it shows a text."""
    page.goto(address)
    page.get_by_text(text).first.wait_for()
    taken(page, name)


def taken(page: Page, name: str) -> None:
    """What the page looks like now."""
    page.wait_for_timeout(DRAWN)
    page.screenshot(path=IMAGES / f"{name}.png")


def graph(page: Page, ui: str) -> None:
    """Every stage, the groups opened."""
    page.goto(f"{ui}/asset-groups")
    page.get_by_text("fast_update").first.wait_for()
    page.get_by_text("Hide navigation").click()
    page.wait_for_timeout(DRAWN)
    page.keyboard.press("Alt+e")
    taken(page, "ui-graph")


def launched(page: Page, ui: str) -> None:
    """A run of the job evaluate: what it asks for, and how it ended."""
    page.goto(f"{ui}/{LOCATION}/jobs/evaluate/playground")
    page.get_by_text("No errors").first.wait_for()
    taken(page, "ui-launchpad")
    page.get_by_role("button", name="Launch Run").click()
    page.get_by_text("RUN_SUCCESS").first.wait_for()
    taken(page, "ui-run")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:3000")
