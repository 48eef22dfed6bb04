from pathlib import Path

from monitor.config import Config
from workers.stage import Stage
from workers.turn import turn

CONFIG = Config(bus="kafka://127.0.0.1:9092")


async def test_of_two_with_one_name_one_has_its_turn(tmp_path: Path):
    first, second = (turn(CONFIG, Stage.FUSE, "one", tmp_path) for _ in range(2))
    await first.taken()
    assert first.held()
    assert not second.held()
    assert not turn(CONFIG, Stage.ENCODE, "one", tmp_path).held()


async def test_without_a_name_it_is_always_its_turn(tmp_path: Path):
    unnamed = turn(CONFIG, Stage.FUSE, None, tmp_path)
    await unnamed.taken()
    assert unnamed.held()


async def test_where_nothing_can_be_written_there_are_no_spares(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    made = turn(CONFIG, Stage.FUSE, "one", tmp_path / "file")
    await made.taken()
    assert made.held()
