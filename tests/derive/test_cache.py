"""The cache of derivations: real folders and files, most of them not as we left them."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from derive import cache

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    path = tmp_path / "cache"
    monkeypatch.setenv("QUASINTK_CACHE", str(path))
    return path


class Compute:
    """Counts its calls."""

    def __init__(self, text="text"):
        self.text, self.calls = text, 0

    def __call__(self):
        self.calls += 1
        return self.text


def always(text):
    return True


def stored(folder):
    """Store one text; the path of its only file."""
    assert cache.remember("kind", "content", Compute(), always) == "text"
    (path,) = folder.iterdir()
    return path


def is_missed(path, valid=always):
    """Whether the file at path is not believed; it is overwritten, and believed then."""
    fresh = Compute("fresh")
    answer = cache.remember("kind", "content", fresh, valid)
    if fresh.calls:
        assert answer == "fresh"
        assert cache.remember("kind", "content", fresh, always) == "fresh"
        assert fresh.calls == 1
        assert path.is_file()
        assert not path.is_symlink()
        assert [entry.suffix for entry in path.parent.iterdir()] == [".json"]
    else:
        assert answer == "text"
    return bool(fresh.calls)


@pytest.mark.parametrize("text", ["", "κ(ρ)\n\x00\u2028\ud800", "ab" * 10**6], ids=["empty", "odd", "long"])
def test_a_text_is_computed_once(folder, text):
    compute = Compute(text)
    for _ in range(3):
        assert cache.remember("kind", "content\ud800", compute, lambda found: found == text) == text
    assert compute.calls == 1
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    record = json.loads(path.read_text())
    checksum = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    content = "content\ud800"
    assert record == {"format": 1, "kind": "kind", "content": content, "sha256": checksum, "text": text}


def test_kind_content_and_version_all_count(folder, monkeypatch):
    pairs = [("a", "b"), ("b", "a"), ("ab", ""), ("", "ab"), ('a","', "b"), ("a", '","b')]
    for kind, content in pairs:
        assert cache.remember(kind, content, Compute(kind + "|" + content), always) == kind + "|" + content
    monkeypatch.setattr(cache, "_version", lambda: "another")
    assert cache.remember("a", "b", Compute("new"), always) == "new"
    assert len(list(folder.iterdir())) == len(pairs) + 1


def test_the_version_is_that_of_the_sources(tmp_path):
    """A copy of the package has the same version, until a byte of it changes; none without sources."""
    shutil.copytree(ROOT / "derive", tmp_path / "derive", ignore=shutil.ignore_patterns("__pycache__"))

    def version(cwd, code="from derive import cache; print(cache._version())"):
        done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    first = version(tmp_path)
    assert first == cache._version() == version(tmp_path)
    assert len(first) == 64
    with (tmp_path / "derive" / "dual.py").open("a") as file:
        file.write("\n")
    assert version(tmp_path) != first
    gone = "import pathlib; from derive import cache\n"
    gone += "for path in pathlib.Path('derive').glob('*.py'): path.unlink()\nprint(cache._version())"
    assert version(tmp_path, gone) == "None"


def test_an_error_passes_and_nothing_is_stored(folder):
    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.remember("kind", "content", fail, always)
    assert list(folder.iterdir()) == []


def test_a_text_of_any_size_is_returned_and_a_huge_one_not_stored(folder):
    compute = Compute("x" * cache.LARGEST)
    for _ in range(2):
        assert cache.remember("kind", "content", compute, always) == compute.text
    assert compute.calls == 2
    assert list(folder.iterdir()) == []


def test_a_stored_text_must_be_valid(folder):
    path = stored(folder)
    assert not is_missed(path)
    assert is_missed(path, lambda text: text != "text")


def test_a_check_that_fails_is_a_no(folder):
    path = stored(folder)
    assert is_missed(path, lambda text: 1 / 0)


def changed(record, **fields):
    return json.dumps({**record, **fields}, separators=(",", ":")).encode()


DAMAGES = {
    "empty": lambda data, record: b"",
    "half": lambda data, record: data[: len(data) // 2],
    "one byte less": lambda data, record: data[:-1],
    "one byte more": lambda data, record: data + b"\n",
    "one bit": lambda data, record: data[:-4] + bytes([data[-4] ^ 1]) + data[-3:],
    "zeros": lambda data, record: bytes(len(data)),
    "no JSON": lambda data, record: b"\x80\x04K\x01.",
    "nested": lambda data, record: b"[" * 10**6,
    "a list": lambda data, record: json.dumps(list(record.items())).encode(),
    "a number": lambda data, record: b"1",
    "another format": lambda data, record: changed(record, format=2),
    "another kind": lambda data, record: changed(record, kind="other"),
    "another content": lambda data, record: changed(record, content="other"),
    "another text": lambda data, record: changed(record, text="other"),
    "a text that is none": lambda data, record: changed(record, text=["text"]),
    "a wrong checksum": lambda data, record: changed(record, sha256="0" * 64),
    "a field more": lambda data, record: changed(record, more=1),
    "a field less": lambda data, record: json.dumps({"text": "text"}).encode(),
    "two texts": lambda data, record: data[:-1] + b',"text":"text"}',
    "too long": lambda data, record: changed(record, text="x" * cache.LARGEST),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_computed_again(folder, damage):
    path = stored(folder)
    data = path.read_bytes()
    path.write_bytes(DAMAGES[damage](data, json.loads(data)))
    assert is_missed(path)


def test_a_link_is_not_followed_but_replaced(folder, tmp_path):
    path = stored(folder)
    target = path.rename(tmp_path / "target")
    path.symlink_to(target)
    before = target.read_bytes()
    assert is_missed(path)
    assert target.read_bytes() == before


def test_a_pipe_does_not_block(folder):
    path = stored(folder)
    path.unlink()
    os.mkfifo(path)
    assert is_missed(path)


def test_a_pipe_is_no_file_even_if_a_good_record_comes_out(folder):
    path = stored(folder)
    data = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR)
    os.write(pipe, data)
    assert is_missed(path)
    os.close(pipe)


def test_a_sparse_giant_is_not_read(folder):
    path = stored(folder)
    os.truncate(path, 2**40)
    start = time.perf_counter()
    assert is_missed(path)
    assert time.perf_counter() - start < 1


def test_a_folder_in_the_files_place(folder):
    """It cannot be overwritten: no cache for this text, no crash, nothing left behind, no descriptor lost."""
    path = stored(folder)
    path.unlink()
    path.mkdir()
    compute, before = Compute(), len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        assert cache.remember("kind", "content", compute, always) == "text"
    assert compute.calls == 2
    assert list(folder.iterdir()) == [path]
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_another_user_owns_is_not_read(folder, what):
    path = stored(folder)
    os.chown(path if what == "file" else folder, 65534, 65534)
    if what == "file":
        assert is_missed(path)
    else:
        assert unused(folder)


def unused(folder):
    """Whether the folder is neither read nor written: a good file in it is not believed, and none comes."""
    before = sorted(os.listdir(folder)) if folder.is_dir() else None
    compute = Compute("fresh")
    for content in ("content", "other", "content"):
        assert cache.remember("kind", content, compute, always) == "fresh"
    assert (sorted(os.listdir(folder)) if folder.is_dir() else None) == before
    return compute.calls == 3


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_a_folder_that_others_can_write_is_not_used(folder, mode):
    stored(folder)
    folder.chmod(mode)
    assert unused(folder)
    folder.chmod(0o755)
    assert cache.remember("kind", "content", Compute("fresh"), always) == "text"


def test_a_link_to_a_folder_is_not_used(folder, tmp_path):
    stored(folder)
    folder.rename(tmp_path / "real")
    folder.symlink_to(tmp_path / "real")
    assert unused(folder)


def test_a_file_where_the_folder_should_be(folder):
    folder.write_text("mine")
    assert unused(folder)
    assert folder.read_text() == "mine"


def test_a_folder_that_cannot_be_made(folder, monkeypatch):
    folder.write_text("mine")
    monkeypatch.setenv("QUASINTK_CACHE", str(folder / "deeper" / "still"))
    assert unused(folder)


def test_a_folder_that_cannot_be_written(monkeypatch):
    """/proc/PID is a folder of our own in which not even root makes files."""
    place = Path(f"/proc/{os.getpid()}")
    monkeypatch.setenv("QUASINTK_CACHE", str(place))
    compute = Compute()
    for _ in range(2):
        assert cache.remember("kind", "content", compute, always) == "text"
    assert compute.calls == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_read(folder):
    stored(folder)
    folder.chmod(0o500)
    compute = Compute("fresh")
    assert cache.remember("kind", "content", compute, always) == "text"
    assert cache.remember("kind", "other", compute, always) == "fresh"
    assert len(list(folder.iterdir())) == 1


def test_a_full_disk_leaves_nothing_behind(folder):
    """The kernel refuses to write beyond 10 kB: a part of the file is written, then removed."""
    code = (
        "import resource; from derive import cache\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "print(len(cache.remember('kind', 'content', lambda: 'x' * 100_000, bool)))\n"
        "print(len(cache.remember('kind', 'small', lambda: 'x' * 100, bool)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["100000", "100"], "")
    (path,) = folder.iterdir()
    assert json.loads(path.read_text())["content"] == "small"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_rename_that_fails_leaves_nothing_behind(folder, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(os, "replace", fail)
    if error is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            cache.remember("kind", "content", Compute(), always)
    else:
        assert cache.remember("kind", "content", Compute(), always) == "text"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"QUASINTK_CACHE": "{}/own"}, "own"),
        ({"QUASINTK_CACHE": "~/own"}, "home/own"),
        ({"QUASINTK_CACHE": "relative/own"}, "here/relative/own"),
        ({"QUASINTK_CACHE": "", "XDG_CACHE_HOME": "{}/xdg"}, "xdg/quasintk"),
        ({"XDG_CACHE_HOME": "{}/xdg"}, "xdg/quasintk"),
        ({"XDG_CACHE_HOME": "relative"}, "home/.cache/quasintk"),
        ({}, "home/.cache/quasintk"),
        ({"QUASINTK_CACHE": "off", "XDG_CACHE_HOME": "{}/xdg"}, None),
        ({"HOME": "nowhere"}, None),
    ],
)
def test_where_the_folder_is(tmp_path, monkeypatch, environment, place):
    monkeypatch.delenv("QUASINTK_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    compute = Compute()
    for _ in range(2):
        assert cache.remember("kind", "content", compute, always) == "text"
    files = [path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")]
    assert files == ([] if place is None else [place])
    assert compute.calls == (2 if place is None else 1)


def test_the_oldest_files_go_and_foreign_ones_stay(folder, monkeypatch):
    monkeypatch.setattr(cache, "MOST", 20)
    monkeypatch.setattr(cache, "KEPT", 15)
    folder.mkdir(mode=0o700)
    foreign = [folder / "notes.json", folder / "0.json", folder / f"{'0' * 64}.txt"]
    left = folder / f"{'a' * 64}.{'b' * 16}.part"  # by a writer that was killed
    for path in (*foreign, left):
        path.write_text("")
        os.utime(path, (1, 1))
    paths = {}
    for number in range(19):
        before = set(folder.iterdir())
        cache.remember("kind", str(number), Compute(str(number)), always)
        (paths[number],) = set(folder.iterdir()) - before
        os.utime(paths[number], (1000 - number, 1000 - number))  # the first one is the youngest
    assert left.exists()
    cache.remember("kind", "last", Compute("last"), always)
    assert len(list(folder.iterdir())) == 15 + len(foreign)
    assert all(path.exists() for path in foreign)
    assert not left.exists()
    assert [number for number, path in paths.items() if path.exists()] == list(range(14))
    assert cache.remember("kind", "last", Compute("again"), always) == "last"


def test_the_stated_bounds(folder):
    stored(folder)
    for number in range(cache.MOST):
        (folder / f"{number:064x}.json").touch()
    os.utime(stored_path := folder / f"{0:064x}.json", (1, 1))
    cache.remember("kind", "other", Compute(), always)
    assert len(list(folder.iterdir())) == cache.KEPT == 1500
    assert not stored_path.exists()


def test_many_writers_and_readers_at_once(folder):
    """Four processes write, read and delete the same texts: every answer is right, and whole files are left."""
    code = (
        "import sys; from derive import cache\n"
        "cache.MOST, cache.KEPT = 12, 6\n"
        "for step in range(300):\n"
        "    name = str(step * int(sys.argv[1]) % 17)\n"
        "    text = name * 20_000\n"
        "    assert cache.remember('kind', name, lambda: text, lambda found: found == text) == text\n"
    )
    commands = [[sys.executable, "-W", "error", "-c", code, factor] for factor in "1357"]
    running = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for command in commands]
    assert [process.communicate(timeout=60)[1] for process in running] == [b""] * 4
    assert all(path.suffix == ".json" and json.loads(path.read_text()) for path in folder.iterdir())
    assert 0 < len(list(folder.iterdir())) <= 15


def test_a_killed_writer_leaves_no_half_text(folder):
    """SIGKILL at eight moments of a loop of writes."""
    code = (
        "from derive import cache\n"
        "print(flush=True)\n"
        "while True: cache.remember('kind', 'content', lambda: 'x' * 3_000_000, lambda text: False)\n"
    )
    for moment in range(8):
        with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(0.01 + 0.003 * moment)
            process.kill()
        text = cache.remember("kind", "content", Compute("y"), always)
        assert text in ("y", "x" * 3_000_000)


def test_threads(folder):
    answers = []

    def work(number):
        for step in range(50):
            name = str((step * number) % 7)
            answers.append(cache.remember("kind", name, Compute(name), always) == name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 300
