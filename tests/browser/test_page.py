"""`quasintk study`'s page in a real browser: charts, switches, hints, keyboard, files, widths, colours, paper."""

import csv
import io
import math
import re
from itertools import pairwise

import pytest

from quasintk.citation import bibtex

pytestmark = pytest.mark.browser
SPECTRUM, RATIO, SAMPLING = (f'figure[data-chart="{name}"]' for name in ("spectrum", "ratio", "sampling"))


def points(tab, chart=SPECTRUM):
    return tab.locator(f"{chart} .plot .point").count()


def switch(tab, chart, label, value):
    """Choose, or unchoose, as a reader does: by the label's text."""
    tab.locator(chart).get_by_role("group", name=label).get_by_text(value, exact=True).click()


def drawn(curve, parities=(0, 1)):
    return sum(
        log is not None and k % 2 in parities for k, log in zip(curve.degree, curve.log10, strict=True)
    )


def value_of(text):
    """1.234567 · 10⁻¹², or 0.0123."""
    mantissa, _, power = text.partition(" · 10")
    digits = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
    return float(mantissa) * 10.0 ** int(power.translate(digits) or 0)


def hint(tab, chart=SPECTRUM):
    """Name, and quantities by name, of the hint that is shown."""
    name, *lines = tab.locator(f"{chart} .tip").inner_text().split("\n")
    return name, dict(re.split(r" = | (?=[\d.]+e)", line, maxsplit=1) for line in lines if line)


def test_every_chart_draws_its_data_and_only_that(opened, study):
    tab = opened()
    shown = [one for one in study.curves if one.depth == study.settings.depth]
    assert points(tab) == sum(map(drawn, shown)) > 60
    assert points(tab, RATIO) == sum(log is not None for one in study.comparisons for log in one.log10_ratio)
    errors = [one for one in study.sampling.errors if one.quantity == "tau"]
    assert points(tab, SAMPLING) == sum(one.high > 0 for one in errors) > 0
    assert tab.locator(f"{SPECTRUM} .law").count() > 0


def test_switches_change_the_chart(opened, study):
    tab = opened()
    by = {(one.precision, one.depth): one for one in study.curves}
    for name in ("ternary", "16 levels", "real"):
        switch(tab, SPECTRUM, "Precision", name)
    assert points(tab) == drawn(by["binary", 2])
    before = tab.locator(f"{SPECTRUM} .plot .point").first.get_attribute("transform")
    switch(tab, SPECTRUM, "Depth", "3")
    assert points(tab) == drawn(by["binary", 3])
    switch(tab, SPECTRUM, "Degrees", "odd")
    assert points(tab) == drawn(by["binary", 3], (0,))
    assert tab.locator(f"{SPECTRUM} .plot .hollow").count() == 0
    switch(tab, SPECTRUM, "Laws", "predicted")
    assert tab.locator(f"{SPECTRUM} .plot .law").count() == 0
    switch(tab, SPECTRUM, "Laws", "fitted")
    assert tab.locator(f"{SPECTRUM} .plot .law.dashed").count() == bool(by["binary", 3].fitted_line[0])
    switch(tab, SPECTRUM, "Vertical axis", "linear")
    ticks = tab.locator(f"{SPECTRUM} .plot text").all_text_contents()
    assert "0" in ticks
    assert not any("10⁻" in tick for tick in ticks)
    switch(tab, SPECTRUM, "Horizontal axis", "log")
    assert points(tab) == drawn(by["binary", 3], (0,)) - 1  # degree 0 has no place there
    assert tab.locator(f"{SPECTRUM} .plot .point").first.get_attribute("transform") != before
    switch(tab, SPECTRUM, "Precision", "binary")
    assert points(tab) == 0
    assert "Nothing is chosen" in tab.locator(f"{SPECTRUM} desc").text_content()


def test_a_hint_is_the_data(opened, study):
    """Under the pointer at one mark of each kind of chart."""
    tab = opened()
    for name in ("ternary", "16 levels", "real"):
        switch(tab, SPECTRUM, "Precision", name)
    mark = tab.locator(f"{SPECTRUM} .plot .point").nth(5)
    mark.hover()
    name, values = hint(tab)
    assert name == "binary, depth 2"
    k = int(values["k"])
    assert value_of(values["λ"]) == pytest.approx(10 ** study.own.log10[k], rel=1e-6)
    assert float(values["relative error"]) == pytest.approx(study.own.rel_error[k], rel=0.06)


