import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config import Camera, Capture
from monitor.errors import ConfigError, NotMediaError, SourceError
from monitor.sources import Kind, address, open_media, options, refusal

CAPTURE = Capture()


@pytest.mark.parametrize(
    ("source", "kind", "live"),
    [
        ("rtsp://10.0.0.7/1", Kind.RTSP, True),
        ("RTSPS://10.0.0.7/1", Kind.RTSP, True),
        ("https://host/live.m3u8", Kind.HTTP, True),
        ("udp://239.0.0.1:1234", Kind.STREAM, True),
        ("/dev/video0", Kind.DEVICE, True),
        ("clip.mp4", Kind.FILE, False),
        ("file:///srv/a%20b.mp4", Kind.FILE, False),
        ("/", Kind.FOLDER, False),
    ],
)
def test_an_address_tells_how_it_is_read(source: str, kind: Kind, live: bool) -> None:
    where = address(source, {})
    assert (where.kind, where.live) == (kind, live)


def test_a_file_address_is_decoded() -> None:
    assert address("file:///srv/a%20b.mp4", {}).url == "/srv/a b.mp4"


def test_an_unknown_scheme_says_which_ones_are_known() -> None:
    with pytest.raises(ConfigError, match=r"gopher:// is not known; use rtsp://") as caught:
        address("gopher://bob:hunter22@host/1", {})
    assert "hunter22" not in str(caught.value)


def test_the_environment_is_put_in_and_never_shown() -> None:
    where = address("rtsp://${USER}:${PASS}@${HOST}/1", {"USER": "bob", "PASS": "hunter22", "HOST": "10.0.0.7"})
    assert where.url == "rtsp://bob:hunter22@10.0.0.7/1"
    assert "hunter22" not in where.shown + repr(where) + str(where)


def test_a_name_that_is_not_set_is_told() -> None:
    with pytest.raises(ConfigError, match="environment variable PASS is not set"):
        address("rtsp://bob:${PASS}@h/1", {})


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S"), exclude_characters="\"'<>$"), min_size=4, max_size=16))
def test_no_error_about_a_source_shows_its_password(password: str) -> None:
    url = f"rtsp://bob:{password}@cam.test/1"
    where = address(url, {})
    for error in (av.error.OSError(5, f"failed: {url}", url), av.error.InvalidDataError(1, f"bad {password}!", url)):
        text = str(refusal(where, error, 10))
        assert f":{password}@" not in text
        assert password not in text.replace("***", "").replace(where.shown, "") or password in "failed: Input/output error bad !"


def test_a_password_in_the_query_is_a_secret_too() -> None:
    where = address("http://host/mjpg?user=bob&password=hunter22&fps=5", {})
    assert where.shown == "http://host/mjpg?user=bob&password=***&fps=5"
    assert "hunter22" not in where.clean("can't open http://host/mjpg?user=bob&password=hunter22&fps=5")


def test_options_say_what_each_kind_of_source_needs() -> None:
    rtsp = options(Kind.RTSP, Camera(source="x"), CAPTURE)
    assert (rtsp["rtsp_transport"], rtsp["timeout"], rtsp["allowed_media_types"]) == ("tcp", "10000000", "video+audio")
    assert options(Kind.RTSP, Camera(source="x", transport="udp", sound=False), CAPTURE)["rtsp_transport"] == "udp"
    assert options(Kind.RTSP, Camera(source="x", sound=False), CAPTURE)["allowed_media_types"] == "video"
    assert options(Kind.FILE, Camera(source="x"), CAPTURE)["protocol_whitelist"] == "file,crypto,data"
    assert "file" not in options(Kind.HTTP, Camera(source="x"), CAPTURE)["protocol_whitelist"].split(",")
    assert "protocol_whitelist" not in options(Kind.DEVICE, Camera(source="x"), CAPTURE)


def test_a_device_that_is_absent_is_worth_another_try() -> None:
    with pytest.raises(SourceError) as caught:
        open_media(address("/dev/video-none", {}), Camera(source="x"), CAPTURE)
    assert not isinstance(caught.value, NotMediaError)
    assert "/dev/video-none" in str(caught.value)
