"""Alerts as CloudEvents, and the schemas that other programs read."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from monitor import codec, events
from monitor.errors import MessageError
from monitor.messages import Alert, CameraState, Modality, Phase, Ref, Severity, State, Topic, Word

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
REF = Ref(topic=Topic.VIDEO, partition=1, offset=2)
ALERT = Alert(
    camera="door",
    at=1763900000.25,
    until=1763900004.25,
    captured=1763900005.0,
    modalities=(Modality.PICTURE, Modality.SOUND),
    id="5f0c",
    phase=Phase.UPDATE,
    sequence=3,
    kind="fight",
    severity=Severity.CRITICAL,
    probability=0.93,
    summary="Two people seem to fight.",
    parts={Modality.PICTURE: 0.6, Modality.SOUND: -0.1},
    words=(Word(text="help", at=1763900001.0, until=1763900001.5, probability=0.9),),
    text="help",
    key_frame=REF,
    frames=(REF,),
    models=("fusion-default",),
)


def test_an_alert_is_a_cloud_event_of_version_1() -> None:
    event = json.loads(events.to_json(ALERT))
    data = event.pop("data")
    assert event == {
        "specversion": "1.0",
        "id": "5f0c/3",
        "source": "/scenewatch/cameras/door",
        "type": "io.scenewatch.alert.update",
        "subject": "fight",
        "time": "2025-11-23T12:13:20.250Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:scenewatch:schema:alert:1",
    }
    assert (data["id"], data["phase"], data["at"]) == ("5f0c", "update", 1763900000.25)


def test_an_alert_comes_back_from_its_event() -> None:
    assert events.from_json(events.to_json(ALERT)) == ALERT


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_is_a_type_that_is_read_again(phase: Phase) -> None:
    alert = msgspec.structs.replace(ALERT, phase=phase)
    assert events.from_json(events.to_json(alert)) == alert


def test_attributes_of_other_programs_are_ignored() -> None:
    event = json.loads(events.to_json(ALERT)) | {"traceparent": "00-abc", "sequence": 9}
    assert events.from_json(json.dumps(event).encode()) == ALERT


@pytest.mark.parametrize(
    "change", [{"specversion": "0.3"}, {"type": "com.github.push"}, {"source": "/elsewhere"}, {"id": ""}, {"data": {}}, {"data": None}]
)
def test_another_programs_event_is_no_alert(change: dict[str, object]) -> None:
    event = json.loads(events.to_json(ALERT)) | change
    with pytest.raises(MessageError):
        codec.decode(Topic.ALERTS, json.dumps(event).encode())


@pytest.mark.parametrize("name", list(events.SCHEMAS))
def test_the_published_schemas_are_those_of_the_code(name: str) -> None:
    published = (SCHEMAS / f"{name}.schema.json").read_bytes()
    assert published == events.schema(name), "scenewatch schema"


@pytest.mark.parametrize("name", list(events.SCHEMAS))
def test_the_schemas_are_schemas(name: str) -> None:
    Draft202012Validator.check_schema(json.loads(events.schema(name)))


def test_what_goes_out_keeps_to_the_schemas() -> None:
    camera = CameraState(camera="door", at=1.0, states=(State.BLIND, State.SILENT), source="rtsp://host/1", modalities=(Modality.PICTURE,))
    validate("alert", events.to_json(ALERT))
    validate("camera", codec.encode(Topic.CAMERAS, camera))


def test_the_schemas_refuse_what_is_none() -> None:
    assert not Draft202012Validator(json.loads(events.schema("alert"))).is_valid({"specversion": "1.0"})
    assert not Draft202012Validator(json.loads(events.schema("camera"))).is_valid({"type": "camera", "camera": "door", "at": "now"})


def validate(name: str, data: bytes) -> None:
    Draft202012Validator(json.loads(events.schema(name))).validate(json.loads(data))


@pytest.mark.parametrize(
    ("at", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1763900000.9999, "2025-11-23T12:13:20.999Z"), (-1.5, "1969-12-31T23:59:58.500Z")],
)
def test_times_are_rfc_3339(at: float, text: str) -> None:
    assert events.rfc3339(at) == text


@pytest.mark.parametrize("at", [codec.TIME_LIMIT, -codec.TIME_LIMIT])
def test_every_time_that_the_codec_lets_pass_can_be_written(at: float) -> None:
    assert events.rfc3339(at).endswith("Z")
