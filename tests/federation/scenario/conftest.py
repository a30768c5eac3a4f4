"""Scenarios for the tests of this folder."""

import tomllib

import pytest

MINIMAL = """
name = "small"
rounds = 3

[data]
source = "digits"
clients = 10

[model]
name = "cnn"

[local]
lr = 0.1
"""

# The example of the design, section 7.
CONTRACT = """
name = "mnist-serial-vs-parallel"
seed = 1
rounds = 100

[data]
source = "digits"
clients = 100
partition = { kind = "dirichlet", alpha = 0.1 }

[model]
name = "cnn"

[local]
optimizer = "sgd"
lr = 0.1
batch_size = 10
epochs = 1

[strategy]
schedule = "parallel"
algorithm = "fedavg"
clients_per_round = 10

[uplink]
codec = "topk(0.01) | int8 | range"
error_feedback = true
[downlink]
codec = "none"

[[fleet]]
device = "raspberry-pi-4"
network = "wifi4"
region = "DEU"
share = 1.0

[evaluation]
every = 1

[engine]
backend = "inline"
workers = 2

[sweep]
"strategy.schedule" = ["serial", "parallel"]
"uplink.codec" = ["none", "topk(0.01) | int8 | range"]
"""


@pytest.fixture
def minimal():
    return tomllib.loads(MINIMAL)


@pytest.fixture
def contract():
    return tomllib.loads(CONTRACT)


@pytest.fixture
def contract_text():
    return CONTRACT


@pytest.fixture
def minimal_text():
    return MINIMAL