def test_the_keyboard_walks_through_a_chart(opened, study):
    tab = opened()
    for name in ("ternary", "16 levels"):
        switch(tab, SPECTRUM, "Precision", name)
    tab.locator(f"{SPECTRUM} .plot").focus()
    assert tab.locator(f"{SPECTRUM} .tip").is_hidden()
    tab.keyboard.press("ArrowRight")
    seen = []
    for _ in range(4):
        tab.keyboard.press("ArrowRight")
        seen.append(int(hint(tab)[1]["k"]))
    real = [k for k, log in enumerate(study.own.log10) if log is not None]
    assert seen == real[1:5]
    name, _ = hint(tab)
    tab.keyboard.press("ArrowDown")
    assert hint(tab)[0] != name
    tab.keyboard.press("ArrowUp")
    assert hint(tab)[0] == name
    tab.keyboard.press("End")
    assert int(hint(tab)[1]["k"]) == real[-1]
    tab.keyboard.press("Home")
    assert int(hint(tab)[1]["k"]) == real[0]
    tab.keyboard.press("Escape")
    assert tab.locator(f"{SPECTRUM} .tip").is_hidden()
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_everything_is_reached_and_worked_by_keys(opened):
    """Tab comes to every control once; the space bar works a switch."""
    tab = opened()
    reached = []
    for _ in range(200):
        tab.keyboard.press("Tab")
        where = tab.evaluate(
            "(e => e === document.body ? '' : `${e.tagName} ${e.name || e.getAttribute('href') || e.getAttribute('aria-label') || e.textContent}`.slice(0, 60))(document.activeElement)"
        )
        if not where:
            break
        reached.append(where)
    assert reached[0].startswith("A #summary")
    assert sum(one.startswith("DIV Eigenvalues by degree") for one in reached) == 1
    for name in (
        "INPUT theme",
        "INPUT spectrum-depth",
        "INPUT spectrum-precision",
        "INPUT spectrum-axis-y",
        "SUMMARY",
    ):
        assert any(one.startswith(name) for one in reached), name
    before = points(tab)
    tab.locator(SPECTRUM).get_by_role("checkbox", name="ternary").focus()
    tab.keyboard.press("Space")
    assert points(tab) < before


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "no script"])
def test_files_hold_the_numbers(opened, study, scripts):
    """Downloaded by a click; also without a script."""
    tab = opened(scripts=scripts)

    def content(name):
        with tab.expect_download() as download:
            tab.get_by_role("link", name=name, exact=True).click()
        assert download.value.suggested_filename == name
        return download.value.path().read_text()

    rows = list(csv.DictReader(io.StringIO(content("spectrum.csv"))))
    assert len(rows) == sum(len(one.degree) for one in study.curves)
    own = [row for row in rows if (row["precision"], row["depth"]) == ("binary", "2")]
    logs = [-math.inf if log is None else log for log in study.own.log10]
    assert [float(row["log10_eigenvalue"]) for row in own] == logs
    assert [float(row["rel_error"]) for row in own] == list(study.own.rel_error)
    for row, log in zip(own, study.own.log10, strict=True):
        assert float(row["eigenvalue"]) == pytest.approx(0 if log is None else 10**log, rel=1e-12)
    sampled = list(csv.DictReader(io.StringIO(content("sampling.csv"))))
    assert [float(row["error"]) for row in sampled] == [one.value for one in study.sampling.errors]
    ratios = list(csv.DictReader(io.StringIO(content("ratio.csv"))))
    assert {row["other"] for row in ratios} == {one.name for one in study.comparisons}
    laws = list(csv.DictReader(io.StringIO(content("laws.csv"))))
    assert float(laws[1]["predicted_rho"]) == study.curves[1].predicted
    checks = list(csv.DictReader(io.StringIO(content("checks.csv"))))
    assert [float(row["claimed"]) for row in checks] == [one.claimed for one in study.certificate.checks]
    assert content("quasintk.bib") == bibtex()


def test_without_a_script_everything_is_open(opened, study):
    tab = opened(scripts=False)
    assert tab.locator("details:not([open])").count() == 0
    assert tab.locator("noscript p").count() == 3
    assert tab.locator("section#spectrum tbody tr").count() >= len(study.own.degree)


@pytest.mark.parametrize("width", [360, 390, 1280])
@pytest.mark.parametrize("open_all", [False, True], ids=["folded", "open"])
def test_no_width_makes_the_page_scroll_sideways(opened, width, open_all):
    tab = opened(width=width)
    if open_all:
        tab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.locator(f"{SPECTRUM} svg[role=img]").bounding_box()["width"] <= width


