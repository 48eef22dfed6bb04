"""A real RTSP server (GStreamer's) that serves a Matroska file with H.264 and AAC as if it were a camera.

Runs under the system's Python, which Debian's python3-gi belongs to: `python3 rtsp_server.py PORT FILE [USER PASSWORD]`.
Needs: apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

LAUNCH = (
    "( filesrc location={path} ! matroskademux name=d "
    "d.video_0 ! queue max-size-time=0 max-size-buffers=0 ! rtph264pay config-interval=1 name=pay0 pt=96 "
    "d.audio_0 ! queue max-size-time=0 max-size-buffers=0 ! rtpmp4gpay name=pay1 pt=97 )"
)


def serve(port: int, path: str, *credentials: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(port))
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH.format(path=path))
    factory.set_shared(True)
    if credentials:
        protect(server, factory, *credentials)
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)
    GLib.MainLoop().run()


def protect(server, factory, user: str, password: str) -> None:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    role = "user, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    factory.add_role_from_structure(Gst.Structure.new_from_string(role))


if __name__ == "__main__":
    serve(int(sys.argv[1]), *sys.argv[2:])
