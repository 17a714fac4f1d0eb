"""One study, written once, and Debian's Chromium to open it."""

import os
import shutil

import pytest

from quasintk import page
from quasintk.page import sampling

MISSING = "no Chromium: these tests drive a real browser; install Debian's package `chromium`, or set CHROMIUM to the program"


@pytest.fixture(scope="session")
def study():
    """Small but whole: two hidden layers, a check's budget of a second."""
    patch = pytest.MonkeyPatch()
    patch.setattr(sampling, "ROUNDINGS", {8: 400, 16: 200, 32: 100})
    found = page.study_of("relu", depth=2, dim=5, degrees=60, budget="1s", seed=3)
    yield found
    patch.undo()


@pytest.fixture(scope="session")
def address(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    page.write(study, path)
    return path.as_uri()


@pytest.fixture(scope="session")
def chromium():
    program = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if program is None:
        pytest.fail(MISSING)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.fail("no playwright: pip install 'quasintk[browser]'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, address):
    """A function that opens the page; whatever the browser complains of or asks for fails the test at its end."""
    complaints, contexts = [], []

    def start(width=1280, height=900, scripts=True, **options):
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            java_script_enabled=scripts,
            accept_downloads=True,
            **options,
        )
        contexts.append(context)

        def route(found):
            if found.request.url == address or found.request.url.startswith("data:"):
                found.continue_()
            else:
                complaints.append(f"request: {found.request.url}")
                found.abort()

        context.route("**/*", route)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(f"console {message.type}: {message.text}"))
        tab.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        tab.on(
            "request",
            lambda found: (
                found.url.startswith(("file:", "data:")) or complaints.append(f"request: {found.url}")
            ),
        )
        tab.goto(address)
        return tab

    yield start
    for context in contexts:
        context.close()
    assert complaints == []
