"""Confine a process for good: no file system, no network, no signals to others, and no rights of root.

Open file descriptors stay usable; nothing else can be opened, made, changed or deleted. By Landlock where the
kernel has it (Linux 5.13), else by an empty root folder in a user namespace. A process of root becomes nobody
first. `fork_server.py` confines every scorer; `check` tells a server at its start what it can expect.
"""

import ctypes
import os
import struct
import sys
import tempfile
from contextlib import suppress

from metanas.base.errors import MetanasError

NOBODY = 65534
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000  # flags of unshare(2)
PR_SET_NO_NEW_PRIVS = 38
CREATE_RULESET, RESTRICT_SELF = 444, 446  # system calls of Linux, the same on every architecture
VERSION = 1  # flag of CREATE_RULESET: ask for the version of the interface
CAPABILITIES = 0x20080522  # version of capset(2)'s structures

_libc = ctypes.CDLL(None, use_errno=True)


class NotConfined(MetanasError):
    """The kernel offers nothing that keeps a scorer from the file system, and the server runs as root."""

    exit_code = 3


def confine() -> str:
    """Confine this process; returns by what: "landlock", "chroot", or "" if the kernel has neither.

    NotConfined instead of "" for a process of root, to which every file of the machine would stand open.
    """
    root = os.geteuid() == 0
    if root:
        with suppress(PermissionError):  # a container may not allow it; what follows confines root as well
            _become_nobody()
    if sys.platform == "linux":
        if _landlock():
            if _libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0:  # no network at all, where that is allowed
                _give_up_capabilities()
            return "landlock"
        if _empty_root():
            return "chroot"
    if root:
        raise NotConfined(
            "scorers of strangers' files would run as root with the whole file system open: this kernel has "
            "neither Landlock (Linux 5.13) nor user namespaces. Enable one, or serve as a user of its own"
        )
    return ""


def check() -> str:
    """What `confine` does here, tried in a process of its own that ends at once. NotConfined as there."""
    ours, theirs = os.pipe()
    if (process := os.fork()) == 0:
        try:
            os.write(theirs, f"+{confine()}".encode())
        except NotConfined as error:
            os.write(theirs, str(error).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, encoding="utf-8") as pipe:
        answer = pipe.read()
    os.waitpid(process, 0)
    if not answer.startswith("+"):
        raise NotConfined(answer or "a process that was to be confined ended")
    return answer[1:]


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _landlock() -> bool:
    """Forbid every access to files, every TCP connection, and signals to other processes; see landlock(7).

    Whether the kernel did; an older version of the interface handles fewer rights.
    """
    version = _libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION)
    if version < 1:
        return False
    files = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    network = 0b11 if version >= 4 else 0  # bind, connect
    scoped = 0b11 if version >= 6 else 0  # abstract sockets, signals
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = struct.pack("QQQ", files, network, scoped)
    handle = _libc.syscall(CREATE_RULESET, rules, ctypes.c_size_t(size), 0)
    if handle < 0 or _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    done = _libc.syscall(RESTRICT_SELF, handle, 0) == 0
    os.close(handle)
    return done


def _empty_root() -> bool:
    """Make a deleted folder, in which nothing can be made, the root, and give up the rights to leave it."""
    folder = tempfile.mkdtemp(prefix="metanas-empty-")
    os.chdir(folder)
    os.rmdir(folder)
    if _libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET):
        return False
    try:
        os.chroot(".")
    except OSError:
        return False
    return _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and _give_up_capabilities()


def _give_up_capabilities() -> bool:
    """Give up what a new user namespace allows within it, such as changing the root folder; see capset(2)."""
    header, nothing = struct.pack("Ii", CAPABILITIES, 0), bytes(24)
    return bool(_libc.capset(header, nothing) == 0)
