"""The derivation process: real children that hang, hoard, crash and get killed."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sympy

from derive import errors, worker

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TASKS = {
    name: f"worker_tasks:{name}"
    for name in re.findall(r"^def (\w+)", (HERE / "worker_tasks.py").read_text(), re.MULTILINE)
}
SCRIPT = f"""
import json, os, signal, sys, threading, time
sys.path[:0] = [{str(ROOT)!r}, {str(HERE)!r}]
from derive import errors, worker
worker.TASKS.update({TASKS!r})
"""
KNOWN = [
    name for name, value in vars(errors).items() if isinstance(value, type) and not issubclass(value, Warning)
]


@pytest.fixture(autouse=True)
def tasks(monkeypatch):
    monkeypatch.setattr(worker, "TASKS", TASKS)
    monkeypatch.syspath_prepend(HERE)
    worker.close()
    yield
    worker.close()


def where():
    return json.loads(worker.run("process", ""))["pid"]


def alive(pid):
    """Whether it runs; a zombie does not, and a grandchild's zombie is its new parent's to bury."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def comes_true(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def script(code, cwd, **options):
    command = [sys.executable, "-W", "error", "-c", SCRIPT + code]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, **options)


def test_calls_share_one_process_of_its_own_session(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = json.loads(worker.run("process", ""))
    assert first == json.loads(worker.run("process", ""))
    assert first["pid"] == first["session"] != os.getpid()
    assert first["cwd"] == "/"


@pytest.mark.parametrize(
    "text", ["", "κ(ρ)\n\x00\u2028\ud800", "ab" * 3_000_000], ids=["empty", "odd", "long"]
)
def test_any_text_comes_back(text):
    assert worker.run("echo", text) == text


def test_sympy_waits_for_a_task_that_needs_it():
    assert worker.run("has_sympy", "") == "False"
    code = "import sys, derive.worker, derive.cache; print({'sympy', 'mpmath'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "os:getcwd"}, "There is no task 'os:getcwd'; known are at_once,"),
        ({"seconds": 0}, "seconds must lie in"),
        ({"seconds": float("nan")}, "seconds must lie in"),
        ({"seconds": float("inf")}, "seconds must lie in"),
        ({"memory": 0}, "memory must be a positive number of bytes"),
        ({"memory": 2**63}, "memory must be a positive number of bytes"),
    ],
)
def test_bad_arguments_start_nothing(options, message):
    with pytest.raises(ValueError, match=message):
        worker.run(**{"task": "echo", "argument": "", **options})
    assert worker._process is None


@pytest.mark.parametrize("name", KNOWN)
def test_errors_raised_on_purpose_keep_class_and_message(name):
    with pytest.raises(errors.QuasintkError) as caught:
        worker.run("known", name)
    assert type(caught.value) is getattr(errors, name)
    assert str(caught.value) == "what failed, and « why »"


def test_a_private_error_arrives_as_its_nearest_known_class():
    with pytest.raises(errors.NoClosedForm, match="a class that the parent does not know") as caught:
        worker.run("derived", "")
    assert type(caught.value) is errors.NoClosedForm


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("crash", "in crash\n.*KeyError: 'no such thing'"),
        ("leave", "SystemExit: thing"),
        ("number", "TypeError: worker_tasks:number returned int, not text"),
    ],
)
def test_other_errors_bring_their_traceback_and_leave_the_process(task, text):
    pid = where()
    with pytest.raises(RuntimeError, match=f"(?s)The derivation '{task}' failed in its process.*{text}"):
        worker.run(task, "thing")
    assert where() == pid


def test_a_process_that_ends_itself():
    with pytest.raises(RuntimeError, match="ended with status 3 instead of an answer"):
        worker.run("vanish", "3")
    assert worker.run("echo", "again") == "again"


def test_a_task_that_closes_our_pipe_is_killed():
    pid = where()
    with pytest.raises(errors.DerivationTimeout):
        worker.run("hang_up", "")
    assert not alive(pid)


