"""Journey: one page about a kernel, to read and to pass on."""

import csv
import io
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

LOADS = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}


class Page(HTMLParser):
    """What a page loads, what it offers for download, and its headings."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.files, self.headings, self._open = [], {}, [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.loads += [value for name, value in attrs if (tag, name) in LOADS]
        if tag == "a" and "download" in given:
            self.files[given["download"]] = unquote(given["href"].partition(",")[2])
        self._open = tag

    def handle_data(self, data):
        if self._open == "h2" and data.strip():
            self.headings.append(data.strip())


@pytest.mark.timeout(500)
def test_a_page_about_a_new_activation(installed, tmp_path):
    done = installed.run(
        "quasintk", "study", "max(x, 0) + x/4", "--dim", "5", "--degrees", "24", "--budget", "5s", "-o", "report.html",
        cwd=tmp_path, timeout=480,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Wrote report.html" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    page = Page((tmp_path / "report.html").read_text())
    assert [link for link in page.loads if not link.startswith("data:")] == []
    assert page.headings == [
        "Summary", "Derivation", "Spectrum", "Comparison", "Finite networks", "Checks", "Repeat", "Cite"
    ]  # fmt: skip
    assert (
        len(
            re.findall(
                r"^@\w+\{",
                next(text for name, text in page.files.items() if name.endswith(".bib")),
                re.MULTILINE,
            )
        )
        == 2
    )
    rows = list(csv.DictReader(io.StringIO(page.files["spectrum.csv"])))
    binary = [row for row in rows if "binary" in row.values() and "1" in row.values()]
    (tmp_path / "mine.py").write_text(
        "import quasintk as qn\n"
        "print(*map(float, qn.spectrum(qn.kernel('max(x, 0) + x/4'), dim=5, degrees=24).eigenvalue))\n"
    )
    own = [float(word) for word in installed.run("python", "mine.py", cwd=tmp_path).stdout.split()]
    assert [float(row["eigenvalue"]) for row in binary if row["depth"] == "1"] == pytest.approx(
        own, rel=1e-12
    )
