"""The program as a library: `Projector` is an open database, with a method per task.

`projector` opens it, takes deliveries and rebuilds; `queries` answers about customers; `operations`
has the tasks of operators, `archives` those with copies of the log, `erasures` forgets customers.
Methods import the modules that they call: importing all of them takes longer than most commands
run.
"""

from projector.app.projector import Projector, open_projector

__all__ = ["Projector", "open_projector"]