def test_no_executable(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    with pytest.raises(RuntimeError, match=r"could not be started: .*nothing"):
        worker.run("echo", "")


@pytest.mark.parametrize("task", ["loop", "in_c"])
def test_time_runs_out(task, tmp_path):
    pid = where()
    start = time.monotonic()
    with pytest.raises(errors.DerivationTimeout, match=rf"'{task}' was stopped after \d\.\d s; 0.4 s were"):
        worker.run(task, str(tmp_path / "pid"), seconds=0.4)
    assert 0.4 <= time.monotonic() - start < 5
    assert not Path(f"/proc/{pid}").exists()  # buried, no zombie
    assert where() != pid


def test_a_busy_machine_s_time_does_not_count():
    """0.5 s of work within 0.8 s, on one processor together with four that never rest: 2.5 s on the wall."""
    pid, processor = where(), min(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {processor})
    code = f"import os; os.sched_setaffinity(0, {{{processor}}})\nwhile True: pass"
    others = [subprocess.Popen([sys.executable, "-c", code], start_new_session=True) for _ in range(4)]
    try:
        start = time.monotonic()
        assert worker.run("burn", "0.5", seconds=0.8) == "done"
        assert time.monotonic() - start > 0.8  # else nothing was shown
    finally:
        for other in others:
            other.kill()
            other.wait()


@pytest.mark.parametrize(("task", "argument"), [("at_once", str(2**40)), ("bit_by_bit", "")])
def test_memory_runs_out(task, argument):
    pid = where()
    with pytest.raises(errors.DerivationTimeout, match="more memory than the 400 MB allowed"):
        worker.run(task, argument, memory=400 * 10**6)
    assert not Path(f"/proc/{pid}").exists()
    assert worker.run("at_once", "100000000") == "100000000"


def test_a_limit_below_the_interpreter_is_a_memory_error_too():
    with pytest.raises(errors.DerivationTimeout, match="memory"):
        worker.run("at_once", "1000000", memory=4096)


def test_the_memory_limit_is_each_calls_own():
    pid = where()
    assert worker.run("at_once", "300000000", memory=500 * 10**6) == "300000000"
    assert worker.run("at_once", "700000000", memory=10**9) == "700000000"
    assert where() == pid
    with pytest.raises(errors.DerivationTimeout):
        worker.run("at_once", "700000000", memory=500 * 10**6)


def test_a_process_that_holds_much_is_replaced():
    pid = json.loads(worker.run("keep", "10", memory=10**9))["pid"]
    assert where() == pid
    assert json.loads(worker.run("keep", "600000000", memory=10**9))["pid"] == pid
    assert where() != pid


def test_killed_from_outside_while_working(tmp_path):
    place = tmp_path / "pid"

    def kill():
        comes_true(lambda: place.exists() and place.read_text())
        os.kill(int(place.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(errors.DerivationTimeout, match=r"ended by signal 9 \(Killed\).*memory"):
        worker.run("wait", str(place))
    killer.join()
    assert worker.run("echo", "again") == "again"


def test_bytes_that_come_while_it_works_do_not_end_it(tmp_path):
    """The kernel signals a request that can be read already, to a process that works on it: one in 40,000 died of that."""
    place = tmp_path / "pid"

    def write():
        comes_true(lambda: place.exists() and place.read_text())
        os.write(worker._process.stdin.fileno(), b" ")

    writer = threading.Thread(target=write)
    writer.start()
    assert worker.run("briefly", str(place)) == "done"
    writer.join()
    assert worker.run("echo", "again") == "again"


def test_a_crash_in_c():
    with pytest.raises(errors.DerivationTimeout, match=r"ended by signal 11 \(Segmentation fault\)"):
        worker.run("stop", "")


def test_killed_from_outside_while_idle():
    pid = where()
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert where() != pid


def test_a_stopped_process_and_a_long_argument():
    """The pipe is full and nobody reads: the limit holds while writing as well."""
    os.kill(where(), signal.SIGSTOP)
    with pytest.raises(errors.DerivationTimeout):
        worker.run("echo", "x" * 10**6, seconds=0.3)


def test_noise_does_not_reach_the_answers_nor_the_terminal(capfd):
    assert worker.run("noise", " heard") == "'' heard"
    assert worker.run("echo", "next") == "next"
    assert capfd.readouterr() == ("", "")


def test_foreign_modules_in_the_working_directory(tmp_path):
    """By every name that the child imports, and put first on the path in every way."""
    for name in ("derive", "sympy", "random", "json", "importlib", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('foreign')\n")
    code = "os.environ['PYTHONPATH'] = os.getcwd()\n"
    code += "for entry in ('', '.', os.getcwd()):\n"
    code += "    sys.path.insert(0, entry)\n    print(worker.run('sources', ''))\n    worker.close()"
    start = f"import os; os.chdir({str(tmp_path)!r})\n"  # ours has been imported by then
    done = script(start + code, HERE)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 3
    for ours, theirs, standard in answers:
        assert ours == str(ROOT / "derive" / "__init__.py")
        assert theirs == sympy.__file__
        assert Path(standard).parent == Path(json.__file__).parents[1]


def test_a_working_directory_that_is_gone(tmp_path):
    code = "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); print(worker.run('echo', 'still'))"
    assert script(code, tmp_path).stdout == "still\n"


def test_threads_get_their_own_answers():
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: worker.run("echo", str(n)), range(200))) == [
            str(n) for n in range(200)
        ]


def test_a_thread_that_ends_leaves_the_process_to_the_others():
    with ThreadPoolExecutor(1) as pool:
        pid = pool.submit(where).result()
    time.sleep(0.1)
    assert where() == pid


def test_ctrl_c_kills_the_process_and_passes_on(tmp_path):
    place = tmp_path / "pid"

    def interrupt():
        comes_true(lambda: place.exists() and place.read_text())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        worker.run("wait", str(place))
    assert time.monotonic() - start < 5
    thread.join()
    assert not Path(f"/proc/{place.read_text()}").exists()
    assert worker.run("echo", "again") == "again"


def test_no_descriptor_is_lost():
    worker.run("echo", "")
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        with pytest.raises(errors.DerivationTimeout):
            worker.run("loop", "", seconds=0.1)
        worker.run("echo", "")
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_the_end_of_the_program_is_the_end_of_the_process(tmp_path):
    done = script("print(json.loads(worker.run('process', ''))['pid'])", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert not alive(int(done.stdout))


@pytest.mark.parametrize("task", ["wait", "in_c", "idle"])
def test_a_killed_program_leaves_no_process(tmp_path, task):
    """Killed, not ended: its process learns of it from the kernel alone."""
    place = tmp_path / "pid"
    call = f"worker.run({task!r}, {str(place)!r})"
    if task == "idle":
        call = f"open({str(place)!r}, 'w').write(str(json.loads(worker.run('process', ''))['pid'])); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", SCRIPT + call]) as program:
        assert comes_true(lambda: place.exists() and place.read_text())
        pid = int(place.read_text())
        assert alive(pid)
        program.kill()
    assert comes_true(lambda: not alive(pid), 3)


def test_the_alarm_behind_that():
    code = "import derive.child as child; child._LATE = 0.1; child.serve()"
    request = {"function": "worker_tasks:loop", "argument": "", "seconds": 0.2, "memory": 2**32}
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        program.stdin.write(json.dumps(request).encode() + b"\n")
        program.stdin.flush()
        assert program.stdout.read() == b""
        assert program.wait(10) == -signal.SIGALRM


def test_after_a_fork_each_has_its_own_process(tmp_path):
    """Forked while another thread's call holds the lock and uses the process."""
    code = """
def busy():
    try:
        worker.run("wait", os.path.abspath("busy"), seconds=1.5)
    except errors.DerivationTimeout:
        print("stopped", flush=True)

first = json.loads(worker.run("process", ""))["pid"]
thread = threading.Thread(target=busy)
thread.start()
while not os.path.exists("busy"):
    time.sleep(0.01)
forked = os.fork()
if forked == 0:
    own = json.loads(worker.run("process", ""))["pid"]
    print("own" if own != first else "shared", flush=True)
    worker.close()
    os._exit(0)
print(os.waitpid(forked, 0)[1], flush=True)
thread.join()
print(worker.run("echo", "parent"))
"""
    command = [sys.executable, "-c", SCRIPT + code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["own", "0", "stopped", "parent"], done.stderr


def test_a_fork_does_not_keep_the_process_alive(tmp_path):
    """The fork lives on, and so would a copy of the pipe."""
    code = """
pid = json.loads(worker.run("process", ""))["pid"]
if os.fork() == 0:
    os.closerange(1, 3)
    time.sleep(4)
    os._exit(0)
print(pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    start = time.monotonic()
    done = script(code, tmp_path)
    assert comes_true(lambda: not alive(int(done.stdout)), 5)
    assert time.monotonic() - start < 3
    assert done.stderr == ""
