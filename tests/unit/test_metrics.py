from __future__ import annotations

from monitor.messages import State
from monitor.metrics import Metrics


def test_cameras_beyond_the_cap_share_one_label() -> None:
    metrics = Metrics(max_cameras=2)
    assert [metrics.camera(name) for name in ("a", "b", "c", "a")] == ["a", "b", "other", "a"]


def test_a_camera_is_in_the_states_it_is_in_and_no_other() -> None:
    metrics = Metrics()
    metrics.set_states("hall", (State.BLIND, State.SILENT))
    metrics.set_states("hall", (State.LIVE,))
    values = {state: metrics.registry.get_sample_value("scenewatch_camera_state", {"camera": "hall", "state": state}) for state in State}
    assert [state for state, value in values.items() if value] == [State.LIVE]
