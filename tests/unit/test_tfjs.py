import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import inference
from monitor.errors import ModelError
from monitor.tfjs import read

SIZE = (4, 6)
RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 255, (1, *SIZE, 3), np.uint8)


def text(value: str) -> dict[str, Any]:
    return {"s": base64.b64encode(value.encode()).decode()}


def node(name: str, op: str, *inputs: str, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "input": list(inputs), "attr": attributes}


def conv(name: str, op: str, *inputs: str, stride: int = 1, padding: str = "SAME", fused: tuple[str, ...] = ()) -> dict[str, Any]:
    return node(
        name,
        op,
        *inputs,
        strides={"list": {"i": ["1", str(stride), str(stride), "1"]}},
        padding=text(padding),
        fused_ops={"list": {"s": [text(item)["s"] for item in fused]} if fused else {}},
    )


def files(nodes: list[dict[str, Any]], **weights: np.ndarray) -> tuple[bytes, bytes]:
    """A model's JSON and its weights, float32 written as float16."""
    manifest, data = [], b""
    for name, values in weights.items():
        halved = values.dtype == np.float32
        entry = {"name": name, "shape": list(values.shape), "dtype": values.dtype.name}
        manifest.append(entry | ({"quantization": {"dtype": "float16"}} if halved else {}))
        data += (values.astype("<f2") if halved else values).tobytes()
    consts = [node(name, "Const") for name in weights]
    spec = {"modelTopology": {"node": consts + nodes}, "weightsManifest": [{"paths": ["some.bin"], "weights": manifest}]}
    return json.dumps(spec).encode(), data


def halves(*shape: int) -> np.ndarray:
    """Numbers that float16 holds exactly."""
    return (RNG.integers(-8, 8, shape) / 8).astype(np.float32)


@pytest.fixture
def run(tmp_path: Path):
    """Convert a model, save and load it, and run it on PICTURE; float32 throughout."""

    def compute(model: tuple[bytes, bytes], *ends: str) -> list[np.ndarray]:
        inference.save(read(*model, "image", SIZE, ends), tmp_path / "model.xml")
        result = inference.load(tmp_path / "model.xml", 1).infer(PICTURE)
        return [result[number] for number in range(len(ends))]

    return compute


def test_a_convolution_with_bias_and_activation(run):
    kernel, bias = halves(1, 1, 3, 2), halves(2)
    model = files([conv("out", "_FusedConv2D", "image", "kernel", "bias", fused=("BiasAdd", "Relu6"))], kernel=kernel, bias=bias)
    [found] = run(model, "out")
    expected = (PICTURE.astype(np.float32) @ kernel[0, 0] + bias).clip(0, 6)
    np.testing.assert_allclose(found.transpose(0, 2, 3, 1), expected, rtol=1e-5)


def test_a_depthwise_convolution_pads_below_and_to_the_right(run):
    model = files([conv("out", "DepthwiseConv2dNative", "image", "kernel", stride=2)], kernel=np.ones((3, 3, 3, 1), np.float32))
    [found] = run(model, "out")
    assert found.shape == (1, 3, 2, 3)
    padded = np.pad(PICTURE[0].astype(np.float32), ((0, 1), (0, 1), (0, 0)))
    assert found[0, 2, 1, 2] == pytest.approx(padded[2:5, 4:7, 2].sum())


def test_outputs_that_nobody_reads_are_left_out(run, tmp_path: Path):
    kernel, bias = halves(1, 1, 3, 5), halves(5)
    model = files([conv("out", "_FusedConv2D", "image", "kernel", "bias", fused=("BiasAdd",))], kernel=kernel, bias=bias)
    [whole] = run(model, "out")
    inference.save(read(*model, "image", SIZE, ["out"], {"kernel": (3, 0), "bias": (3, 0)}), tmp_path / "some.xml")
    some = inference.load(tmp_path / "some.xml", 1).infer(PICTURE)[0]
    np.testing.assert_allclose(some, whole[:, [3, 0]], rtol=1e-5)
    with pytest.raises(ModelError, match="nowhere"):
        read(*model, "image", SIZE, ["out"], {"nowhere": (0,)})


def test_arithmetic_meets_constants_channels_first(run):
    image, plane, scale = PICTURE.astype(np.float32), halves(*SIZE, 1), halves(3)
    nodes = [node("times", "Mul", "image", "plane"), node("more", "AddV2", "times", "scale"), node("less", "Sub", "more", "one")]
    model = files([*nodes, node("out", "Identity", "less")], plane=plane, scale=scale, one=np.float32([1]))
    [found] = run(model, "out")
    np.testing.assert_allclose(found.transpose(0, 2, 3, 1), image * plane + scale - 1, rtol=1e-5)


