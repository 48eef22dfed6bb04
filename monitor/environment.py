"""`${NAME}` in a configuration stands for a variable of the environment: what is secret stays out of files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from monitor.errors import ConfigError

VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def expand(text: str, environ: Mapping[str, str], where: str) -> str:
    """Put the environment's values in. Raises ConfigError for a name that is not set, telling `where` it stands and no value."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in environ:
            raise ConfigError(f"{where}: the environment variable {name} is not set; set it, or write this without it")
        return environ[name]

    return VARIABLE.sub(value, text)
