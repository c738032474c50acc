"""A shop with the example package installed, and the program run in it, on each engine."""

from pathlib import Path

import pytest
from attrs import frozen

from tests.support.command import Done, run_program
from tests.support.packages import install_example


@frozen
class Shop:
    """A folder with packages, and a database."""

    folder: Path
    database_url: str

    @property
    def packages(self) -> Path:
        """The folder that packages are installed into."""
        return self.folder / "packages"

    def run(self, *arguments: str, stdin: str = "") -> Done:
        """Run the program with the packages that are installed now."""
        return run_program(
            self.folder,
            *arguments,
            stdin=stdin.encode(),
            PYTHONPATH=str(self.packages),
            PROJECTOR_DATABASE_URL=self.database_url,
        )

    def projections(self) -> dict[str, dict[str, object]]:
        """The projections by name, as `status` lists them."""
        return {each["name"]: each for each in self.run("status", "--json").json["projections"]}


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> Shop:
    """A shop with an empty database and the example package."""
    found = Shop(tmp_path, database_url)
    found.packages.mkdir()
    install_example(found.packages)
    assert found.run("migrate").code == 0
    return found
