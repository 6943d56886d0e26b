"""A worker's scratch folder: its HOME and TMPDIR, the only place that it may write to.

What cleans /tmp may remove it, and the folder of all workers around it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from pathlib import Path

RUNTIME_CACHE = "deno"  # the only entry that outlives a job


def have_scratch(folder: Path) -> None:
    """Make the folder of all workers again where it is gone.

    Raises:
        OSError: it cannot be made, or is somebody else's by now.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "the scratch folder is not ours", str(folder))


def clean_scratch() -> bool:
    """Remove the files that a job has left in the scratch folder, the working directory of a worker.

    False where the folder is gone: a new one would not be among the places that this process may write to.
    """
    try:
        if os.getcwd() != os.environ.get("TMPDIR"):
            return True
    except FileNotFoundError:
        return False
    with contextlib.suppress(OSError), os.scandir() as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != RUNTIME_CACHE:
                    shutil.rmtree(entry, ignore_errors=True)
            else:
                os.unlink(entry)
    return True
