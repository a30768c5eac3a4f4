"""Reads a module as a chain of layers that the stacked engine has kernels for.

Models are recognised by what they do, not by their name: `torch.fx` traces the forward, so a class
of the user's own whose forward is such a chain profits like a `Sequential`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from clients.engines.chain import (
    Chain,
    Conv,
    Dropout,
    Flatten,
    Layer,
    Linear,
    NotAChainError,
    Pointwise,
    Pool,
    Shape,
    parameter_names,
)


def read_chain(module: nn.Module, inputs: Shape) -> Chain:
    """The chain that `module` is for rows of shape `inputs`. Raises NotAChainError."""
    trained = {name for name, value in module.named_parameters() if value.requires_grad}
    layers: list[Layer] = []
    shape = inputs
    for step in _steps(module):
        layer, shape = _layer(step, shape)
        if layer is not None:
            layers.append(layer)
    names = [name for layer in layers for name in parameter_names(layer)]
    if len(set(names)) != len(names):
        raise NotAChainError("a layer is used twice")
    if missing := sorted(set(module.state_dict()) - set(names)):
        raise NotAChainError(f"{missing[0]!r} belongs to no layer of the chain")
    if frozen := sorted(set(names) - trained):
        raise NotAChainError(f"{frozen[0]!r} is frozen")
    if any(value.dtype != torch.float32 for value in module.parameters()):
        raise NotAChainError("its weights are not float32")
    if len(shape) != 1 or not isinstance(layers[-1], Linear):
        raise NotAChainError("its last layer is not nn.Linear")
    begin = layers[1:] if isinstance(layers[0], Flatten) else layers
    if not isinstance(begin[0], Linear | Conv):
        raise NotAChainError("its first layer is neither nn.Linear nor nn.Conv2d")
    return Chain(inputs, tuple(layers))


@dataclass(frozen=True)
class _Step:
    """One call of the forward: a layer's module, or the name of a function and its arguments."""

    what: str
    name: str = ""
    module: nn.Module | None = None


_MODULES: dict[type[nn.Module], str] = {
    nn.Linear: "linear",
    nn.Conv2d: "conv",
    nn.MaxPool2d: "pool",
    nn.ReLU: "relu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.Dropout: "dropout",
    nn.Flatten: "flatten",
    nn.Identity: "identity",
}
_FUNCTIONS: dict[Callable[..., Any] | str, str] = {
    torch.relu: "relu",
    functional.relu: "relu",
    torch.tanh: "tanh",
    torch.sigmoid: "sigmoid",
    "relu": "relu",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
}
_FLATTEN = (torch.flatten, "flatten")
_POOL = (functional.max_pool2d, torch.max_pool2d)


def _steps(module: nn.Module) -> list[_Step]:
    if type(module) in _MODULES:
        return [_of_module("", module)]
    if any(_hooked(part) for part in module.modules()):
        raise NotAChainError("it has hooks")
    try:
        graph = torch.fx.Tracer().trace(module)
    except Exception as error:  # noqa: BLE001 - a forward may fail in any way on a traced value
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise NotAChainError(f"its forward cannot be traced: {reason}") from None
    steps: list[_Step] = []
    before: torch.fx.Node | None = None
    for node in graph.nodes:
        if node.op == "output":
            if node.args != (before,):
                raise NotAChainError("its forward does not end with its last layer")
            return steps
        if before is None:
            if node.op != "placeholder":
                raise NotAChainError("its forward does not begin with its input")
        else:
            steps.append(_of_node(module, node, before))
        before = node
    raise NotAChainError("its forward has no output")


def _hooked(module: nn.Module) -> bool:
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(module, name) for name in names)


