"""The page to play in, in a browser."""

from __future__ import annotations

import os
import re
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

import chargen
from chargen import checkpoint
from chargen.serving.page import FILE
from chargen.terminal.heat import EDGES
from tests.conftest import tiny_checkpoint
from tests.serving.test_openai import KEY, serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENT = 20_000
"""Milliseconds that a browser on a busy machine may take."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here")

expect.set_options(timeout=PATIENT)

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models: one of prose, and one that writes nothing but what looks like markup."""
    out = tmp_path_factory.mktemp("played")
    for name, saved in (
        ("tiny", tiny_checkpoint()),
        ("markup", tiny_checkpoint("<img src=x onerror='alert(1)'></img><b>&lt;")),
    ):
        (out / name).mkdir()
        checkpoint.write(out / name / "best.safetensors", saved)
    return out


@pytest.fixture(scope="module")
def url(out: Path) -> Iterator[str]:
    ours = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    models = [option for name in ("tiny", "markup") for option in ("-m", name)]
    with serving(os.environ | ours, "--out", out, *models, key="") as (_, url):
        yield url


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Open]:
    """Open the page; in the end, nothing may have gone wrong in it, and nothing left the host."""
    wrong: list[str] = []
    asked: list[str] = []
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENT)

    def opened(query: str = "", at: str = url) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{at}/{query}")
        return page

    yield opened
    context.close()
    assert not [one for one in wrong if "401" not in one and "400" not in one]
    assert not [one for one in asked if not one.startswith(("http://127.0.0.1:", "blob:"))]


def written(page: Page) -> str:
    """Return the text after its beginning, when it is done."""
    expect(page.locator("#status")).to_contain_text("characters written", timeout=PATIENT)
    return "".join(page.locator("#text i").all_text_contents())


def test_a_text_is_written_as_the_model_writes_it(visit: Open, out: Path) -> None:
    """By the settings of the page, which stand in its address: another visit writes the same."""
    page = visit("?model=tiny")
    page.fill("#prime", "The sea")
    page.fill("#max_tokens", "50")
    page.fill("#seed", "7")
    page.locator("#temperature").fill("1.2")
    page.keyboard.press("Control+Enter")
    text = written(page)
    model = chargen.load(out / "tiny")
    assert text == model.sample(50, prime="The sea", seed=7, temp=1.2)
    assert "seed=7" in page.url
    again = visit(page.url.partition("/?")[2] and "?" + page.url.partition("/?")[2])
    again.click("#write")
    assert written(again) == text
    assert again.input_value("#prime") == "The sea"


def test_writing_waits_for_the_list_of_models(visit: Open) -> None:
    """Someone who is quicker than the server is not told that there is no model."""
    page = visit()

    def late(route: Route) -> None:
        page.wait_for_timeout(500)
        route.continue_()

    page.route("**/v1/models", late)
    page.reload(wait_until="commit")
    page.fill("#max_tokens", "20")
    page.click("#write")
    assert len(written(page)) == 20


def test_to_write_on_makes_a_version(visit: Open) -> None:
    """The one before stays as it was; to retry it writes its own part anew."""
    page = visit("?model=tiny&prime=The&max_tokens=30")
    page.click("#write")
    first = written(page)
    page.click("#more")
    expect(page.locator("#history li")).to_have_count(2)
    longer = written(page)
    assert longer.startswith(first)
    assert len(longer) == 60
    page.click("#retry")
    expect(page.locator("#history li")).to_have_count(3)
    again = written(page)
    assert again.startswith(first)
    assert again != longer
    page.locator("#history button").first.click()
    expect(page.locator("#text i")).to_have_count(30)


def test_a_character_can_be_changed_and_the_text_goes_on_from_it(visit: Open) -> None:
    """By mouse or by keyboard; each way is a version that can be had back."""
    page = visit("?model=tiny&prime=The&max_tokens=40&temperature=0.5")
    page.click("#write")
    first = written(page)
    place = next(at for at in range(5, 40) if first[at].isalpha())
    page.click(f"#text [data-at='{place}']")
    expect(page.locator("#choices")).to_be_visible()
    assert "100" in page.locator("#choices").inner_text() or "%" in page.inner_text("#choices")
    button = page.locator("#choices button:not(:disabled)").first
    chosen = button.inner_text()[0]
    button.click()
    expect(page.locator("#history li")).to_have_count(2)
    second = written(page)
    assert second[:place] == first[:place]
    assert second[place] != first[place]
    assert second[place] == {"␣": " ", "⏎": "\n"}.get(chosen, chosen)
    assert len(second) == place + 1 + 40
    page.focus("#text")
    for key in ("Home", "ArrowRight", "Control+ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#choices")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#history li")).to_have_count(3)
    third = written(page)
    assert third[:2] == second[:2]
    assert third[2] != second[2]
    page.click("#history li:nth-child(1) button")
    assert "".join(page.locator("#text i").all_text_contents()) == first
    page.click("#retry")
    expect(page.locator("#history li")).to_have_count(4)
    assert written(page) != first
    assert page.input_value("#seed") == "2"
    page.click("#more")
    expect(page.locator("#text i")).to_have_count(80)


