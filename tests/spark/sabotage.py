"""Kills a Python process of an executor at a step of its task, the first time that it is there.

A folder on the `PYTHONPATH` of executors gets a `sitecustomize` that patches the tasks.
"""

from pathlib import Path

#: The steps of tasks in which a process may be killed, in the order in which tasks come to them.
STEPS = ("reading", "folding", "rows put", "results put")

_SITECUSTOMIZE = """
import os, signal, sys
from importlib.util import find_spec

STEPS = {steps!r}
FOLDER = {folder!r}
TASKS = "replay.engines.spark.archive_fold"

def die(step):
    try:
        os.close(os.open(os.path.join(FOLDER, step), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)

def patch(tasks):
    facts, put = tasks._facts, tasks.results.put

    def dying_facts(rows):
        yield from facts(rows)
        die("reading")

    class Dying:
        def __init__(self, shelf):
            self.put = shelf.put
            self.shelf = shelf
        def put_bytes(self, name, data):
            die("rows put")
            self.shelf.put_bytes(name, data)

    def dying_put(shelf, name, rows, results):
        die("folding")
        sha256 = put(Dying(shelf), name, rows, results)
        die("results put")
        return sha256

    tasks._facts, tasks.results.put = dying_facts, dying_put

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != TASKS:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        execute = spec.loader.exec_module
        def exec_module(module):
            execute(module)
            patch(module)
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
"""


def deadly(folder: Path) -> None:
    """Make a folder for the `PYTHONPATH` of executors."""
    folder.mkdir()
    text = _SITECUSTOMIZE.format(steps=STEPS, folder=str(folder))
    (folder / "sitecustomize.py").write_text(text)


def died(folder: Path) -> set[str]:
    """The steps in which a process was killed."""
    return {each.name for each in folder.iterdir()} & {*STEPS}
