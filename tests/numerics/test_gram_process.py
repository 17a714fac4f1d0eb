"""Large Gram matrices in processes of their own: what they take in memory, and how fast an interrupt ends them."""

import select
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

MEMORY = """
import numpy as np
import quasintk as qn

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))

kernel = qn.kernel("{activation}", depth=2, weights="{weights}", b_std={b_std})
X = np.random.default_rng(0).standard_normal((6000, 32)).astype("{dtype}")
kernel(X[:600])
before = peak()
K = kernel(X)
print((peak() - before) * 1024 - K.nbytes)
"""

INTERRUPTED = """
import numpy as np
import quasintk as qn

kernel = qn.kernel("{activation}", depth=3, weights="binary", b_std={b_std})
X = np.random.default_rng(0).standard_normal((20000, {features}))
kernel(X[:600])
print("ready", flush=True)
try:
    kernel(X)
    print("finished")
except KeyboardInterrupt:
    print("interrupted")
"""


def growth(**options):
    """Bytes by which the process grew beyond the result."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY.format(**options)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_memory_beyond_the_result():
    """200 MB are allowed: what a call needs beside the result are the rows and two tiles for each thread."""
    assert growth(activation="relu", weights="real", b_std=0, dtype="float32") < 200e6
    assert growth(activation="relu", weights="binary", b_std=0.1, dtype="float64") < 200e6


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"activation": "erf", "b_std": 0.3, "features": 8}, id="pairs"),
        pytest.param({"activation": "relu", "b_std": 0, "features": 784}, id="cosines"),
    ],
)
def test_an_interrupt_ends_it_within_a_second(options):
    """20,000 rows take several seconds; memory is fresh, and the first band meets every page of it."""
    script = INTERRUPTED.format(**options)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        assert process.stdout.readline() == "interrupted\n"
        assert time.monotonic() - start < 1


REPEATED = """
import numpy as np
import quasintk as qn

kernel = qn.kernel("erf", depth=3, weights="binary", b_std=0.3)
X, out = np.random.default_rng(0).standard_normal((20000, 8)), np.empty((20000, 20000))
kernel(X[:600])
print("ready", flush=True)
while True:
    try:
        qn.gram(kernel, X, out=out)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_no_interrupt_leaves_a_lock_behind():
    """While tasks were handed to `concurrent.futures`, one interrupt in 15 met it inside of its own locks, and all waited for ever."""
    random = np.random.default_rng(0)
    with subprocess.Popen([sys.executable, "-c", REPEATED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        for _ in range(60):
            time.sleep(random.uniform(0.005, 0.08))
            process.send_signal(signal.SIGINT)
            if not select.select([process.stdout], [], [], 30)[0]:
                process.kill()
                pytest.fail("it hangs")
            assert process.stdout.readline() == "interrupted\n"
        process.kill()