def test_a_text_is_stopped_and_the_server_writes_it_no_more(visit: Open, url: str) -> None:
    """What was written stays."""
    page = visit("?model=tiny&max_tokens=90000")
    page.click("#write")
    expect(page.locator("#text i").nth(100)).to_be_attached()
    page.keyboard.press("Escape")
    expect(page.locator("#status")).to_contain_text("Stopped after")
    assert page.locator("#text i").count() > 100
    for _ in range(100):
        with urllib.request.urlopen(f"{url}/metrics") as answer:
            if b"chargen_texts 0.0" in answer.read():
                break
        page.wait_for_timeout(50)
    else:
        pytest.fail("the text is still being written")


def test_a_text_is_text(visit: Open) -> None:
    """What looks like markup is shown as it is, in the text, its beginning and the history."""
    page = visit("?model=markup&max_tokens=300&temperature=1&prime=%3Cimg%20src=x%3E%3Cb%3E")
    page.check("#colour")
    page.click("#write")
    text = written(page)
    assert "<" in text
    assert page.locator("#text > :not(i):not(span)").count() == 0
    assert page.locator("#text img, #history img, #text b").count() == 0
    assert page.locator("#text .before").inner_text() == "<img src=x><b>"


def test_surprise_has_the_colours_of_the_terminal(visit: Open) -> None:
    """With the same edges."""
    told = re.search(r"const EDGES = \[(.*?)\]", FILE.read_text(encoding="utf-8"))
    assert told is not None
    assert tuple(map(float, told[1].split(","))) == EDGES
    page = visit("?model=tiny&max_tokens=60")
    page.click("#write")
    written(page)
    coloured = page.locator("#text i[class^=l]").first
    plain = coloured.evaluate("one => getComputedStyle(one).backgroundColor")
    page.check("#colour")
    assert coloured.evaluate("one => getComputedStyle(one).backgroundColor") != plain


def test_what_the_server_refuses_is_said(visit: Open) -> None:
    """A character that the model has never seen."""
    page = visit("?model=tiny&prime=%CE%A9")
    page.click("#write")
    expect(page.locator("#status")).to_contain_text("never seen: 'Ω'")
    expect(page.locator("#write")).to_be_enabled()


def test_a_text_is_copied_and_downloaded(visit: Open, tmp_path: Path) -> None:
    """Beginning and all."""
    page = visit("?model=tiny&prime=The&max_tokens=30")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#write")
    text = "The" + written(page)
    page.click("#copy")
    expect(page.locator("#status")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()").replace("\r\n", "\n") == text
    with page.expect_download() as begun:
        page.click("#download")
    begun.value.save_as(tmp_path / "text.txt")
    assert (tmp_path / "text.txt").read_bytes() == text.encode()


def test_a_key_is_asked_for(visit: Open, environment: dict[str, str], out: Path) -> None:
    """And then used; it does not get into the address."""
    with serving(environment, "--out", out) as (_, url):
        page = visit("?model=markup", at=url)
        expect(page.locator("#status")).to_have_text("Type the key of this server.")
        page.fill("#key", "another key")
        page.keyboard.press("Enter")
        expect(page.locator("#status")).to_have_text("The key is wrong.")
        page.fill("#key", KEY)
        page.keyboard.press("Enter")
        expect(page.locator("#model option").first).to_be_attached()
        expect(page.locator("#model")).to_have_value("markup")
        page.fill("#max_tokens", "20")
        page.click("#write")
        assert len(written(page)) == 20
        assert "secret" not in page.url


def test_a_link_to_a_model_that_is_not_there_says_so(visit: Open) -> None:
    """Another one is chosen."""
    page = visit("?model=nobody")
    expect(page.locator("#status")).to_have_text("There is no model nobody; tiny is chosen.")


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_page_fits_and_everything_has_a_name(visit: Open, width: int) -> None:
    """On a phone, a tablet and a desk, without scrolling sideways; for a screen reader as well."""
    page = visit("?model=tiny&max_tokens=200")
    page.set_viewport_size({"width": width, "height": 800})
    page.click("#write")
    written(page)
    page.locator("#text i").filter(has_text=re.compile(r"\w")).first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for kind in ("button", "slider", "spinbutton", "textbox", "combobox", "checkbox"):
        for one in page.get_by_role(kind).all():
            assert re.match(kind + r' ".*\w', one.aria_snapshot().lstrip("- '"))
            box = one.bounding_box()
            assert box is None or box["height"] >= 19


def test_the_page_says_what_it_may_do(url: str) -> None:
    """The policy allows its own script and style, and questions to its own server."""
    with urllib.request.urlopen(url) as answer:
        policy = answer.headers["content-security-policy"]
        text = answer.read().decode()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "connect-src 'self'" in policy
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", text)
