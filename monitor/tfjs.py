"""TensorFlow.js graph models as OpenVINO graphs: node by node, without TensorFlow.

A model is a JSON file (a GraphDef in JSON, and a manifest of its weights) and the weights' bytes, here float16 or int32. Only the
operations that the networks of `monitor.objects` are made of are known. TensorFlow puts channels last; the graph that is made
has them first, as OpenVINO likes it: [n, c, h, w]. Formats: tensorflow/tfjs-converter, `tf.GraphDef`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from monitor.errors import ModelError
from monitor.inference import Graph
from monitor.inference import operations as ops

Array = npt.NDArray[Any]

PADDING: Final = {b"SAME": "same_upper", b"VALID": "valid"}
ACTIVATIONS: Final = {b"Relu": ops.relu, b"Relu6": lambda x: ops.clamp(x, 0.0, 6.0)}
LAST_TO_FIRST: Final = (0, 3, 1, 2)
CHANNELS: Final = 3
"""The axis of channels in TensorFlow."""


class _Quantization(msgspec.Struct, frozen=True):
    """How weights are written, where that differs from what they are."""

    dtype: Literal["float16"]


class _Weight(msgspec.Struct, frozen=True):
    """An entry of the manifest; the bytes of all entries follow each other."""

    name: str
    shape: tuple[Annotated[int, msgspec.Meta(ge=0)], ...]
    dtype: Literal["float32", "int32"]
    quantization: _Quantization | None = None


class _Group(msgspec.Struct, frozen=True):
    weights: tuple[_Weight, ...]


class _Values(msgspec.Struct, frozen=True):
    """A list of integers or of texts (base64)."""

    i: tuple[int, ...] = ()
    s: tuple[bytes, ...] = ()


class _Attribute(msgspec.Struct, frozen=True):
    """`tf.AttrValue`, of the kinds that are needed."""

    s: bytes = b""
    b: bool = False
    values: _Values = msgspec.field(default=_Values(), name="list")


class Node(msgspec.Struct, frozen=True):
    """`tf.NodeDef`."""

    name: str
    op: str
    input: tuple[str, ...] = ()
    attr: dict[str, _Attribute] = {}


class _Topology(msgspec.Struct, frozen=True):
    node: tuple[Node, ...]


class _File(msgspec.Struct, frozen=True, rename="camel"):
    """The JSON file."""

    model_topology: _Topology
    weights_manifest: tuple[_Group, ...]


def read(
    model: bytes,
    weights: bytes,
    entry: str,
    size: tuple[int, int],
    ends: Sequence[str],
    only: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> Graph:
    """Make a graph whose input, uint8 [1, h, w, 3], stands for the node `entry`, and whose outputs are the nodes `ends`.

    Of the constants that `only` names, just so many of the last axis are taken: a layer's outputs that nobody reads cost nothing then.
    Raises ModelError for what is no such model, or has an operation in it that is not known.
    """
    try:
        file = msgspec.json.decode(model, type=_File, strict=False)  # its integers are written as text
        nodes = {node.name: node for node in file.model_topology.node}
        picture = ops.parameter([1, *size, 3], np.uint8, name=entry)
        numbers = ops.transpose(ops.convert(picture, np.float32), list(LAST_TO_FIRST))
        constants = _constants(file.weights_manifest, weights)
        constants |= {name: constants[name][..., list(taken)] for name, taken in only.items()}
        builder = _Builder(nodes, constants, {entry: numbers})
        results = [ops.result(builder.output(name)) for name in ends]
        return Graph(results, [picture], entry)
    except (msgspec.DecodeError, ValueError, KeyError, TypeError, IndexError, RuntimeError) as error:  # OpenVINO's are the last
        raise ModelError(f"This is not a TensorFlow.js graph model as expected: {error!r}. Fetch it again.") from error


def _constants(manifest: Sequence[_Group], data: bytes) -> dict[str, Array]:
    """The weights by name, float16 as float32."""
    found: dict[str, Array] = {}
    at = 0
    for weight in (weight for group in manifest for weight in group.weights):
        kind = np.dtype(weight.quantization.dtype if weight.quantization else weight.dtype).newbyteorder("<")
        size = math.prod(weight.shape) * kind.itemsize
        if at + size > len(data):
            raise ValueError(f"{weight.name}: the weights end at {len(data)} bytes, within it")
        found[weight.name] = np.frombuffer(data[at : at + size], kind).reshape(weight.shape).astype(weight.dtype)
        at += size
    if at != len(data):
        raise ValueError(f"the weights have {len(data)} bytes, not {at}")
    return found


@dataclass(slots=True)
class _Builder:
    """Makes the nodes that are asked for, and those before them, once each."""

    nodes: Mapping[str, Node]
    constants: Mapping[str, Array]
    made: dict[str, Any] = field(default_factory=dict)

    def output(self, name: str) -> Any:
        """The graph's node of this name; those before it first, without recursion: networks are deep."""
        asked = [name]
        most = 1 + sum(len(node.input) for node in self.nodes.values())
        while asked:
            here = asked[-1]
            missing = [before for before in self._before(here) if before not in self.made and before not in self.constants]
            if here in self.made or not missing:
                asked.pop()
                if here not in self.made:
                    self.made[here] = self._make(self.nodes[here])
            else:
                asked += missing
            if len(asked) > most:
                raise ValueError(f"{here}: it needs its own output")
        return self.made[name]

    def _before(self, name: str) -> Sequence[str]:
        return () if name in self.made else self.nodes[name].input

    def _make(self, node: Node) -> Any:
        if node.op not in OPERATIONS:
            raise ValueError(f"{node.name}: the operation {node.op} is not known")
        return OPERATIONS[node.op](self, node)

    def of(self, node: Node, number: int) -> Any:
        """An input: what was made, or a constant, laid out so that it meets channels first."""
        name = node.input[number]
        return self.made[name] if name in self.made else ops.constant(_channels_first(self.constants[name]))

    def constant(self, node: Node, number: int) -> Array:
        """An input that has to be a constant, as it is."""
        return self.constants[node.input[number]]


