"""The pages in a real browser: keys, blind votes, no error, no other host, and axe where its source is at hand.

Chromium is the system's. axe-core (https://github.com/dequelabs/axe-core) comes from `npm install axe-core` in the
project's root, or from the folder that EVALH_NODE_MODULES names; without it that part is left out.
"""

import json
import os
import shutil
import socket
import threading
from pathlib import Path

import pytest
from run_folders import line, make_run

pytest.importorskip("playwright", reason="pages in a browser need the package playwright")
import uvicorn
from playwright.sync_api import sync_playwright

from evalharness.records import Response
from evalharness.web.application import view_application
from evalharness.web.arena_application import arena_application
from evalharness.web.arena_live import LivePrompts
from evalharness.web.arena_pages import ArenaTerms
from evalharness.web.arena_store import ArenaStore
from evalharness.web.guard import GuardTerms
from evalharness.web.run_library import RunLibrary, run_key

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
NODE_MODULES = Path(os.environ.get("EVALH_NODE_MODULES", Path(__file__).parents[2] / "node_modules"))
AXE = NODE_MODULES / "axe-core" / "axe.min.js"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
WAIT = 60_000  # milliseconds, on a machine that is busy


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def served():
    """Serves an application on a free port while the test runs; gives its address."""
    running = []

    def serve(application):
        taken = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        running.append((server, thread, taken))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"

    yield serve
    for server, thread, taken in running:
        server.should_exit = True
        thread.join()
        taken.close()


