"""The real updates are real."""

import os

import numpy as np
import pytest

from benchmarks import codec_inputs


@pytest.mark.skipif("PACELINE_DATA" not in os.environ, reason="MNIST is not here")
def test_an_update_is_one_clients_training_and_the_servers_is_the_mean_of_ten():
    client, server = codec_inputs.real("logistic", rounds=2)
    assert client.tensors == server.tensors == ((10, 784), (10,))  # as the model has them
    biases = client.values[-10:]  # their gradients sum to zero over the classes
    assert abs(biases.sum()) < 1e-4 < np.abs(biases).max()
    assert np.square(client.values).sum() > np.square(server.values).sum() > 0
