"""The wall clock of the plant's processes, to be set by hours while they run: libfaketime, preloaded.

Only the wall clock moves, as when somebody sets a machine's: the one that never runs backwards goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from monitor.errors import SourceError

LIBRARIES: Final = ("/usr/lib", "/usr/local/lib", "/opt/homebrew/lib")
NAME: Final = "faketime/libfaketimeMT.so.1"
FILE: Final = "clock"


def library() -> Path:
    """Where libfaketime is. Raises SourceError where it is not installed."""
    for folder in LIBRARIES:
        for found in (*Path(folder).glob(NAME), *Path(folder).glob(f"*/{NAME}")):
            return found
    raise SourceError("libfaketime is not installed: apt-get install faketime")


def environment(folder: Path) -> dict[str, str]:
    """What makes a process read its clock's error from a file of this folder, about once a second. Raises SourceError."""
    found = library()
    set_by(folder, 0)
    return {
        "LD_PRELOAD": str(found),
        "FAKETIME_TIMESTAMP_FILE": str(folder / FILE),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def set_by(folder: Path, seconds: float) -> None:
    """Let the clocks be wrong by so much from now on."""
    part = folder / f"{FILE}.part"
    part.write_text(f"{seconds:+.0f}\n", "ascii")
    part.rename(folder / FILE)
