"""Checks what a session needs before Spark is started, whose own errors come late and are long."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from importlib import import_module
from pathlib import Path

from projector.errors import ExtraMissing, JavaMissing, SparkUnreachable

#: The oldest release of Java that Spark 4 runs on.
JAVA_MIN = 17

#: The time for a connection to the master, in seconds.
CONNECT_SECONDS_MAX = 10.0

_PACKAGES = ("pyspark", "pandas", "pyarrow")
_RELEASE = re.compile(r'version "(\d+)')


def require_extra() -> None:
    """Raise ExtraMissing if a package of the extra `spark` is missing."""
    try:
        for each in _PACKAGES:
            import_module(each)
    except ImportError as error:
        raise ExtraMissing(extra="spark", reason=error) from error


def require_java() -> None:
    """Raise JavaMissing if there is no Java, or an older one than JAVA_MIN."""
    home = os.environ.get("JAVA_HOME")
    path = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if path is None:
        raise JavaMissing(found="no `java` is on the PATH, and JAVA_HOME is not set")
    try:
        ran = subprocess.run(  # noqa: S603 - the user's own Java
            [path, "-version"], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise JavaMissing(found=f"{path} cannot be run: {error.strerror}") from error
    release = _RELEASE.search(ran.stderr)
    if release is None or int(release[1]) < JAVA_MIN:
        found = (ran.stderr or ran.stdout).partition("\n")[0]
        raise JavaMissing(found=f"{path} says: {found}")


def require_reachable(master: str) -> None:
    """Raise SparkUnreachable if no address of a standalone master can be connected to.

    Spark itself would try for more than a minute, and then say something else.
    """
    scheme, _, addresses = master.partition("://")
    if scheme != "spark":
        return
    reason = ""
    for address in addresses.split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), CONNECT_SECONDS_MAX).close()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
        else:
            return
    raise SparkUnreachable(master=master, reason=reason)
