"""Packages of users, put where an installer would put them, without an index to ask."""

from collections.abc import Mapping
from pathlib import Path

#: The example package of docs/extending.md.
EXAMPLE = Path(__file__).parents[2] / "docs" / "extending"

EXAMPLE_FACTS = {"redeemed": "shop_vouchers:REDEEMED"}
EXAMPLE_PROJECTIONS = {"voucher_use": "shop_vouchers:PROJECTION"}


def install(
    folder: Path,
    package: str,
    *,
    source: str,
    facts: Mapping[str, str] = {},
    projections: Mapping[str, str] = {},
) -> None:
    """Install a package of one module, named alike, into a folder of `PYTHONPATH`.

    `facts` and `projections` are its entry points: by name the object, such as `module:NAME`.
    """
    (folder / f"{package}.py").write_text(source)
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    name = package.replace("_", "-")
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        _section("projector.facts", facts) + _section("projector.projections", projections)
    )


def install_example(folder: Path, *changes: tuple[str, str]) -> None:
    """Install the example package; each of the changes replaces one text by another in its code."""
    source = (EXAMPLE / "shop_vouchers.py").read_text()
    for old, new in changes:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    install(
        folder,
        "shop_vouchers",
        source=source,
        facts=EXAMPLE_FACTS,
        projections=EXAMPLE_PROJECTIONS,
    )


def _section(group: str, entry_points: Mapping[str, str]) -> str:
    lines = [f"{name} = {target}\n" for name, target in entry_points.items()]
    return "".join([f"[{group}]\n", *lines]) if lines else ""