@pytest.fixture
def opened(browser, request):
    """A page that notes what goes wrong, checked when the test is done."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.set_default_timeout(WAIT)
    wrong, hosts = [], set()
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: hosts.add(asked.url.split("/")[2].partition(":")[0]))
    page.on("dialog", lambda dialog: (wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
    yield page
    context.close()
    assert wrong == [] and hosts == {"127.0.0.1"}


def recorded(application, sent):
    """The application, with every header and byte that it sends."""

    async def recording(scope, receive, send):
        async def noted(message):
            sent.extend(part for header in message.get("headers", ()) for part in header)
            sent.append(message.get("body", b""))
            await send(message)

        await application(scope, receive, noted)

    return recording


def accessible(page, schemes=("light", "dark")):
    """No violation by axe, where it is at hand, in light and dark; nothing wider than the window."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for scheme in schemes if AXE.is_file() else ():
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate("axe.run()")["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == [], (page.url, scheme)


def test_four_pages_by_keyboard(served, opened, runs):
    page, base = opened, served(view_application(RunLibrary([], runs), GuardTerms()))
    page.goto(f"{base}/?sort=name&up=1")
    accessible(page, ("dark",))
    for pressed in ("j", "x", "j", "j", "j", "x", "k", "k", "k"):  # tick base and tuned, back to base
        page.keyboard.press(pressed)
    page.keyboard.press("c")
    page.wait_for_url("**/compare?*")
    assert "base → tuned" in page.inner_text("h1")
    accessible(page, ("dark",))
    page.go_back()
    page.locator("[data-row]", has_text="base").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/*")
    accessible(page, ("dark",))
    page.keyboard.press("w")
    page.wait_for_url("**status=wrong*")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/item?*")
    accessible(page, ("dark",))
    first = page.inner_text("h1")
    page.keyboard.press("]")
    page.wait_for_function("text => document.querySelector('h1').innerText !== text", arg=first)
    page.keyboard.press("[")
    page.wait_for_function("text => document.querySelector('h1').innerText === text", arg=first)
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.locator(".crumbs a").last.click()
    page.wait_for_url("**/runs/*")
    page.keyboard.press("/")
    page.keyboard.type("answer is B? jk")  # keys are letters while one writes
    assert page.input_value("input[name=text]") == "answer is B? jk"


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 3840])
def test_hostile_answers_leave_the_page_whole_at_every_width(served, opened, tmp_path, width):
    texts = ["<script>alert(1)</script>", "![x](http://evil.example/p.png)<img src=x onerror=alert(1)>"]
    texts += ["</div></main><style>*{display:none}</style>", "\x1b[31m\u202e\u200b", "A" * 5_000_000, "W" * 3000]
    lines = [line("quiz", f"{n} {text[:300]}", "wrong", 0.0, text=text, question=text[:3000], group=text[:300])
             for n, text in enumerate(texts)]  # fmt: skip
    make_run(tmp_path / "runs" / "x", lines=lines, model={"name": texts[0], "fingerprint": "x"})
    page, base = opened, served(view_application(RunLibrary([], tmp_path / "runs"), GuardTerms()))
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{base}/runs/{run_key(tmp_path / 'runs' / 'x')}")
    accessible(page)
    links = page.eval_on_selector_all("[data-row]", "links => links.map(link => link.href)")
    assert len(links) == len(texts)
    for link in links:
        page.goto(link)
        assert page.is_visible("main h1") and page.is_visible("aside")
        accessible(page)


@pytest.mark.slow
def test_an_arena_by_keyboard_with_names_nowhere_before_the_vote(served, opened, arena, monkeypatch):
    rows = [{"prompt": f"Question {n}?", "answers": {"acme-one": f"a {n}", "acme-two": f"b {n}"}} for n in range(9)]
    application, store = arena(rows)
    sent = []
    page, base = opened, served(recorded(application, sent))
    page.goto(base)
    accessible(page)
    page.keyboard.press("Tab")
    page.locator("[name=consent]").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_url("**/battle/*")
    accessible(page)
    for pressed in ("ArrowLeft", "ArrowRight", "t", "b", "s"):
        assert sent and not [name for name in (b"acme-one", b"acme-two") if name in b"".join(sent)]
        page.keyboard.press(pressed)
        page.wait_for_selector("[role=status]")
        accessible(page)
        if pressed == "b":
            page.keyboard.press("u")
            page.wait_for_selector("text=withdrawn")
        sent.clear()  # names are told with a vote, and no more after it
        page.keyboard.press("n")
        page.wait_for_selector(".votes")
    assert [vote.choice for vote in store.counted()] == ["model_a", "model_b", "tie"]
    monkeypatch.setattr("evalharness.web.arena_board.KEPT_SECONDS", 0.0)
    for path in ("/ratings", "/me"):
        page.goto(f"{base}{path}")
        accessible(page)


class Writer:
    """A model that writes half of its answer and waits for a sign."""

    chat = ranks = True

    def __init__(self, sign):
        self.sign = sign

    def streamed(self, request, hear):
        hear("the first half")
        assert self.sign.wait(60)
        hear(" and the second <b>")
        return Response(text="the first half and the second <b>", finish="stop")


@pytest.mark.slow
def test_live_answers_are_read_side_by_side_while_they_are_written(served, opened, tmp_path):
    sign, sent = threading.Event(), []
    store = ArenaStore(f"sqlite:///{tmp_path}/live.sqlite")
    prompts = LivePrompts({"acme-one": Writer(sign), "acme-two": Writer(sign)})
    page, base = opened, served(recorded(arena_application(store, prompts, ArenaTerms(), GuardTerms()), sent))
    page.goto(base)
    page.check("[name=consent]")
    page.keyboard.press("Enter")
    page.wait_for_selector("textarea")
    accessible(page)
    page.keyboard.press("/")
    page.keyboard.type("Why?")
    page.click("button.main")
    page.wait_for_url("**/battle/*")
    for side in "ab":
        page.wait_for_selector(f"[data-told={side}]:has-text('the first half')")
    accessible(page)
    page.keyboard.press("ArrowLeft")  # nobody votes on half an answer
    assert page.is_disabled("button[value=model_a]") and store.votes()[0] == 0
    sign.set()
    page.wait_for_selector("button[value=model_a]:enabled")
    assert page.inner_text("[aria-label='Answer A, turn 1']") == "the first half and the second <b>"
    assert not [name for name in (b"acme-one", b"acme-two") if name in b"".join(sent)]
    accessible(page)
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("[role=status]:has-text('kept')")
    store.close()


@pytest.mark.slow
def test_a_prompt_s_tokens_are_a_page(served, opened, tmp_path):
    make_run(tmp_path / "runs" / "x", lines=[line("quiz", "a/1", "wrong", 0.0)], model={"name": "tiny"})
    page, base = opened, served(view_application(RunLibrary([], tmp_path / "runs"), GuardTerms()))
    page.goto(f"{base}/runs/{run_key(tmp_path / 'runs' / 'x')}/item?of=quiz&id=a/1")
    page.keyboard.press("p")
    page.wait_for_selector(".token")
    accessible(page)
    page.set_viewport_size({"width": 360, "height": 800})
    accessible(page, ("dark",))


@pytest.mark.slow
def test_a_vote_is_cast_without_a_script_engine(served, browser, arena):
    application, store = arena()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(served(application))
    page.check("[name=consent]")
    page.click("button.main")
    page.click("button[value=model_a]")
    page.wait_for_selector("[role=status]")
    context.close()
    assert len(store.counted()) == 1


@pytest.mark.slow
def test_answers_are_labelled_by_keyboard(served, opened, runs):
    page, base = opened, served(view_application(RunLibrary([], runs), GuardTerms()))
    page.goto(f"{base}/label")
    accessible(page)
    page.select_option("[name=run]", run_key(runs / "base"))
    page.keyboard.press("/")
    page.locator("[name=name]").focus()
    page.keyboard.type("ann")
    page.keyboard.press("Enter")
    page.wait_for_selector(".votes")
    accessible(page)
    for n, pressed in enumerate(("1", "2", "3"), 1):
        page.keyboard.press(pressed)
        page.wait_for_selector(f"text={n} labelled by ann")
    page.keyboard.press("u")
    page.wait_for_selector("text=2 labelled by ann")
    with page.expect_navigation():
        page.keyboard.press("s")
    lines = (runs / "base" / "labels" / "ann.jsonl").read_text().splitlines()
    assert [json.loads(one)["label"] for one in lines] == [0.0, 0.5]
    page.goto(f"{base}/label?run={run_key(runs / 'base')}&against={run_key(runs / 'tuned')}&name=ann")
    accessible(page)
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("text=1 labelled by ann")


@pytest.mark.slow
def test_every_other_page_is_accessible(served, opened, runs, tmp_path):
    out = tmp_path / "out"
    (out / "training").mkdir(parents=True)
    log = [{"step": n, "loss": 4 / (n + 1), "validation_loss": 4 / (n + 1), "samples": ["x"]} for n in range(5)]
    (out / "training" / "log.jsonl").write_text("".join(json.dumps(one) + "\n" for one in log))
    make_run(runs / "third", "1" * 60, groups=3)
    page, base = opened, served(view_application(RunLibrary([str(runs), str(out)]), GuardTerms()))
    keys = [run_key(runs / name) for name in ("base", "tuned", "third")]
    for path in (
        "/history?benchmark=quiz", "/compare?" + "&".join(f"run={key}" for key in keys), f"/trainings/{run_key(out)}",
        f"/runs/{keys[0]}?text=answer", f"/runs/{run_key(runs / 'going')}", "/?group=model", "/?q=nothing",
    ):  # fmt: skip
        page.goto(base + path)
        accessible(page)
    page.set_viewport_size({"width": 360, "height": 800})
    for path in ("/", "/history?benchmark=quiz", "/compare?" + "&".join(f"run={key}" for key in keys)):
        page.goto(base + path)
        accessible(page)


@pytest.mark.slow
def test_a_link_of_another_site_finds_the_token_s_cookie(served, browser, runs):
    terms = GuardTerms(token="secret-token")
    base = served(view_application(RunLibrary([], runs), terms))

    async def message(scope, receive, send):
        body = f'<a href="{base}/?token=secret-token">open</a>'.encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": body})

    page = browser.new_page()
    page.goto(served(message).replace("127.0.0.1", "localhost"))
    page.click("a")
    page.wait_for_selector("h1:has-text('Runs')")
    assert page.url == f"{base}/"
    page.close()


@pytest.mark.slow
def test_long_names_and_a_training_fit_a_phone(served, opened, tmp_path):
    long = line("b" * 200, "i" * 300, "wrong", 0.0, group="g" * 200, metric="m" * 200)
    make_run(tmp_path / "runs" / ("n" * 200), lines=[long], model={"name": "openai:" + "n" * 300, "fingerprint": "x"})
    out = tmp_path / "out"
    make_run(out / "training" / "evaluations" / "step-5-quiz", "1100")
    make_run(out / "runs" / "test", "1100")
    measured = {"step": 5, "validation_loss": 1.0, "metrics": {f"quiz.metric_{n}": 0.5 for n in range(9)}}
    (out / "training" / "log.jsonl").write_text(json.dumps(measured) + "\n")
    page, base = opened, served(view_application(RunLibrary([str(tmp_path / "runs"), str(out)]), GuardTerms()))
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(base)
    accessible(page)
    for path in (f"/trainings/{run_key(out)}", f"/runs/{run_key(tmp_path / 'runs' / ('n' * 200))}"):
        page.goto(base + path)
        accessible(page)
    page.goto(page.eval_on_selector("[data-row]", "link => link.href"))
    accessible(page)


@pytest.mark.slow
def test_a_field_is_let_differ_without_a_script_engine(served, browser, runs):
    make_run(runs / "drawn", "1101010100" * 6, groups=3, sampling={"temperature": 0.7})
    page = browser.new_context(java_script_enabled=False).new_page()
    keys = [run_key(runs / name) for name in ("base", "drawn")]
    page.goto(
        served(view_application(RunLibrary([], runs), GuardTerms())) + "/compare?" + "&".join(f"run={k}" for k in keys)
    )
    assert "not comparable" in page.inner_text("main")
    page.check("[name=allow]")
    page.click("text=Decide")
    page.wait_for_selector("#items")
    assert "allow=sampling" in page.url
    page.context.close()
