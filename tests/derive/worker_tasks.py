"""Tasks for test_worker.py, imported by the child process."""

import json
import os
import signal
import sys
import time

from derive import errors


class OwnError(errors.NoClosedForm):
    pass


def echo(argument):
    return argument


def process(argument):
    return json.dumps({"pid": os.getpid(), "session": os.getsid(0), "cwd": os.getcwd()})


def loop(argument):
    while True:
        pass


def burn(argument):
    """Use that many seconds of a processor."""
    end = time.process_time() + float(argument)
    while time.process_time() < end:
        pass
    return "done"


def wait(argument):
    """Say where it runs, then take its time."""
    with open(argument, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)


def briefly(argument):
    """Say where it runs, and end soon."""
    with open(argument, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(0.5)
    return "done"


def in_c(argument):
    """Say where it runs, then hold the GIL for a minute."""
    with open(argument, "w") as file:
        file.write(str(os.getpid()))
    return str(3 ** (3**20))


def at_once(argument):
    return str(len(bytearray(int(argument))))


def bit_by_bit(argument):
    hoard = []
    while True:
        hoard.append(bytearray(2**20))


def keep(argument):
    sys.modules[__name__].kept = bytearray(int(argument))
    return process(argument)


def known(argument):
    raise getattr(errors, argument)("what failed, and « why »")


def derived(argument):
    raise OwnError("a class that the parent does not know")


def crash(argument):
    raise KeyError(f"no such {argument}")


def leave(argument):
    sys.exit(argument)


def vanish(argument):
    os._exit(int(argument))


def hang_up(argument):
    """Close every descriptor, the answers' too, and go on."""
    os.closerange(0, 100)
    time.sleep(60)


def stop(argument):
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)


def noise(argument):
    print("stray", "{}", flush=True)
    os.write(1, b'{"text": "forged"}\n')
    os.write(2, b"x" * 2**20)
    os.system("echo from a shell")
    return repr(sys.stdin.read()) + argument


def number(argument):
    return 7


def sources(argument):
    import random

    import sympy

    import derive

    return json.dumps([derive.__file__, sympy.__file__, random.__file__])


def has_sympy(argument):
    return str("sympy" in sys.modules)