def _channels_first(values: Array) -> Array:
    """[c], [h, w, c] or [n, h, w, c] as [n, c, h, w]; a single number stays one."""
    if values.size == 1:
        return values.reshape(())
    if values.ndim not in {1, 3, 4}:
        raise ValueError(f"a constant of shape {values.shape} is not known here")
    whole = values.reshape((1,) * (4 - values.ndim) + values.shape)
    return np.ascontiguousarray(whole.transpose(LAST_TO_FIRST))


def _integers(node: Node, name: str) -> list[int]:
    return list(node.attr[name].values.i)


def _window(node: Node) -> dict[str, Any]:
    """Strides, dilations and padding of a convolution."""
    if (padding := node.attr["padding"].s) not in PADDING:
        raise ValueError(f"{node.name}: padding {padding!r} is not known")
    return {
        "strides": _integers(node, "strides")[1:3],
        "dilations": _integers(node, "dilations")[1:3] if "dilations" in node.attr else [1, 1],
        "pads_begin": [0, 0],
        "pads_end": [0, 0],
        "auto_pad": PADDING[padding],
    }


def _convolution(builder: _Builder, node: Node) -> Any:
    kernel = np.ascontiguousarray(builder.constant(node, 1).transpose(3, 2, 0, 1))  # [h, w, i, o] -> [o, i, h, w]
    return _fused(builder, node, ops.convolution(builder.of(node, 0), ops.constant(kernel), **_window(node)))


def _depthwise(builder: _Builder, node: Node) -> Any:
    kernel = builder.constant(node, 1).transpose(2, 3, 0, 1)[:, :, None]  # [h, w, c, m] -> [c, m, 1, h, w]
    made = ops.group_convolution(builder.of(node, 0), ops.constant(np.ascontiguousarray(kernel)), **_window(node))
    return _fused(builder, node, made)


def _fused(builder: _Builder, node: Node, made: Any) -> Any:
    """What is done to a convolution's output within the same node: a bias, an activation."""
    for name in node.attr["fused_ops"].values.s if "fused_ops" in node.attr else ():
        if name == b"BiasAdd":
            made = ops.add(made, builder.of(node, 2))
        elif name in ACTIVATIONS:
            made = ACTIVATIONS[name](made)
        else:
            raise ValueError(f"{node.name}: {name!r} is not known")
    return made


def _resized(builder: _Builder, node: Node) -> Any:
    if node.attr["align_corners"].b:
        raise ValueError(f"{node.name}: aligned corners are not known")
    mode = "half_pixel" if node.attr["half_pixel_centers"].b else "asymmetric"
    small = builder.of(node, 0)
    sides = [small.get_output_partial_shape(0)[axis].get_length() for axis in (2, 3)]
    times = (builder.constant(node, 1) / sides).astype(np.float32)
    return ops.interpolate(  # by a factor, so that the graph can be reshaped
        small,
        times.astype(np.float32),
        mode="linear_onnx",
        shape_calculation_mode="scales",
        coordinate_transformation_mode=mode,
        axes=[2, 3],
    )


def _mean(builder: _Builder, node: Node) -> Any:
    axes = [LAST_TO_FIRST.index(int(axis)) for axis in builder.constant(node, 1).ravel()]
    return ops.reduce_mean(builder.of(node, 0), axes, keep_dims=node.attr["keep_dims"].b)


def _concatenated(builder: _Builder, node: Node) -> Any:
    *parts, axis = range(len(node.input))
    if int(builder.constant(node, axis)) not in {CHANNELS, -1}:
        raise ValueError(f"{node.name}: only channels are put together")
    return ops.concat([builder.of(node, number) for number in parts], 1)


OPERATIONS: Final[Mapping[str, Callable[[_Builder, Node], Any]]] = {
    "Conv2D": _convolution,
    "_FusedConv2D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "FusedDepthwiseConv2dNative": _depthwise,
    "ResizeBilinear": _resized,
    "Mean": _mean,
    "ConcatV2": _concatenated,
    "Add": lambda builder, node: ops.add(builder.of(node, 0), builder.of(node, 1)),
    "AddV2": lambda builder, node: ops.add(builder.of(node, 0), builder.of(node, 1)),
    "Sub": lambda builder, node: ops.subtract(builder.of(node, 0), builder.of(node, 1)),
    "Mul": lambda builder, node: ops.multiply(builder.of(node, 0), builder.of(node, 1)),
    "Relu": lambda builder, node: ops.relu(builder.of(node, 0)),
    "Relu6": lambda builder, node: ops.clamp(builder.of(node, 0), 0.0, 6.0),
    "Sigmoid": lambda builder, node: ops.sigmoid(builder.of(node, 0)),
    "Identity": lambda builder, node: builder.of(node, 0),
}