def test_means_and_what_is_put_together_and_enlarged(run):
    nodes = [
        node("mean", "Mean", "image", "axes", keep_dims={"b": True}),
        node("both", "ConcatV2", "image", "image", "last"),
        node("large", "ResizeBilinear", "image", "size", align_corners={"b": False}, half_pixel_centers={"b": True}),
    ]
    model = files(nodes, axes=np.int32([1, 2]), last=np.int32(3), size=np.int32([8, 12]))
    mean, both, large = run(model, "mean", "both", "large")
    np.testing.assert_allclose(mean[0, :, 0, 0], PICTURE[0].mean((0, 1)), rtol=1e-5)
    assert both.shape == (1, 6, 4, 6)
    assert large.shape == (1, 3, 8, 12)
    assert large.max() <= PICTURE.max()


RELU = files([node("out", "Relu", "image")])


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ([node("out", "Swirl", "image")], "out: the operation Swirl is not known"),
        ([node("out", "Relu", "nowhere")], "nowhere"),
        ([node("out", "Relu", "other"), node("other", "Relu", "out")], "needs its own output"),
        ([conv("out", "Conv2D", "image", "kernel", padding="EXPLICIT")], "padding b'EXPLICIT' is not known"),
        ([conv("out", "Conv2D", "image", "kernel", fused=("Elu",))], "b'Elu' is not known"),
        ([conv("out", "Conv2D", "image", "wide")], "not a TensorFlow.js graph model"),
        ([node("out", "Add", "image", "flat")], r"shape \(2, 2\)"),
        ([node("out", "ResizeBilinear", "image", "size", align_corners={"b": True})], "aligned corners"),
        ([node("out", "ConcatV2", "image", "image", "first")], "only channels"),
        ([node("out", "Mul", "image")], "not a TensorFlow.js graph model"),
    ],
)
def test_what_is_not_known_is_refused(nodes: list[dict[str, Any]], why: str):
    model = files(nodes, kernel=halves(1, 1, 3, 2), wide=halves(1, 1, 5, 2), flat=halves(2, 2), size=np.int32([8, 12]), first=np.int32(0))
    with pytest.raises(ModelError, match=why):
        read(*model, "image", SIZE, ["out"])


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: b""])
def test_weights_of_another_length_are_refused(change):
    model, weights = files([conv("out", "Conv2D", "image", "kernel")], kernel=halves(1, 1, 3, 2))
    with pytest.raises(ModelError, match="the weights "):
        read(model, change(weights), "image", SIZE, ["out"])


@pytest.mark.parametrize(
    "entry", [{"shape": [-1]}, {"dtype": "object"}, {"shape": [1 << 62, 1 << 62]}, {"quantization": {"dtype": "uint8"}}]
)
def test_a_manifest_that_makes_no_sense_is_refused(entry: dict[str, Any]):
    weight = {"name": "kernel", "shape": [2], "dtype": "int32"} | entry
    spec = {"modelTopology": {"node": [node("out", "Relu", "image")]}, "weightsManifest": [{"weights": [weight]}]}
    with pytest.raises(ModelError):
        read(json.dumps(spec).encode(), bytes(8), "image", SIZE, ["out"])


def test_an_end_that_is_not_there_is_refused():
    with pytest.raises(ModelError, match="elsewhere"):
        read(*RELU, "image", SIZE, ["elsewhere"])


WHOLE = files(
    [
        conv("a", "_FusedConv2D", "image", "kernel", "bias", fused=("BiasAdd", "Relu")),
        conv("b", "DepthwiseConv2dNative", "a", "deep"),
        node("c", "Mean", "b", "axes", keep_dims={"b": True}),
        node("out", "Mul", "b", "c"),
    ],
    kernel=halves(1, 1, 3, 2),
    bias=halves(2),
    deep=halves(3, 3, 2, 1),
    axes=np.int32([1, 2]),
)


def read_or_refuse(model: bytes, weights: bytes) -> None:
    try:
        read(model, weights, "image", SIZE, ["out"])
    except ModelError:
        return


@settings(deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_bytes_of_any_kind_are_refused(model: bytes, weights: bytes):
    with pytest.raises(ModelError):
        read(model, weights, "image", SIZE, ["out"])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_model_is_read_or_refused(data: st.DataObject):
    model, weights = bytearray(WHOLE[0]), WHOLE[1]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(model) - 1))
        model[at] = data.draw(st.sampled_from(b'0123456789-"{}[],:abtnul'))
    read_or_refuse(bytes(model), weights[: data.draw(st.integers(0, len(weights) + 4))] if data.draw(st.booleans()) else weights)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["s", "b", "list", "i", "name"]), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_model_with_another_value_somewhere_is_read_or_refused(data: st.DataObject):
    spec = json.loads(WHOLE[0])
    here: Any = spec
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = data.draw(st.sampled_from(keys))
        if not here[key] or not isinstance(here[key], dict | list) or data.draw(st.integers(0, 3)) == 0:
            break
        here = here[key]
    here[key] = data.draw(VALUES)
    read_or_refuse(json.dumps(spec).encode(), WHOLE[1])
