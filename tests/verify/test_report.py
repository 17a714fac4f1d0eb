"""Certificates: JSON that survives, text, Markdown and HTML that say the same, and what they conclude."""

import dataclasses
import json
import math
from html.parser import HTMLParser

import pytest

from verify.render import percent
from verify.report import Certificate, Check

CHECKS = (
    Check("network", "ntk(x0, x1)", 0.182231, 0.18226, 9.2e-5, 0.0043, -0.3, "PASS", 40960, 0.005),
    Check("code", "ntk(X) = 40 digits", 0.34572, 0.34572, 0.0, 1e-12, 0.0, "PASS"),
    Check("property", "0 <= m <= p = q on the diagonal (nngp, rows 3 and 4)", 1e-15, 0.0, 0.0, 0.3, 0.0, "PASS"),
    Check("layer", "m(x0, x1) behind activation 12", -1.23456e-5, -1.2e-5, 7e-8, 0.0012, 1.5, "PASS", 4096, 0.005),
)  # fmt: skip
GOOD = Certificate(
    status="PASS",
    checks=CHECKS,
    kernel="Kernel of Dense(binary) -> max(x, 0) -> Dense(real); W_std=1.4142, b_std=0, latent_fraction=1/3",
    against="its own network",
    margin=0.005,
    alpha=1e-9,
    beta=1e-9,
    networks=163840,
    seed=7,
    seconds=12.34,
    rerun="quasintk verify relu --seed 7 --budget 20s --margin 0.005",
    version="0.1.0",
)


def changed(status, **values):
    """GOOD with its network check changed, and so the whole."""
    return dataclasses.replace(
        GOOD, status=status, checks=(dataclasses.replace(CHECKS[0], status=status, **values), *CHECKS[1:])
    )


WRONG = changed("FAIL", evidence=12.5, detectable=math.inf)
OPEN = changed("INCONCLUSIVE", detectable=0.0123)
UNKNOWN = changed("INCONCLUSIVE", detectable=math.inf, estimate=math.nan, error=math.inf)
ALL = {"pass": GOOD, "fail": WRONG, "open": OPEN, "unknown": UNKNOWN}


@pytest.fixture(params=ALL)
def certificate(request):
    return ALL[request.param]


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def test_json_comes_back_the_same(certificate):
    text = certificate.to_json()
    values = json.loads(text, parse_constant=refuse)
    assert values["format"] == 1
    again = Certificate.from_json(text)
    assert again.to_json() == text
    assert repr(again) == repr(certificate)
    assert again == certificate or certificate is UNKNOWN  # nan differs from itself


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(format=2), "format"),
        (lambda v: v.pop("format"), "format"),
        (lambda v: v.pop("seed"), "has no 'seed'"),
        (lambda v: v.update(seed="7"), "'seed' of the certificate"),
        (lambda v: v.update(seed=True), "'seed' of the certificate"),
        (lambda v: v.update(status="pass"), "'status' of the certificate"),
        (lambda v: v.update(margin="wide"), "'margin' of the certificate"),
        (lambda v: v.update(checks={}), "list of checks"),
        (lambda v: v["checks"].append(3), "check 4 is no object"),
        (lambda v: v["checks"][2].update(gate="gut feeling"), "'gate' of check 2"),
        (lambda v: v["checks"][0].update(estimate=None), "'estimate' of check 0"),
    ],
)
def test_damaged_json_is_refused_by_name(change, message):
    values = json.loads(GOOD.to_json())
    change(values)
    with pytest.raises(ValueError, match=message):
        Certificate.from_json(json.dumps(values))


def test_a_certificate_that_contradicts_itself_is_refused():
    for status, checks in (("PASS", WRONG.checks), ("FAIL", GOOD.checks), ("PASS", ())):
        text = dataclasses.replace(GOOD, status=status, checks=checks).to_json()
        with pytest.raises(ValueError, match="damaged: it says"):
            Certificate.from_json(text)


@pytest.mark.parametrize("text", ["[" * 100_000, "", "{", "[]", "3", "null", GOOD.to_json()[:-1]])
def test_what_is_no_certificate_is_refused(text):
    with pytest.raises(ValueError, match="certificate"):
        Certificate.from_json(text)


