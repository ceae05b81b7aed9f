"""Runs nbgrader's commands, one a line of the standard input, in one process; each import of nbgrader takes seconds.

    nbgrader generate_assignment prompts_and_masks

Prints `exit N` after each command; what nbgrader logs goes to the standard error. `cd FOLDER` works, too.
"""

import os
import shlex
import sys

from nbgrader import apps


def run(name: str, options: list[str]) -> int:
    """The exit status of one command, as a terminal would have it."""
    app = getattr(apps, name.title().replace("_", "") + "App")()
    try:
        app.initialize(options)
        app.start()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


for line in sys.stdin:
    command, *words = shlex.split(line)
    if command == "cd":
        os.chdir(words[0])
    else:
        print("exit", run(words[0], words[1:]), flush=True)
