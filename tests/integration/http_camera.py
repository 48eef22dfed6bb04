"""A camera that sends MPEG-TS over HTTP for ever, at real time: `python http_camera.py PORT FILE`; asks for bob:s3cr@t."""

import base64
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av

PORT, FILE = int(sys.argv[1]), sys.argv[2]
PASS = "Basic " + base64.b64encode(b"bob:s3cr@t").decode()


class Camera(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.headers.get("Authorization") != PASS:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        with av.open(FILE) as clip, av.open(self.wfile, "w", format="mpegts") as out:
            streams = {stream.index: out.add_stream_from_template(stream) for stream in clip.streams}
            begin = time.monotonic() - 0.5
            for packet in clip.demux():
                if packet.dts is not None:
                    time.sleep(max(0.0, float(packet.dts * packet.time_base) - (time.monotonic() - begin)))
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("127.0.0.1", PORT), Camera).serve_forever()
