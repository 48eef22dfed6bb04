"""The stages: their names, and what each reads."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from monitor.messages import Topic


class Stage(StrEnum):
    """The stages, in a frame's order."""

    CAPTURE = "capture"
    ENCODE = "encode"
    TRANSCRIBE = "transcribe"
    FUSE = "fuse"
    ALERT = "alert"
    DELIVER = "deliver"


READS: Final[Mapping[Stage, tuple[Topic, ...]]] = MappingProxyType(
    {
        Stage.CAPTURE: (),
        Stage.ENCODE: (Topic.VIDEO, Topic.AUDIO, Topic.TRANSCRIPTS),
        Stage.TRANSCRIBE: (Topic.AUDIO,),
        Stage.FUSE: (Topic.EMBEDDINGS,),
        Stage.ALERT: (Topic.SCORES, Topic.TRANSCRIPTS, Topic.CAMERAS),
        Stage.DELIVER: (Topic.ALERTS,),
    }
)
