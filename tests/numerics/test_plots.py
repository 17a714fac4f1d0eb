"""Pictures: whose axes they are drawn into, errors that are seen, files that appear whole."""

import numpy as np
import pytest

from numerics.gram_eigenvalues import GramSpectrum
from numerics.plots import draw_values, figure, panels, save, short
from numerics.zonal import spectrum
from quasintk.pipeline import kernel

pyplot = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _closed():
    yield
    pyplot.close("all")


def test_without_axes_pyplot_has_the_figure_which_a_notebook_shows():
    found = spectrum(kernel("relu"), degrees=10)
    axes = found.plot()
    assert axes.figure in map(pyplot.figure, pyplot.get_fignums())
    assert axes.figure.get_layout_engine() is not None
    again = found.plot(axes, label="again")
    assert again is axes
    assert len(pyplot.get_fignums()) == 1
    assert len({line.get_color() for line in axes.lines if line.get_gid() == "spectrum"}) == 2


def test_pictures_for_files_leave_nothing_in_pyplot():
    _, axes = figure(6.4, 4.2)
    assert spectrum(kernel("relu"), degrees=10).plot(axes) is axes
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize(
    ("given", "count", "error", "message"),
    [
        (3, 1, TypeError, "must be matplotlib Axes, got int"),
        ("a", 2, TypeError, "got str"),
        (figure(1, 1)[1], 2, ValueError, r"needs 2 Axes, got 1: plt.subplots\(1, 2\)"),
        (figure(1, 1)[0], 1, TypeError, "got Figure"),
        ([], 1, ValueError, "needs 1 Axes, got 0"),
    ],
)
def test_other_axes_are_refused(given, count, error, message):
    with pytest.raises(error, match=message):
        panels(given, count, 4, 3)


def test_errors_are_bars_once_they_are_seen_and_hollow_where_nothing_is_known():
    _, axes = figure(4, 3)
    k = np.arange(5)
    log_values = np.log([1.0, 1e-2, 1e-4, 1e-6, 1.0])
    log_values[4] = -np.inf
    draw_values(axes, k, log_values, [1e-9, 0.5, 0.9, np.inf, 0.0], ("o", "#0072B2"), "values")
    sure, unsure = (line for line in axes.lines if len(line.get_xdata()) and line.get_marker() == "o")
    assert sure.get_xdata().tolist() == [0, 1, 2]
    assert (unsure.get_xdata().tolist(), unsure.get_fillstyle()) == ([3], "none")
    (bars,) = axes.collections
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(10**ends, [[0.5e-2, 1.5e-2], [1e-5, 1.9e-4]], rtol=1e-9)


def test_gram_eigenvalues_show_bounds_and_leave_out_what_is_not_positive():
    found = GramSpectrum(np.array([4.0, 1.0, 1e-9, -1e-9]), np.full(4, 0.2), 1e-3, 4, 5.0)
    axes = found.plot(figure(4, 3)[1], label="values")
    points = [line.get_xdata().tolist() for line in axes.lines if line.get_marker() == "o"]
    assert [1, 2] in points
    assert [3] in points
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["values", "error above 100 %", "rounding"]


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_a_file_is_written_whole(tmp_path, ending):
    target = tmp_path / f"a.{ending.upper()}"
    save(figure(2, 2)[0], target)
    whole = target.read_bytes()
    assert whole[:5].startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending])
    drawing, axes = figure(2, 2)
    axes.set_title("$x^{$")
    with pytest.raises(ValueError, match="x"):
        save(drawing, target)
    assert target.read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_labels_fit_into_a_legend():
    label = short(f"ntk of {kernel('relu', depth=20)!r}")
    assert label.startswith("ntk of Dense(binary) -> relu")
    assert label.endswith(" ...")
    assert len(label.splitlines()) == 2