def test_text_fits_100_columns_and_ends_with_what_one_needs(certificate):
    lines = str(certificate).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith(f"{certificate.status}: Kernel of Dense(binary)")
    assert lines[-1] == f"run again: {certificate.rerun}"
    assert "163840 networks, 12.3 s, seed 7, quasintk 0.1.0" in lines
    gates = [
        line.partition(":")[0]
        for line in lines
        if line.partition(":")[0] in ("code", "property", "layer", "network")
    ]
    assert gates == ["code", "property", "layer", "network"]
    rows = [line for line in lines if line.endswith((" PASS", " FAIL", " INCONCLUSIVE"))]
    assert [row.split()[-1] for row in rows] == ["PASS", "PASS", "PASS", certificate.checks[0].status]
    assert rows[:2] == [
        f"  1 checks without chance, each precise to {limit} or better: PASS" for limit in ("1e-10 %", "30 %")
    ]


def test_a_wrong_check_without_chance_is_told():
    wrong = dataclasses.replace(CHECKS[1], status="FAIL")
    lines = str(dataclasses.replace(GOOD, status="FAIL", checks=(wrong, *CHECKS[2:]))).splitlines()
    assert any(line.startswith("  ntk(X) = 40 digits") and line.endswith("FAIL") for line in lines)


def test_a_row_has_the_numbers_of_its_check():
    (row,) = [line for line in str(GOOD).splitlines() if line.startswith("  m(x0, x1)")]
    assert row.split("12", 1)[1].split() == ["-1.2346e-05", "-1.2e-05", "7.0e-08", "0.12", "10^1.5", "PASS"]


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (GOOD, "no deviation above 0.43 % of sqrt(K(x,x)K(y,y)) could have hidden"),
        (
            changed("PASS", detectable=0.02),
            "no deviation above 2 % of sqrt(K(x,x)K(y,y)) could have hidden (the goal was 0.5 %)",
        ),
        (WRONG, "1 of 4 checks contradict the kernel"),
        (
            OPEN,
            "1 of 4 checks are undecided: deviations up to 1.3 % of sqrt(K(x,x)K(y,y)) could still hide, "
            "where 0.5 % was asked",
        ),
        (
            UNKNOWN,
            "1 of 4 checks are undecided: deviations of any size could still hide, where 0.5 % was asked",
        ),
    ],
)
def test_the_sentence_says_what_was_attained_everywhere(one, sentence):
    said = f"{sentence[0].upper()}{sentence[1:]}."
    assert one.attained == sentence
    assert said in " ".join(str(one).split())
    assert f"**{said}**" in one.to_markdown()
    assert f"<strong>{said}</strong>" in one.to_html()


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0043, "0.43 %"), (0.00431, "0.44 %"), (0.005 * (1 + 1e-12), "0.5 %"), (1e-12, "1e-10 %"), (0.0, "0 %"),
     (1.0, "1e+02 %"), (math.inf, ""), (math.nan, "")],
)  # fmt: skip
def test_percentages_are_rounded_up_because_they_bound_something(value, shown):
    assert percent(value) == shown


def test_precision_is_the_worst_of_the_checks_that_bound_a_value():
    assert GOOD.detectable == 0.0043
    assert GOOD.precise
    assert dataclasses.replace(GOOD, checks=()).detectable == math.inf


class Page(HTMLParser):
    """Whether tags are balanced, and what is on the page."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_needs_no_network_and_serves_screen_dark_and_print(certificate):
    text = certificate.to_html()
    page = Page(text)
    assert page.open == []
    assert text.startswith("<!DOCTYPE html>")
    assert not {"script", "link", "img", "iframe", "a"} & set(page.tags)
    assert not {"src", "href"} & {name for name, _ in page.attributes}
    assert "url(" not in text
    assert "@import" not in text
    assert "://" not in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert page.tags.count("tbody") == 4
    assert page.tags.count("tr") == 1 + 4 + len(certificate.checks)
    assert certificate.rerun in page.words


def test_text_from_outside_is_escaped():
    hostile = "<script>alert('x')</script> a|b `c` *d* & </section>"
    check = dataclasses.replace(CHECKS[0], name=hostile)
    one = dataclasses.replace(
        GOOD, kernel=hostile, against=hostile, rerun=hostile, checks=(check,), version=hostile
    )
    page = Page(one.to_html())
    assert "script" not in page.tags
    assert "".join(page.words).count(hostile) == 6  # title, heading, against, check, version, rerun
    page = Page(one._repr_html_())
    assert "script" not in page.tags
    assert "".join(page.words).count(hostile) == 5  # heading, against, check, version, rerun
    (row,) = [line for line in one.to_markdown().splitlines() if line.startswith("| network")]
    assert row.replace("\\|", "").count("|") == 9
    assert "<script>" not in row


def test_markdown_has_one_row_for_each_check(certificate):
    rows = [line for line in certificate.to_markdown().splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(certificate.checks)
    assert {row.replace("\\|", "").count("|") for row in rows} == {9}
