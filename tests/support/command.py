"""The command, called as a function or as a program, and what came of it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from attrs import frozen

#: The program as it is installed, whatever its script is called on this system.
PROGRAM = (sys.executable, "-c", "from projector.cli import main; main()")


@frozen
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout, which must be alone there."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1, "one document, one line"
        return json.loads(self.out)

    @property
    def failed_in_a_sentence(self) -> bool:
        """Nothing for programs to misread, and an error for people, without a traceback."""
        return self.out == "" and self.err.startswith("error: ") and "Traceback" not in self.err


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what would have a say in a test."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("PROJECTOR_")}
    return {**ours, "COLUMNS": "200", **more}


def run_program(folder: Path, *arguments: str, stdin: bytes = b"", **more: str) -> Done:
    """Run the program in a folder, as a process of its own."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        env=environment(**more),
        input=stdin,
        capture_output=True,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
