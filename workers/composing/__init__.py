"""Streams with a known time line, composed of real clips: what the incidents benchmark and the anomaly head are measured on."""
