"""The search page in a real browser: asking, filtering, reading the account, by mouse and by keyboard alone."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from genret_ops.evaluation.metrics import display_name
from serving.auth.tokens import revoke_token
from tests.support.browsing import CHROMIUM, NEEDED, opened, started
from tests.support.commands import genret
from tests.support.service import Service, limited, served, token

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NEEDED)

QUERY = "where do visitors park"
ATTACK = "<img src=x onerror=alert(1)><script>alert(2)</script>"
HOSTILE = f"""---
team: "{ATTACK}"
---
# Title {ATTACK}

The saboteur writes {ATTACK} into the ledger. <a href="javascript:alert(3)">Nobody</a> wants "quotes' & ampersands.
"""
MARKUP = """# The *lamp* of the lighthouse

[Home](/) > [Lamps](/lamps)

## Wattage

* The **keeper** writes `lamp.on()` and :func:`lamp.off` into the logbook.
* See the `manual <https://example.org/manual>`_ of `the lamp_wattage`.

| part | watts |
| --- | :---: |
| bulb | 1000 |

Maintenance
===========

2 * 3 * 4 lumens remain, and so does snake_case.
"""


@pytest.fixture(scope="module")
def browser(service: Service) -> Iterator[Browser]:
    """After the service, since Playwright's event loop would be in the way of the ingest."""
    with started() as running:
        yield running


