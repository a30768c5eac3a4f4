"""The bundled models, by the names of the papers that use them.

Parameter counts on 28 x 28 grey images and ten classes: logistic 7,850; mlp 50,890; 2nn 199,210;
cnn 1,663,370; lenet5 44,426. Shapes: N rows, C channels, H x W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from torch import nn

from federation.errors import ScenarioError

Shape = tuple[int, ...]
Factory = Callable[..., nn.Module]


def logistic(inputs: Shape, outputs: int) -> nn.Module:
    """Multinomial logistic regression (a linear model where the targets are numbers)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(inputs), outputs))


def mlp(inputs: Shape, outputs: int, hidden: int = 64, dropout: float = 0.5) -> nn.Module:
    """One hidden layer with dropout before ReLU (Li and Lyu, NeurIPS 2023)."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(inputs), hidden),
        nn.Dropout(dropout),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


def two_nn(inputs: Shape, outputs: int, hidden: int = 200) -> nn.Module:
    """Two hidden layers of 200 (McMahan et al. 2017, "2NN")."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(inputs), hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


def cnn(inputs: Shape, outputs: int, hidden: int = 512) -> nn.Module:
    """Two 5 x 5 convolutions of 32 and 64 channels (McMahan et al. 2017, "CNN")."""
    channels, height, width = _image(inputs, "cnn", smallest=4)
    return nn.Sequential(
        nn.Conv2d(channels, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * (height // 4) * (width // 4), hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


def lenet5(inputs: Shape, outputs: int) -> nn.Module:
    """LeNet-5 with ReLU, max-pooling and convolutions without padding (Li and Lyu 2023)."""
    channels, height, width = _image(inputs, "lenet5", smallest=16)
    side_h, side_w = ((height - 4) // 2 - 4) // 2, ((width - 4) // 2 - 4) // 2
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * side_h * side_w, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, outputs),
    )


def hf_causal_lm(_: Shape, __: int, **args: Any) -> nn.Module:
    """A causal language model of Hugging Face with LoRA adapters (extra `llm`)."""
    from federation.models.causal_lm import Lora, causal_lm

    told = {field.name: args.pop(field.name) for field in fields(Lora) if field.name in args}
    return causal_lm(Lora(**told), **args)


def _image(inputs: Shape, name: str, smallest: int) -> tuple[int, int, int]:
    if len(inputs) != 3 or min(inputs[1:]) < smallest:
        raise ScenarioError(
            f"model.name = {name!r}: needs images of at least {smallest} x {smallest} pixels; "
            f"one input here has shape {inputs}"
        )
    return inputs[0], inputs[1], inputs[2]


def zoo() -> dict[str, Factory]:
    """Model name -> factory(inputs, outputs, **model.args)."""
    return {
        "logistic": logistic,
        "mlp": mlp,
        "2nn": two_nn,
        "cnn": cnn,
        "lenet5": lenet5,
    }


def language_models() -> dict[str, Factory]:
    """Those that take tokens and need the extra `llm`."""
    return {"hf-causal-lm": hf_causal_lm}
