"""Pages are read, linked and run whole: `make docs` executes their fences, `make docs-slow` the slow ones."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

import quasintk
from quasintk.baselines import BASELINES
from quasintk.cli import COMMANDS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text()
    for path in DOCS.rglob("*.md")
    if path.relative_to(DOCS).parts[0] not in ("gallery", "_site")  # the gallery is generated
}
GENERATED = {"gallery/index"}
ELSEWHERE = {
    "sbatch": "needs Slurm",
    "--openml": "fetches tables from OpenML",
    "quasintk.studies.document": "writes into the checkout; its page is held to its rows by test_experiments_page.py",
}
"""What stands in fences that no build runs, and why."""
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)|!\[[^\]]*\]\(([^)\s]+)\)")


def _module(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / "_site" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


pages = _module("pages")


def fences(text):
    return [part for part in pages.parts(text) if isinstance(part, pages.Fence)]


def entries(page):
    """What a page's toctrees name."""
    folder = Path(page).parent
    for block in re.findall(r"```\{toctree\}\n(.*?)```", PAGES[page], re.DOTALL):
        names = [line.strip() for line in block.splitlines() if line.strip() and not line.startswith(":")]
        for name in (re.sub(r".*<(.*)>", r"\1", name) for name in names):
            if "*" in name:
                yield from (p for p in PAGES if Path(p).parent == folder and Path(p).match(name))
            else:
                yield (folder / name).as_posix()


def test_every_page_is_reached_from_the_front_page():
    found, waiting = set(), ["index"]
    while waiting:
        page = waiting.pop()
        assert page not in found, f"{page} stands in two tables of contents"
        found.add(page)
        waiting += [] if page in GENERATED else list(entries(page))
    assert found == PAGES.keys() | GENERATED


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_fence_is_run_or_for_display(page):
    text = PAGES[page]
    marks = [line for line in text.splitlines() if line.lstrip().startswith("```")]
    assert all(line.startswith("```") for line in marks), "an indented fence would not be run"
    directives = len(re.findall(r"^```\{", text, re.MULTILINE))
    count = sum(1 + (fence.printed is not None) for fence in fences(text))
    assert len(marks) == 2 * (count + directives), "a fence that the reader does not see"
    for fence in fences(text):
        assert fence.language in ("python", "shell", "text"), fence
        assert fence.word in ("", *(pages.WORDS if fence.language in pages.RUN else ())), fence
        if fence.word == "elsewhere":
            assert any(key in fence.text for key in ELSEWHERE), f"say in this test why it is not run: {fence}"


@pytest.mark.parametrize("page", sorted(PAGES))
def test_what_the_reader_runs_is_what_the_page_shows(page):
    """Every fence without a second word reaches a code cell, and nothing of the prose is lost."""
    book = pages.read(PAGES[page])
    code = "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")
    shown = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    for fence in fences(PAGES[page]):
        if not fence.word and fence.language in pages.RUN:
            assert fence.text.rstrip("\n") in code or repr(fence.text) in code
            assert fence.printed is None or repr(fence.printed) in code
        else:
            assert fence.text in shown
    prose = [line for part in pages.parts(PAGES[page]) if isinstance(part, str) for line in part.splitlines()]
    assert set(prose) <= set(shown.splitlines())


def test_files_that_pages_write_are_used():
    for page, text in PAGES.items():
        found = fences(text)
        for i, fence in enumerate(found):
            if name := pages.FILE.match(fence.text):
                later = (other.text for other in found[i + 1 :] if other.language == "shell")
                assert any(name[1] in line for line in later), f"{page} shows {name[1]} and does not run it"


@pytest.mark.parametrize("page", sorted({*PAGES, "README"}))
def test_links_lead_somewhere(page):
    file = ROOT / "README.md" if page == "README" else DOCS / f"{page}.md"
    for link, picture in LINK.findall(re.sub(r"`[^`\n]*`", "", file.read_text())):
        target = link or picture
        if "://" not in target:
            assert (file.parent / target).exists(), f"{page}: {target}"


def test_the_reference_has_every_public_name_and_command():
    text = "\n".join(content for page, content in PAGES.items() if page.startswith("reference/"))
    documented = set(re.findall(r"^\.\. auto\w+:: ([\w.]+)$", text, re.MULTILINE))
    names = [f"quasintk.{name}" for name in quasintk.__all__]
    names += [f"quasintk.baselines.{name}" for name in [*BASELINES, "baseline"]]
    for module in ("errors", "lowrank", "page", "sklearn"):
        names += [f"quasintk.{module}.{name}" for name in getattr(quasintk, module).__all__]
    missing = [name for name in names if not any(target.endswith(name) for target in documented)]
    assert missing == []
    assert {"verify.assertion.assert_kernel_matches", "verify.strategies"} <= documented
    commands = re.findall(r"^quasintk (\w+) --help$", PAGES["reference/cli"], re.MULTILINE)
    assert commands == list(COMMANDS)


def test_the_reader():
    text = "# T\n\n```python\n1\n```\n\n```text\n1\n```\n\nprose\n\n```shell slow\nls\n```\n\n```python\n# test_a.py\nx\n```\n\n```{toctree}\na\n```\n"
    kinds = [(cell.cell_type, cell.source) for cell in pages.read(text, "hash").cells]
    assert kinds == [
        ("code", "import page; page.start('hash')"),
        ("markdown", "# T\n\n"),
        ("code", "1"),
        ("code", "page.expect('1\\n')"),
        (
            "markdown",
            "\n\nprose\n\n```shell\nls\n```\n\n```python\n# test_a.py\nx\n```\n".replace(
                "\n\nprose", "\nprose"
            ),
        ),
        ("code", "page.write('test_a.py', '# test_a.py\\nx\\n')"),
        ("markdown", "\n```{toctree}\na\n```\n"),
    ]
    slow = pages.read(text, "hash", slow=True)
    assert "page.shell('ls\\n', [])" in [cell.source for cell in slow.cells]
    assert pages.read("# T\n").metadata["mystnb"] == {"execution_mode": "off"}