@pytest.fixture(scope="module")
def service(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service on the small home, to which a hostile document and one of much markup came after the training."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "hostile").mkdir()
    (folder / "hostile" / "hostile.md").write_text(HOSTILE)
    (folder / "hostile" / "lamp.md").write_text(MARKUP)
    home = Path(shutil.copytree(small_home, folder / "home"))
    genret("ingest", str(folder / "hostile"), home=home)
    with served(home) as running:
        yield running


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    with opened(browser, service, {}) as fresh_page:
        yield fresh_page


def ask(page: Page, query: str) -> None:
    page.get_by_label("What are you looking for?").fill(query)
    page.keyboard.press("Enter")
    answered(page)


def answered(page: Page) -> None:
    expect(page.locator("#status")).to_contain_text(" ms, ")


def titles(page: Page) -> list[str]:
    return page.locator("#hits h3").all_inner_texts()


def test_a_typed_query_is_answered_with_what_it_was_found_by_marked(page: Page, service: Service) -> None:
    expect(page.locator("#query")).to_be_focused()
    expect(page.locator("#status")).to_contain_text("Ask in your own words. Answers come from release r2")
    ask(page, QUERY)
    answer = service.search(QUERY, explain=True)
    assert titles(page) == [f"{hit['rank']} {hit['title'] or hit['doc_id']}" for hit in answer["hits"]]
    first = page.locator("#hits article").first
    expect(first.locator("mark")).to_have_text("Visitors park behind the warehouse; the barrier opens at six.")
    assert [word.lower() for word in first.locator("mark b").all_inner_texts()] == ["visitors", "park"]
    expect(first.locator(".score")).to_contain_text(f"{100 * answer['hits'][0]['score']:.1f} % share of its clause")
    expect(first.locator(".score")).to_have_attribute(
        "title", re.compile("a softmax over the candidates of that clause")
    )
    expect(first.locator(".about")).to_contain_text("team Blue Team")
    expect(first.locator(".about code")).to_have_text(answer["hits"][0]["label"])
    timed = re.compile(r"10 passages · \w+ · r2 · \d+ ms, \d+ ms of it in the encoder")
    expect(page.locator("#status")).to_contain_text(timed)


def test_the_account_tells_how_a_hit_was_found(page: Page, service: Service) -> None:
    query = 'according to Red Team, where do "Blue Team" visitors park'
    ask(page, query)
    hit = service.search(query, explain=True)["hits"][0]
    article = page.locator("#hits article").first
    article.get_by_role("button", name="Why").click()
    account = article.locator(".why")
    expect(account).to_contain_text(f"{hit['label']} number {hit['docid']}, learned")
    expect(account).to_contain_text("of its clause; words and model are weighed together")
    expect(account).to_contain_text("a softmax over the candidates of that clause")
    expect(account.locator("dt", has_text="Probability")).to_have_count(0)
    expect(account).to_contain_text(f"team={hit['metadata']['team']} was detected in the query, and holds")
    ranks = [int(cell.removeprefix("#")) for cell in account.locator("tbody td:nth-child(2)").all_inner_texts()]
    assert ranks == [by["rank"] for by in hit["found_by"].values()]
    for bar, by in zip(account.locator(".bar span").all(), hit["found_by"].values(), strict=True):
        assert bar.evaluate("node => parseFloat(node.style.width)") == pytest.approx(
            min(100, 10 * by["score"]), abs=0.01
        )
    near = [passage["doc_id"] for passage in hit["related"] if passage["doc_id"] != hit["doc_id"]]
    assert near and account.locator("dd li code").all_inner_texts()[-len(set(near)) :] == list(dict.fromkeys(near))
    expect(page.locator("#reading")).to_contain_text("team Red Team")
    article.get_by_role("button", name="Why").click()
    expect(account).to_be_hidden()


def test_before_anything_is_asked_the_page_shows_what_can_be(page: Page) -> None:
    guide = page.locator("#guide")
    for mode in ("Default", "Hybrid", "Generative", "Lexical", "Dense"):
        expect(guide).to_contain_text(mode)
    expect(guide).to_contain_text("Filter by team")
    expect(guide).to_contain_text("according to Red Team")
    guide.get_by_role("button", name="Ask: according to Red Team").click()
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.type("where do visitors park")
    page.keyboard.press("Enter")
    answered(page)
    expect(page.locator("#reading")).to_contain_text("team Red Team")
    expect(guide).to_be_hidden()
    page.go_back()
    guide.get_by_role("button", name="Filter by team: Blue Team").click()
    expect(page.locator("#active")).to_contain_text("team Blue Team")


def test_snippets_are_text_and_not_markup(page: Page, service: Service) -> None:
    query = "what does the keeper of the lamp write into the logbook"
    ask(page, query)
    article = page.locator("#hits article", has_text="keeper").first
    snippet = article.locator("p:not([class])")
    expect(snippet).to_contain_text("The keeper writes lamp.on() and lamp.off into the logbook.")
    article.get_by_role("button", name="Why").click()
    expect(article.locator("p.whole")).to_contain_text("See the manual of the lamp_wattage.")
    for shown in (
        page.evaluate("text => import('/page/marking.js').then((marking) => marking.plain(text))", MARKUP),
        article.locator("p.whole").inner_text(),
    ):
        assert not [mark for mark in ("**", "`", "# ", "](", "---", "===", "<https") if mark in shown], shown
    for kept in (
        "Home > Lamps",
        "• See the manual",
        "bulb · 1000",
        "2 * 3 * 4 lumens",
        "snake_case",
        "The lamp of the",
    ):
        assert kept in page.evaluate("text => import('/page/marking.js').then((m) => m.plain(text))", MARKUP)
    raw = next(hit["text"] for hit in service.search(query)["hits"] if "keeper" in hit["text"])
    assert "**keeper**" in raw and "| --- |" in raw, "programs get the passage as it is"


def test_fresh_and_relaxed_are_explained_and_do_not_look_like_errors(page: Page, service: Service) -> None:
    ask(page, "what does the saboteur write into the ledger")
    calm(page, "fresh", "came after the last training")
    query = quote("according to Red Team, where do visitors park")
    page.goto(f"http://127.0.0.1:{service.port}/?q={query}&f.team=Blue+Team")
    answered(page)
    calm(page, "without team=Red Team", "The query asks for team=Red Team")


def calm(page: Page, label: str, title: str) -> None:
    """A label is explained, and has the colour of notes and not that of warnings."""
    badge = page.locator(".badge", has_text=label).first
    expect(badge).to_have_attribute("title", re.compile(title))
    assert badge.evaluate("element => getComputedStyle(element).color") == "rgb(103, 99, 91)"


def test_a_mode_is_switched_and_a_cosine_is_not_called_a_probability(page: Page) -> None:
    ask(page, QUERY)
    page.get_by_label("Dense").check()
    expect(page.locator("#status")).to_contain_text("dense")
    expect(page.locator(".score").first).to_contain_text("cosine")
    page.get_by_role("button", name="Why").first.click()
    expect(page.locator(".why").first).to_contain_text("it is not a probability")


def test_filters_come_with_counts_and_go_as_chips(page: Page) -> None:
    ask(page, QUERY)
    page.get_by_role("button", name="Red Team 4").click()
    expect(page.locator("#active")).to_contain_text("team Red Team")
    expect(page.get_by_role("button", name="Red Team 4")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".about span", has_text="team Blue Team")).to_have_count(0)
    answered(page)
    assert set(page.locator(".about span", has_text="team").all_inner_texts()) == {"team Red Team"}
    page.get_by_role("button", name="Remove filter team: Red Team").press("Enter")
    expect(page.locator("#status")).to_be_focused()
    expect(page.locator("#hits h3").first).to_contain_text("Where to leave a car")