def luminance(colour):
    red, green, blue = (
        channel / 3294.6 if channel <= 10 else ((channel / 255 + 0.055) / 1.055) ** 2.4
        for channel in map(float, re.findall(r"[\d.]+", colour)[:3])
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


CONTRAST = """() => [...document.querySelectorAll('p, dt, dd, li, td, th, a, label, legend, summary, figcaption, h1, h2, h3, h4, code')]
  .filter((e) => e.offsetParent && e.innerText.trim()).map((e) => {
    let under = e; while (under && getComputedStyle(under).backgroundColor === 'rgba(0, 0, 0, 0)') under = under.parentElement;
    return [getComputedStyle(e).color, getComputedStyle(under ?? document.body).backgroundColor, e.innerText.slice(0, 40)]; })"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_colour_schemes_have_contrast(opened, scheme):
    """WCAG's ratio of 4.5 for all text; of 3 for the charts' marks."""
    tab = opened(color_scheme=scheme)
    paper = luminance(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert (paper > 0.8) == (scheme == "light")
    for ink, ground, text in tab.evaluate(CONTRAST):
        low, high = sorted((luminance(ink), luminance(ground)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, text
    for colour in tab.evaluate(
        f"[...document.querySelectorAll('{SPECTRUM} .plot .point')].map((e) => getComputedStyle(e).stroke)"
    ):
        low, high = sorted((luminance(colour), paper))
        assert (high + 0.05) / (low + 0.05) >= 3


def test_the_reader_chooses_the_colours(opened):
    tab = opened(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(ground)
    tab.get_by_role("radio", name="dark").check()
    dark = tab.evaluate(ground)
    assert luminance(dark) < 0.05 < luminance(light)
    tab.get_by_role("radio", name="system").check()
    assert tab.evaluate(ground) == light


def test_on_paper_everything_is_open_and_nothing_is_a_control(opened):
    from playwright.sync_api import expect

    tab = opened(color_scheme="dark")
    assert tab.locator("details[open]").count() == 0
    tab.emulate_media(media="print", color_scheme="dark")
    expect(tab.locator("details:not([open])")).to_have_count(0)
    assert tab.locator("input:visible").count() == 0
    assert tab.locator("nav:visible").count() == 0
    assert tab.locator(f"{SPECTRUM} label:visible").all_text_contents() == [
        "binary",
        "ternary",
        "16 levels",
        "real",
        "even",
        "odd",
        "predicted",
    ]
    assert luminance(tab.evaluate("getComputedStyle(document.body).backgroundColor")) > 0.9
    tab.emulate_media(media="screen")
    expect(tab.locator("details[open]")).to_have_count(0)
    assert tab.pdf()[:5] == b"%PDF-"


def test_names_headings_and_landmarks(opened):
    tab = opened()
    levels = [
        int(one[1])
        for one in tab.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map((e) => e.tagName)")
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for landmark in ("banner", "main", "contentinfo", "navigation"):
        assert tab.get_by_role(landmark).count() == 1
    unnamed = tab.evaluate(
        """[...document.querySelectorAll('input')].filter((e) => !e.labels.length || !e.labels[0].innerText.trim()
           || !e.closest('fieldset').querySelector('legend').innerText.trim()).length"""
    )
    assert unnamed == 0
    pictures = tab.locator("svg:not([aria-hidden=true])")
    assert pictures.count() == 3
    for i in range(3):
        svg = pictures.nth(i)
        assert svg.get_attribute("role") == "img"
        for part in svg.get_attribute("aria-labelledby").split():
            assert tab.locator(f"[id='{part}']").text_content().strip()
    ids = tab.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    scrollers = tab.evaluate(
        """(document.querySelectorAll('details').forEach((e) => { e.open = true; }),
           [...document.querySelectorAll('.scroll, pre')].filter((e) => e.tabIndex !== 0 || !e.getAttribute('aria-label')).length)"""
    )
    assert scrollers == 0
    targets = tab.evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"]')].filter((e) => !document.querySelector(e.getAttribute('href'))).length"
    )
    assert targets == 0


def test_charts_follow_the_width(opened):
    from playwright.sync_api import expect

    tab = opened()
    picture = tab.locator(f"{SPECTRUM} .plot svg[role=img]")
    before = picture.get_attribute("viewBox")
    tab.set_viewport_size({"width": 500, "height": 800})
    expect(picture).not_to_have_attribute("viewBox", before)
    assert picture.bounding_box()["width"] < 500


def test_formulas_are_set_by_the_browser(opened):
    """MathML has a size, and no formula is text in program notation."""
    tab = opened()
    box = tab.locator("header .formula math").bounding_box()
    assert box["width"] > 60 < 10 * box["height"]
    for text in tab.locator("section#derivation math").all_text_contents():
        assert not re.search(r"W_std|var1|cov12|sqrt|\*\*|_x_1", text), text
