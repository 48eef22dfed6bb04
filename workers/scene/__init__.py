"""The demo's scene: a hall that this project renders and speaks by itself, with incidents whose truth is known."""

from workers.scene.render import render
from workers.scene.story import Incident

__all__ = ["Incident", "render"]