def test_the_address_is_the_search_and_is_gone_back_to(page: Page, browser: Browser, service: Service) -> None:
    ask(page, QUERY)
    page.get_by_label("Lexical").check()
    expect(page.locator("#status")).to_contain_text("lexical")
    page.get_by_role("button", name="Blue Team 2").click()
    expect(page).to_have_url(re.compile(r"\?q=where\+do\+visitors\+park&mode=lexical&f\.team=Blue\+Team$"))
    page.go_back()
    expect(page.locator("#active li")).to_have_count(0)
    expect(page.get_by_label("Lexical")).to_be_checked()
    page.go_back()
    expect(page.get_by_label("Default")).to_be_checked()
    page.go_back()
    expect(page.locator("#query")).to_have_value("")
    expect(page.locator("#hits li")).to_have_count(0)
    page.go_forward()
    expect(page.locator("#query")).to_have_value(QUERY)
    expect(page.locator("#hits h3").first).to_contain_text("Where to leave a car")
    with opened(browser, service, {"q": "honey", "mode": "lexical", "f.team": "Green Team"}) as linked:
        expect(linked.locator("#hits h3")).to_have_text(["1 The hives on the roof"])
        expect(linked.locator("#active")).to_contain_text("Green Team")


def test_the_keyboard_is_enough(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.type(QUERY)
    page.keyboard.press("Enter")
    answered(page)
    articles = page.locator("#hits article")
    page.keyboard.press("ArrowDown")
    expect(articles.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(articles.nth(1)).to_be_focused()
    page.keyboard.press("e")
    expect(articles.nth(1).locator(".why")).to_be_visible()
    page.keyboard.press("k")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.type("e?j")
    expect(page.locator("#query")).to_have_value("e?j")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("#query")).to_be_focused()


def test_a_document_and_a_query_stay_text(page: Page) -> None:
    ask(page, f"what does the saboteur write into the ledger {ATTACK}")
    article = page.locator("#hits article", has_text="saboteur")
    article.get_by_role("button", name="Why").click()
    expect(article.locator("h3")).to_contain_text(f"Title {ATTACK}")
    expect(article.locator(".whole")).to_contain_text('<a href="javascript:alert(3)">Nobody</a>')
    expect(article.locator(".why")).to_contain_text("fresh: it came after the last training")
    expect(page.locator("#attributes")).to_contain_text(ATTACK)
    page.get_by_role("button", name=ATTACK).click()
    expect(page.locator("#active")).to_contain_text(ATTACK)
    assert page.locator("main img, main script, main a").count() == 0
    assert page.title().startswith("what does the saboteur")


def test_the_policy_holds_even_for_what_gets_in(browser: Browser, service: Service) -> None:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{service.port}/")
    page.evaluate(
        "window.blocked = []; addEventListener('securitypolicyviolation', e => blocked.push(e.effectiveDirective))"
    )
    for attempt in (
        "document.body.innerHTML = '<b>x</b>'",
        "document.body.setAttribute('onclick', '1')",
        "document.head.append(Object.assign(document.createElement('style'), {textContent: '*{color:red}'}))",
        f"await fetch('http://127.0.0.2:{service.port}/readyz')",
    ):
        page.evaluate(f"async () => {{ try {{ {attempt} }} catch {{}} }}")
    markup = "require-trusted-types-for"
    assert page.evaluate("blocked") == [markup, markup, "style-src-elem", "connect-src"]
    page.close()


def test_waiting_is_shown_and_only_the_last_question_is_answered(page: Page) -> None:
    held = list[Route]()

    def hold_the_first(route: Route) -> None:
        held.append(route)
        if len(held) > 1:
            route.continue_()

    page.route("**/v1/search", hold_the_first)
    page.get_by_label("What are you looking for?").fill("bees")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("Searching …")
    expect(page.locator("[aria-busy]")).to_have_count(1)
    with page.expect_event("requestfailed"):
        ask(page, QUERY)
    expect(page.locator("[aria-busy]")).to_have_count(0)
    expect(page.locator("#hits h3").first).to_contain_text("Where to leave a car")


def test_the_release_tells_how_it_did(page: Page, service: Service) -> None:
    answering = service.call("GET", "/v1/releases")[1]["releases"][-1]
    page.get_by_role("button", name="Release r2").click()
    dialog = page.get_by_role("dialog", name="Release r2")
    expect(dialog).to_contain_text(answering["content_hash"])
    expect(dialog).to_contain_text("champion")
    for name, value in answering["metrics"].items():
        expect(dialog.get_by_role("row", name=display_name(name))).to_contain_text(f"{100 * value:.1f} %")
    for criterion in answering["gate"]["criteria"]:
        figures = f"{criterion['told']}: {criterion['value']:.4f}, at least {criterion['bound']:.4f}"
        compared = criterion.get("compared", True)
        expect(dialog).to_contain_text(figures if compared else f"{criterion['name']} not compared{criterion['told']}")
    expect(dialog).to_contain_text("Other releases")


def test_a_criterion_that_compared_nothing_is_not_called_passed(page: Page, service: Service) -> None:
    def nothing_compared(route: Route) -> None:
        listed = service.call("GET", "/v1/releases")[1]
        criterion = {
            "name": "answers against the champion",
            "passed": True,
            "compared": False,
            "told": "too few questions",
        }
        listed["releases"][-1]["gate"]["criteria"] = [{**criterion, "value": 0.0, "bound": -0.01}]
        route.fulfill(json=listed)

    page.route("**/v1/releases", nothing_compared)
    page.reload()
    page.get_by_role("button", name="Release r2").click()
    (shown,) = page.locator(".criteria li").all_inner_texts()
    assert shown.split("\n", 1)[0] == "answers against the champion not compared" and "0.0000" not in shown


def test_no_answer_and_no_service_are_explained_in_words(page: Page) -> None:
    page.get_by_label("Lexical").check()
    page.get_by_label("What are you looking for?").fill("xyzzy")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("No passage shares a word with this query.")
    page.goto(f"{page.url}&f.colour=red")
    expect(page.locator("#status")).to_contain_text("No document has an attribute 'colour': choose from team.")
    page.get_by_role("button", name="Remove filter colour: red").click()
    page.get_by_label("What are you looking for?").fill("y" * 2001)
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("A query may have 2000 characters at most.")
    page.context.set_offline(True)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#status")).to_contain_text("The service cannot be reached.")


def test_a_judgment_wants_a_token_and_is_kept(page: Page, service: Service) -> None:
    ask(page, QUERY)
    page.get_by_label("Not relevant").nth(1).click()
    dialog = page.get_by_role("dialog", name="A token is needed")
    expect(dialog).to_contain_text("genret token create")
    dialog.get_by_label("Token").fill("genret_wrong")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("this token is unknown, revoked or expired")
    dialog.get_by_label("Token").fill(token(service.home, "judge"))
    page.keyboard.press("Enter")
    expect(page.locator("#hits article").nth(1)).to_contain_text("Kept. It counts once a person accepts it.")
    expect(page.get_by_label("Not relevant").nth(1)).to_have_attribute("aria-pressed", "true")
    (kept,) = (service.home / "feedback.jsonl").read_text().splitlines()
    assert '"token judge"' in kept and QUERY in kept
    page.get_by_label("Relevant", exact=True).first.click()
    expect(page.locator("#hits article").first).to_contain_text("Kept")
    assert page.evaluate("Object.keys(sessionStorage).length + Object.keys(localStorage).length") == 1
    revoke_token(service.home, "judge")
    page.get_by_role("button", name="Forget token").click()
    ask(page, "bees")


def test_a_refused_token_is_asked_for_again_and_a_limited_one_sees_its_part(page: Page, service: Service) -> None:
    page.evaluate("sessionStorage.setItem('genret-token', 'genret_wrong')")
    page.goto(f"http://127.0.0.1:{service.port}/?q=espresso", wait_until="networkidle")
    expect(page.get_by_role("dialog", name="A token is needed")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#status")).to_contain_text("This token is unknown, revoked or expired.")
    page.get_by_role("button", name="Try again").click()
    with limited(service.home, "red reader", team="Red Team") as secret:
        page.get_by_label("Token", exact=True).fill(secret)
        page.keyboard.press("Enter")
        answered(page)
        expect(page.locator("#attributes")).to_contain_text("Red Team")
        expect(page.locator("#attributes")).not_to_contain_text("Blue Team")
        page.get_by_role("button", name="Why").first.click()
        expect(page.locator(".why").first).to_contain_text("not shown to a token that is limited by filters")
        page.get_by_role("button", name="Release r2").click()
        expect(page.locator("#release-account")).to_contain_text("Not shown to a token that is limited by filters.")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Forget token").click()
        page.goto(f"http://127.0.0.1:{service.port}/?q=espresso", wait_until="networkidle")
        expect(page.get_by_role("dialog", name="A token is needed")).to_be_visible()
    page.goto(f"http://127.0.0.1:{service.port}/?q=espresso", wait_until="networkidle")
    expect(page.locator("#attributes")).to_contain_text("Blue Team")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_no_horizontal_scroll(browser: Browser, service: Service, scheme: str) -> None:
    parameters = {"q": "saboteur ledger", "f.team": ATTACK}
    with opened(browser, service, parameters, viewport={"width": 360, "height": 740}, color_scheme=scheme) as page:
        page.get_by_role("button", name="Why").first.click()
        page.locator("#filters > summary").click()
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.get_by_role("button", name="Release r2").click()
        assert page.locator("#release").evaluate("node => node.scrollWidth <= node.clientWidth")
        assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_what_can_be_used_has_a_name(page: Page) -> None:
    ask(page, QUERY)
    page.get_by_role("button", name="Why").first.click()
    nameless = """() => [...document.querySelectorAll("button, input, a, summary")].filter((node) => {
        const label = node.labels?.[0]?.innerText ?? "";
        return !(node.getAttribute("aria-label") || node.textContent.trim() || label.trim());
    }).map((node) => node.outerHTML)"""
    assert page.evaluate(nameless) == []
    assert page.locator("#status").get_attribute("aria-live") == "polite"
