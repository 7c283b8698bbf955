"""The command line as a process of its own."""

import os
import sys
import threading

from provision.cli import app


def main() -> None:
    """Run the command line, and end the process; the entry point of the package.

    A thread that nobody waits for may still ask somebody: its C code was seen to crash (SIGSEGV) while Python ended
    around it, so that the process is then left without that.
    """
    try:
        app.main()
    except SystemExit as end:
        if any(one.daemon for one in threading.enumerate()) and isinstance(end.code, int):
            sys.stderr.flush()
            os._exit(end.code)
        raise
