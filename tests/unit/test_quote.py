from __future__ import annotations

from pathlib import Path

import pytest

from workers.quote import quoted, reports

ROOT = Path(__file__).parents[2]


def test_a_figure_is_shown_as_measured() -> None:
    measured = {"speech": {"date": "2026-01-02 in May", "figures": {"wer": 0.1234}}}
    text = "WER 9.99<!--speech.wer:.2f--> on [?]<!--speech.date:s-->, 1<!--other.thing:g-->"
    assert quoted(text, measured) == "WER 0.12<!--speech.wer:.2f--> on [2026-01-02 in May]<!--speech.date:s-->, ?<!--other.thing:g-->"


@pytest.mark.parametrize("name", ["README.md"])
def test_the_documents_show_what_was_measured(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert quoted(text, reports(ROOT / "docs/figures")) == text, "python -m workers.quote README.md"
    assert "?<!--" not in text
