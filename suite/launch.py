"""Replaces itself by another command, as another OS user if asked. The command ends when the parent ends.

It is run by path with `python -I -S`, starts in milliseconds and imports nothing of ours. It exists because
`preexec_fn` is unsafe beside gRPC's threads, and because uvloop's processes know no `user`.

Arguments: PARENT_PID DEATH_SIGNAL USER COMMAND [ARGUMENT ..]; an empty USER means to stay who we are.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1


def become(user: str) -> None:
    """Change to the OS user, with that user's groups. It cannot be undone."""
    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ.update(HOME=entry.pw_dir, USER=user, LOGNAME=user)


def end_with_parent(library: ctypes.CDLL, parent: int, death_signal: int) -> None:
    """Ask the kernel for a signal when the parent ends in any way (Linux only)."""
    if sys.platform == "linux":
        library.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent process ended before this one began")


def main() -> None:
    """Run the command. It does not return on success."""
    parent, death_signal, user, *command = sys.argv[1:]
    library = ctypes.CDLL(
        None
    )  # everything is loaded before the user changes: the next may not read our Python
    os.umask(0o077)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if user:
        become(user)
    end_with_parent(library, int(parent), int(death_signal))  # after setuid, which would clear the signal
    os.execv(command[0], command)  # noqa: S606 - becoming another command is its purpose


if __name__ == "__main__":
    main()
