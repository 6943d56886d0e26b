"""The verdict on other releases of yt-dlp: `make test-releases`.

The newest release and the oldest that is accepted are fetched and rehearsed, and the worker's tests run with
each. A release that appeared since the last commit cannot turn it red: only the oldest one decides.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from service.releases.fetch import LATEST, Refused, Source, fetch
from service.releases.release import OLDEST
from service.releases.store import ReleaseStore, StoreError

ROOT = Path(__file__).resolve().parents[2]
TESTS = (
    "tests/unit/worker/test_patches.py",
    "tests/unit/worker/test_scope.py",
    "tests/unit/worker/test_failures.py",
    "tests/unit/worker/test_traversal.py",
    "tests/integration/worker/test_extractors.py",
    "tests/integration/worker/test_challenges.py",
    "tests/integration/worker/test_scope.py",
)


def verdict(wanted: str, store: ReleaseStore) -> tuple[bool | None, str]:
    """Whether the release works, and why in a sentence; None where there is nothing to be said."""
    try:
        release = fetch(store, wanted, Source())
    except Refused as error:
        return False, str(error)
    except StoreError as error:
        return None, f"yt-dlp {wanted} cannot be had here: {error}"
    if release.path is None:
        return True, f"yt-dlp {release.version} is the one of the tests"
    path = os.pathsep.join((str(release.path), str(ROOT)))
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal", "--durations=0", *TESTS]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, check=False)
    return done.returncode == 0, f"yt-dlp {release.version} " + (
        "passes the worker's tests" if done.returncode == 0 else "fails some of the worker's tests"
    )


def main() -> None:
    """Print both verdicts; exit with 1 where the oldest release does not work."""
    with TemporaryDirectory() as folder:
        store = ReleaseStore(Path(folder))
        (_, newest), (oldest_works, oldest) = verdict(LATEST, store), verdict(OLDEST, store)
    print(f"newest: {newest}\noldest: {oldest}")
    sys.exit(oldest_works is False)


if __name__ == "__main__":
    main()
