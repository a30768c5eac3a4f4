"""The model of pfl-research's CIFAR-10 benchmark, as its authors describe it."""

from __future__ import annotations

from torch import nn

PARAMETERS = 1_626_442


def published_cnn() -> nn.Module:
    """Two 3 x 3 convolutions and a hidden layer of 128 on 32 x 32 colour images, with dropout."""
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(64 * 14 * 14, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )
    for layer in model:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
    return model
