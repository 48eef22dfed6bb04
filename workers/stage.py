"""The names of the stages."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """The stages, in a frame's order."""

    CAPTURE = "capture"
    ENCODE = "encode"
    TRANSCRIBE = "transcribe"
    FUSE = "fuse"
    ALERT = "alert"
    DELIVER = "deliver"
