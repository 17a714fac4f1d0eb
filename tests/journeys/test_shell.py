"""Journeys of the shell: derive a kernel, fit the decay of eigenvalues, write a large Gram matrix."""

import json
import signal
import time

import numpy as np
import pytest

NEW = "max(x, 0)*exp(-x**2/2) + x/3"
"""An activation that no library names."""


def test_the_command_is_the_wheel_s(installed, tmp_path):
    (health,) = (
        line for line in installed.shell("quasintk doctor", tmp_path).splitlines() if "package verify" in line
    )
    assert str(installed.prefix) in health


def test_derive_a_new_activation_and_take_its_code_along(installed, tmp_path):
    """The written module needs NumPy alone, and agrees with a Gaussian integral done here."""
    text = installed.shell(f"quasintk derive '{NEW}' --depth 1 --weights binary", tmp_path)
    assert "digits against independent quadrature" in text
    installed.shell(f"quasintk derive '{NEW}' --format numpy -o mine.py", tmp_path)
    installed.shell(f"quasintk derive '{NEW}' --format json -o mine.json", tmp_path)
    assert "K^{(2)} &=" in installed.shell(f"quasintk derive '{NEW}' --format latex", tmp_path)
    (tmp_path / "x.py").write_text(
        "import sys, json, numpy as np\n"
        "import quasintk as qn\n"
        "X = np.array([[1.0, 0.5], [-0.3, 1.2]])\n"
        "kernel = qn.Kernel.from_json(open('mine.json').read())\n"
        "print(json.dumps(kernel(X, get='nngp').tolist()))\n"
    )
    K = np.array(json.loads(installed.run("python", "x.py", cwd=tmp_path).stdout))
    X = np.array([[1.0, 0.5], [-0.3, 1.2]])
    assert pytest.approx(K, rel=1e-9) == nngp_of_one_binary_layer(X)


def nngp_of_one_binary_layer(X):
    """E[mu(u) mu(v)], mu the activation averaged over the rounding: a third of a pre-activation's variance is the latents', the rest the rounding's.

    Gauss-Hermite over (u, v), where mu is smooth; Gauss-Legendre on both sides of phi's kink over the rounding.
    """
    q, m = np.diag(X @ X.T) / 2, X @ X.T / 2 / 3
    node, weight = np.polynomial.legendre.leggauss(80)
    z, w = np.polynomial.hermite_e.hermegauss(80)
    w = w / w.sum()

    def phi(x):
        return np.maximum(x, 0) * np.exp(-x * x / 2) + x / 3

    def mean(u, variance):
        s = np.sqrt(variance)
        kink = np.clip(-u / s, -12, 12)[..., None]
        total = 0.0
        for low, high in ((-12.0, kink), (kink, 12.0)):
            at = (low + high) / 2 + (high - low) / 2 * node
            total = total + (phi(u[..., None] + s * at) * np.exp(-at * at / 2) * (high - low) / 2) @ weight
        return total / np.sqrt(2 * np.pi)

    K = np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            a, b = q[i] / 3, q[j] / 3
            rho = min(1.0, m[i, j] / np.sqrt(a * b))
            u, v = np.meshgrid(z, z, indexing="ij")
            second = np.sqrt(b) * (rho * u + np.sqrt(1 - rho * rho) * v)
            K[i, j] = w @ (mean(np.sqrt(a) * u, 2 * a) * mean(second, 2 * b)) @ w
    return K


def test_fit_the_decay_of_a_network_and_of_one_s_own_numbers(installed, tmp_path):
    """rho of binary ReLU is 3 - 2 sqrt(2); the file of one's own decays like 0.3^k."""
    installed.shell("quasintk eigen relu --depth 2 --dim 10 --degrees 80 --json > spectrum.json", tmp_path)
    (fit,) = json.loads(installed.shell("quasintk fit spectrum.json --plot fit.png --json", tmp_path))["fits"]
    low, high = fit["best"]["interval"]["rho"]
    assert fit["verdict"] == "exponential"
    assert low < 3 - 2 * np.sqrt(2) < high
    assert high - low < 0.01
    assert (tmp_path / "fit.png").read_bytes()[:4] == b"\x89PNG"
    rows = (f"{k},{0.3**k * (k + 1) ** -1.5!r}" for k in range(40))
    (tmp_path / "mine.csv").write_text("\n".join(["degree,eigenvalue", *rows]))
    text = installed.shell("quasintk fit mine.csv", tmp_path)
    assert text.startswith("verdict: exponential")
    piped = installed.shell(
        "quasintk eigen relu --depth 2 --degrees 80 --json | quasintk fit - --json", tmp_path
    )
    assert json.loads(piped)["fits"][0]["best"]["parameters"] == fit["best"]["parameters"]


def test_a_large_gram_matrix_survives_its_process(installed, tmp_path):
    """Killed once tiles are there; the same command and --resume give the bytes of a matrix computed in memory."""
    X = np.random.default_rng(0).normal(size=(4000, 30)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    command = ("quasintk", "gram", "relu", "X.npy", "--depth", "2", "-o", "G.zarr", "--tile", "512")
    assert "nothing written" in installed.run(*command, "--dry-run", cwd=tmp_path).stdout
    running = installed.start(*command, cwd=tmp_path)
    deadline = time.monotonic() + 120
    while running.poll() is None and sum(1 for _ in tmp_path.glob("G.zarr/**/*")) < 12:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    done = installed.run(*command, "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "BAD" not in installed.shell("quasintk doctor G.zarr", tmp_path)
    (tmp_path / "compare.py").write_text(
        "import numpy as np, quasintk as qn\n"
        "G, X = qn.open_gram('G.zarr'), np.load('X.npy')\n"
        "K = qn.gram(qn.kernel('relu', depth=2), X)\n"
        "print(G[:1000].tobytes() == K[:1000].tobytes(), G[3000:].tobytes() == K[3000:].tobytes())\n"
    )
    assert installed.run("python", "compare.py", cwd=tmp_path).stdout.split() == ["True", "True"]
