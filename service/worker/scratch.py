"""A worker's scratch folder: its HOME and TMPDIR, the only place that it may write to."""

from __future__ import annotations

import contextlib
import os
import shutil

RUNTIME_CACHE = "deno"  # the only entry that outlives a job


def clean_scratch() -> None:
    """Remove the files that a job has left in the scratch folder, the working directory of a worker."""
    if os.getcwd() != os.environ.get("TMPDIR"):
        return
    with contextlib.suppress(OSError), os.scandir() as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != RUNTIME_CACHE:
                    shutil.rmtree(entry, ignore_errors=True)
            else:
                os.unlink(entry)