def _of_node(root: nn.Module, node: torch.fx.Node, before: torch.fx.Node) -> _Step:
    if node.op == "placeholder" or node.all_input_nodes != [before] or node.args[:1] != (before,):
        raise NotAChainError(f"{node.name!r} does not take the output of the layer before alone")
    if node.op == "call_module":
        return _of_module(str(node.target), root.get_submodule(str(node.target)))
    rest = (*node.args[1:], *sorted(node.kwargs.items()))
    if node.target in _FUNCTIONS and rest in ((), (("inplace", False),), (("inplace", True),)):
        return _Step(_FUNCTIONS[node.target])
    if node.target in _FLATTEN and rest in ((1,), (("start_dim", 1),)):
        return _Step("flatten")
    if node.target in _POOL and tuple(node.args[1:]) in ((2,), ((2, 2),)) and not _options(node):
        return _Step("pool")
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "?")
    raise NotAChainError(f"there is no stacked kernel for {name!r}")


def _options(node: torch.fx.Node) -> bool:
    plain = {"stride": (None, 2, (2, 2)), "padding": (0,), "dilation": (1,)}
    plain |= {"ceil_mode": (False,), "return_indices": (False,)}
    return any(value not in plain.get(name, ()) for name, value in node.kwargs.items())


def _of_module(name: str, module: nn.Module) -> _Step:
    if type(module) not in _MODULES:
        raise NotAChainError(f"there is no stacked kernel for {type(module).__name__}")
    return _Step(_MODULES[type(module)], name, module)


def _layer(step: _Step, shape: Shape) -> tuple[Layer | None, Shape]:
    """The layer, None where it does nothing, and the shape of a row after it."""
    module = step.module
    if isinstance(module, nn.Linear):
        if shape != (module.in_features,):
            raise NotAChainError(f"{step.name!r} is nn.Linear on rows of shape {shape}")
        bias = module.bias is not None
        linear = Linear(step.name, module.in_features, module.out_features, bias)
        return linear, (module.out_features,)
    if isinstance(module, nn.Conv2d):
        conv = _conv(step.name, module, shape)
        return conv, (conv.outputs, *conv.size)
    if step.what == "pool":
        return _pool(module, shape)
    if step.what == "flatten":
        plain = not isinstance(module, nn.Flatten) or (module.start_dim, module.end_dim) == (1, -1)
        if not plain:
            raise NotAChainError("nn.Flatten flattens not all dimensions of a row")
        flat = (math.prod(shape),)
        return (None if flat == shape else Flatten(shape)), flat
    if isinstance(module, nn.Dropout):
        if module.p == 1:
            raise NotAChainError("a dropout of 1 leaves nothing")
        return (None if module.p == 0 else Dropout(module.p, shape)), shape
    return (None if step.what == "identity" else Pointwise(step.what)), shape


def _conv(name: str, module: nn.Conv2d, shape: Shape) -> Conv:
    plain = (module.groups, module.dilation, module.padding_mode) == (1, (1, 1), "zeros")
    if not plain or isinstance(module.padding, str) or len(shape) != 3:
        raise NotAChainError(f"{name!r} is a convolution with groups, dilation or other padding")
    channels, height, width = shape
    (k_h, k_w), (s_h, s_w) = module.kernel_size, module.stride
    pad_h, pad_w = module.padding
    bias = module.bias is not None
    image = (channels, height, width)
    outputs = module.out_channels
    return Conv(name, image, outputs, (k_h, k_w), (s_h, s_w), (pad_h, pad_w), bias)


def _pool(module: nn.Module | None, shape: Shape) -> tuple[Layer, Shape]:
    if isinstance(module, nn.MaxPool2d):
        asked = (module.kernel_size, module.stride, module.padding, module.dilation)
        usual = asked[2] in (0, (0, 0)) and asked[3] in (1, (1, 1))
        if not usual or any(side not in (2, (2, 2)) for side in asked[:2]) or module.ceil_mode:
            raise NotAChainError("nn.MaxPool2d is not of 2 x 2 pixels")
    if len(shape) != 3:
        raise NotAChainError(f"max-pooling of rows of shape {shape}")
    channels, height, width = shape
    return Pool((channels, height, width)), (channels, height // 2, width // 2)
