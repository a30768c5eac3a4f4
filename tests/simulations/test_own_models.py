"""Data and models of the user's own, from the current folder, through the command line."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def prices(here):
    """A regression: two numbers, a price, and whose row it is."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 2))
    frame = pd.DataFrame(x, columns=["size", "age"])
    frame["price"] = 3 * x[:, 0] - 2 * x[:, 1] + 1
    frame["city"] = [f"city-{row % 5}" for row in range(400)]
    frame.to_parquet(here / "prices.parquet")
    (here / "prices.toml").write_text(
        """
        name = "prices"
        rounds = 4
        [data]
        source = "prices.parquet"
        input = ["size", "age"]
        label = "price"
        clients = 5
        holdout = 0.25
        partition = { kind = "natural", column = "city" }
        [model]
        name = "mymodel:build"
        args = { hidden = 8 }
        [local]
        lr = 0.1
        [evaluation]
        per_client = true
        """
    )
    (here / "mymodel.py").write_text(
        "from torch import nn\n"
        "def build(hidden):\n"
        "    return nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, 1))\n"
    )
    return here / "prices.toml"


def test_a_regression_of_one_s_own(paceline, prices, here, bits, monkeypatch):
    """Own table, own model in the current folder, clients that test; on Ray the bits are equal.

    A cluster that the environment names is nobody's business: the run has one of its own.
    """
    result = paceline("run", "prices.toml", "--out", "inline")
    assert result.code == 0, result.err
    rounds = pd.read_parquet(here / "inline" / "rounds.parquet")
    assert rounds.accuracy.isna().all()
    assert rounds.loss.iloc[-1] < rounds.loss.iloc[0] / 10
    clients = pd.read_parquet(here / "inline" / "clients.parquet")
    assert clients.loss.notna().all()
    assert clients.groupby("round").client.nunique().eq(5).all()

    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    ray = ("--set", "engine.backend=ray", "--set", "engine.workers=1")
    on_ray = paceline("run", "prices.toml", *ray, "--out", "ray")
    assert on_ray.code == 0, on_ray
    assert bits(here / "ray") == bits(here / "inline")


def test_a_language_model_of_one_s_own(paceline, here):
    """Lists of token ids that count up, a table look-up as the model: learnt in a few rounds."""
    rows = [[(start + step) % 11 for step in range(6)] for start in range(110)]
    pd.DataFrame({"tokens": rows}).to_parquet(here / "counting.parquet")
    (here / "words.py").write_text(
        "from torch import nn\n"
        "def build(words, width=16):\n"
        "    return nn.Sequential(nn.Embedding(words, width), nn.Linear(width, words))\n"
    )
    (here / "counting.toml").write_text(
        """
        name = "counting"
        rounds = 5
        data = { source = "counting.parquet", clients = 4 }
        model = { name = "words:build", args = { words = 11 } }
        local = { optimizer = "adam", lr = 0.03, batch_size = 8, epochs = 3 }
        """
    )
    result = paceline("run", "counting.toml", "--out", "out")
    assert result.code == 0, result.err
    accuracy = pd.read_parquet(here / "out" / "rounds.parquet").accuracy
    assert accuracy.iloc[0] < 0.5
    assert accuracy.iloc[-1] > 0.95
