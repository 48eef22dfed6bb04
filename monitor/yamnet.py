"""YAMNet: what a second of sound is, among AudioSet's 521 kinds (Plakal & Ellis 2019, tensorflow/models/research/audioset/yamnet).

Its weights come as a TensorFlow SavedModel, which OpenVINO reads without TensorFlow. There the network stands in a loop over waves:
it is taken out of it, from the log-mel picture of one second on, and kept. The picture is made here as YAMNet's own code does:
magnitudes of 25 ms every 10 ms in 64 bands from 125 to 7500 Hz. A second is longer than the 0.975 s that it hears: the begin is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from monitor import inference
from monitor.errors import ModelError
from monitor.hearing import Samples
from monitor.inference import operations as ops
from monitor.messages import SOUND_HZ
from monitor.models import Located

VECTOR: Final = 1024
FRAME, HOP, FFT = 400, 160, 512
FRAMES: Final = 96
HEARS: Final = (FRAMES - 1) * HOP + FRAME
"""Samples."""
BANDS, LOWEST_HZ, HIGHEST_HZ = 64, 125.0, 7500.0
OFFSET: Final = 0.001
BATCH: Final = 8
"""A larger one is no quicker; one by one takes a third longer."""

Floats = npt.NDArray[np.float32]


class YamnetSounds:
    """YAMNet up to the mean over its last maps, from which its kinds are told linearly; one thread at a time."""

    def __init__(self, located: Located, threads: int) -> None:
        self.name, self.width = located.version, VECTOR
        self._window = np.hanning(FRAME + 1)[:-1].astype(np.float32)  # periodic, as tf.signal.hann_window
        self._bands = bands()
        path = inference.kept(located, convert, Path(__file__))
        self._request = inference.load(path, threads or 1)

    def __call__(self, sounds: Samples) -> Floats:
        """Float32 [n, 16000] at 16 kHz to float32 [n, 1024]."""
        chunks = [self._infer(sounds[at : at + BATCH]) for at in range(0, len(sounds), BATCH)]
        return np.concatenate(chunks) if chunks else np.empty((0, VECTOR), np.float32)

    def _infer(self, sounds: Samples) -> Floats:
        (output,) = self._request.infer([self.log_mel(sounds)], share_inputs=True).values()
        return np.array(output, np.float32)

    def log_mel(self, sounds: Samples) -> Floats:
        """Float32 [n, 16000] to [n, 96, 64, 1]."""
        frames = np.lib.stride_tricks.sliding_window_view(sounds[:, -HEARS:], FRAME, axis=1)[:, ::HOP]  # [n, 96, 400]
        spectrum = np.fft.rfft(frames * self._window, FFT, axis=2)  # [n, 96, 257]
        magnitudes = np.abs(spectrum).astype(np.float32)
        mel: Floats = np.log(magnitudes @ self._bands + np.float32(OFFSET))
        return mel[..., None]


def bands() -> Floats:
    """Weights of the bands [257, 64], triangles in mel as tf.signal.linear_to_mel_weight_matrix makes them; the lowest bin is in none."""
    hertz = np.linspace(0, SOUND_HZ / 2, FFT // 2 + 1)[1:, None]
    edges = np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), BANDS + 2)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (_mel(hertz) - low) / (middle - low), (high - _mel(hertz)) / (high - middle)
    return np.pad(np.maximum(0, np.minimum(rising, falling)), ((1, 0), (0, 0))).astype(np.float32)


def _mel(hertz: Any) -> Any:
    """HTK's scale."""
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


def convert(located: Located) -> inference.Graph:
    """The network from the log-mel picture [n, 96, 64, 1] to what it heard [n, 1024]. Raises ModelError if it is another one."""
    body = _body(located)
    nodes = {node.get_friendly_name().removeprefix("yamnet_frames/"): node for node in body.get_ordered_ops()}
    picture = ops.parameter([-1, FRAMES, BANDS, 1], np.float32)
    try:
        _replace(nodes["reshape/Reshape"].output(0), picture.output(0))
        return inference.graph([nodes["global_average_pooling2d/Mean"].output(0)], [picture])
    except KeyError as error:
        raise ModelError(f"Model {located.name}: {located.folder.parent} has no {error}: it is not the YAMNet that we know") from error


def kinds(located: Located) -> tuple[Floats, Floats]:
    """The last layer: weights [521, 1024] and biases [521] of the log odds of each of AudioSet's kinds, in the order of its class map."""
    nodes = {node.get_friendly_name().removeprefix("yamnet_frames/"): node for node in _body(located).get_ordered_ops()}
    weight = nodes["dense/MatMul"].input_value(1).get_node()
    bias = nodes["dense/BiasAdd"].input_value(1).get_node()
    return np.ascontiguousarray(_constant(weight).T), _constant(bias)


def _body(located: Located) -> inference.Graph:
    """What is done with each wave, with the weights in it."""
    whole = inference.read(located.folder.parent)
    (loop,) = [node for node in whole.get_ordered_ops() if node.get_type_name() == "Loop"]
    body = loop.get_function()
    for given in loop.get_input_descriptions():
        source = loop.input_value(given.input_index).get_node()
        if source.get_type_name() == "Constant":
            _replace(body.get_parameters()[given.body_parameter_index].output(0), ops.constant(source.data.copy()).output(0))
    return body


def _replace(old: Any, new: Any) -> None:
    for taker in list(old.get_target_inputs()):
        taker.replace_source_output(new)


def _constant(node: Any) -> Floats:
    while node.get_type_name() != "Constant":  # what is read is converted to what it is already
        node = node.input_value(0).get_node()
    return np.array(node.data, np.float32)
