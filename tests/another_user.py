"""Runs something as another user of the machine, where this process may become one."""

import codecs
import json
import os
import pwd
from collections.abc import Callable

import pytest

NOBODY = "nobody"


def as_nobody(attempt: Callable[[], object]) -> object:
    """What the attempt returns (as JSON), or the name of what it raises, in a process of `nobody`'s.

    A fork rather than a program of its own: nobody may not be able to read the interpreter's packages.
    """
    user = need_nobody()
    codecs.lookup("idna")  # sockets need it, and load it when they first do
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            said: object = attempt()
        except BaseException as error:
            said = type(error).__name__
        finally:
            os.write(writing, json.dumps(said).encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text)


def need_nobody() -> pwd.struct_passwd:
    """The user; skips where this process is not root, or there is none."""
    if os.geteuid() != 0:
        pytest.skip("not root: cannot act as another user")
    try:
        return pwd.getpwnam(NOBODY)
    except KeyError:
        pytest.skip("this machine has no user nobody")
