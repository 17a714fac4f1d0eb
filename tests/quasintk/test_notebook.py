"""A notebook in a real kernel: what is shown at the end of every cell, and progress that comes and goes."""

import pytest
from shown import Tags, require_mathjax

pytest.importorskip("ipykernel")
pytest.importorskip("matplotlib")
nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

CELLS = {
    "import": "import quasintk as qn\nimport numerics.progress\nnumerics.progress.DELAY = numerics.progress.EVERY = 0",
    "activation": 'qn.Activation("prelu", a=0.3)',
    "network": 'qn.mlp("relu", depth=2)',
    "kernel": 'kernel = qn.kernel("relu", b_std=1)\nkernel',
    "dual": "kernel.duals[0]",
    "spectrum": "found = qn.spectrum(kernel, dim=10)\nfound",
    "fit": "fit = qn.fit_decay(found)\nfit",
    "prediction": "law = qn.predict_decay(kernel, dim=10)\nlaw",
    "plot": "found.plot(prediction=law);",
    "two panels": "fit.plot();",
    "certificate": "from verify.report import Certificate, Check\n"
    'check = Check("code", "<b>ntk</b>", 1.0, 1.0, 0.0, 1e-13, 0.0, "PASS")\n'
    'Certificate("PASS", (check,), "Kernel", "its own network", 0.005, 1e-9, 1e-9, 0, 0, 1.0, "qn.verify()", "0")',
    "progress": 'with numerics.progress.progress() as report:\n    report(1, 4, "1 of <4> tiles")\n    report(4, 4, "all")',
    "interrupt": 'with numerics.progress.progress() as report:\n    report(1, 4, "tiles")\n    raise KeyboardInterrupt',
}
LATEX = ("activation", "kernel", "dual")
HTML = ("network", "spectrum", "fit", "prediction", "certificate")
PICTURES = ("plot", "two panels")


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Outputs of every cell, and all that its displays showed meanwhile."""
    displayed = []

    class Client(nbclient.NotebookClient):
        def process_message(self, message, cell, cell_index):
            if message["msg_type"] in ("display_data", "update_display_data"):
                displayed.append(message["content"]["data"])
            return super().process_message(message, cell, cell_index)

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS.values()])
    folder = str(tmp_path_factory.mktemp("notebook"))
    Client(book, timeout=120, allow_errors=True, resources={"metadata": {"path": folder}}).execute()
    return dict(zip(CELLS, (cell.outputs for cell in book.cells), strict=True)), displayed


def data_of(outputs):
    assert [one.output_type for one in outputs] == ["execute_result"], outputs
    return outputs[0].data


@pytest.mark.parametrize("name", LATEX)
def test_formulas_are_latex(executed, name):
    data = data_of(executed[0][name])
    require_mathjax(data["text/latex"])
    assert "text/html" not in data
    assert 0 < len(data["text/plain"]) < 200


@pytest.mark.parametrize("name", HTML)
def test_tables_are_html(executed, name):
    data = data_of(executed[0][name])
    tags = Tags(data["text/html"])
    assert "table" in tags.found
    assert tags.found.count("tr") < 40
    assert len(data["text/plain"]) < 700
    if name == "certificate":
        assert "<b>ntk</b>" in tags.words
        assert "PASS" in tags.words
        assert "style" not in tags.found


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_appear_without_a_word_of_saving(executed, name):
    pictures = [one for one in executed[0][name] if one.output_type == "display_data"]
    assert len(pictures) == len(executed[0][name]) == 1
    assert len(pictures[0].data["image/png"]) > 10_000


def test_progress_comes_and_goes(executed):
    outputs, displayed = executed
    texts = [data["text/html"] for data in displayed if "text/plain" in data and "image/png" not in data]
    assert texts[0] == '<progress value="0.250"></progress> 1 of &lt;4&gt; tiles, about 0 s left'
    assert texts[1].startswith('<progress value="1.000"></progress> all')
    assert texts[2] == ""
    assert [dict(one.data) for one in outputs["progress"]] == [{"text/html": "", "text/plain": ""}]


def test_progress_is_cleared_by_an_interrupt_too(executed):
    shown, error = executed[0]["interrupt"]
    assert shown.data["text/html"] == ""
    assert error.ename == "KeyboardInterrupt"
