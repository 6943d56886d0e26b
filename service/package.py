"""What this package is called: `service` in a checkout, `ytdlpd` where it is installed.

An installed package of the name `service` would overwrite another project's files. A child process gets the
folder above this package as PYTHONPATH, so it finds the package by its folder's name; in an editable install
that is not the name under which the parent imported it.
"""

from __future__ import annotations

import os
from pathlib import Path

NAME = Path(__file__).parent.name
ROOT = Path(__file__).parents[1]


def module(name: str) -> str:
    """The argument for `python -m` that runs `name` of this package in a child whose PYTHONPATH has ROOT."""
    return f"{NAME}.{name}"


def python_path(*first: str) -> str:
    """The PYTHONPATH of a child: `first`, ROOT, and what this process was given."""
    roots = (*first, str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return os.pathsep.join(os.path.abspath(root) for root in roots if root)
