"""LoRA adapters on tiny causal language models: only the adapters travel."""

import importlib.util

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file

from federation.errors import ScenarioError
from federation.models.learner import build_learner
from federation.models.zoo import hf_causal_lm
from federation.scenario.files import resolve
from simulations.launch import simulate
from simulations.prepare import PlannedRun, materials

needs_llm = pytest.mark.skipif(
    importlib.util.find_spec("peft") is None or importlib.util.find_spec("transformers") is None,
    reason="the extra llm is not installed",
)
TINY = {
    "gpt2": {"vocab_size": 12, "n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 16},
    "llama": {
        "vocab_size": 12,
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 16,
    },
}
RANK = 2
# rank * (inputs + outputs) of each adapted matrix: gpt2's joint one, llama's queries and values.
ADAPTERS = {"gpt2": 2 * RANK * (8 + 24), "llama": 2 * 2 * RANK * (8 + 8)}


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A scenario of four clients whose rows count upwards from anywhere."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    rows = [[(start + i) % 12 for i in range(8)] for start in range(12) for _ in range(5)]
    for split in ("train", "test"):
        pq.write_table(pa.table({"tokens": rows}), tmp_path / f"{split}.parquet")

    def make(kind="gpt2", rounds=2, **args):
        model = {"architecture": kind, **TINY[kind], "lora_rank": RANK} | args
        return {
            "name": "lora",
            "rounds": rounds,
            "data": {"source": str(tmp_path), "clients": 4},
            "model": {"name": "hf-causal-lm", "args": model},
            "local": {"lr": 0.05, "optimizer": "adamw", "batch_size": 8, "epochs": 2},
            "strategy": {"clients_per_round": 4},
        }

    return make


@needs_llm
@pytest.mark.parametrize("kind", TINY)
def test_only_adapters_travel_and_are_kept(table, tmp_path, kind):
    simulate(PlannedRun("run", resolve(table(kind), "lora"), tmp_path / "run"))
    model = load_file(tmp_path / "run" / "model.safetensors")
    assert all(".lora_A." in name or ".lora_B." in name for name in model)
    assert sum(value.size for value in model.values()) == ADAPTERS[kind]
    rounds = pd.read_parquet(tmp_path / "run" / "rounds.parquet")
    for column in ("raw_uplink_bytes", "raw_downlink_bytes"):
        assert rounds[column].tolist()[1:] == [4 * 4 * ADAPTERS[kind]] * 2
    assert any(value.any() for name, value in model.items() if ".lora_B." in name), "it trained"


@needs_llm
def test_it_learns_to_count(table, tmp_path):
    simulate(PlannedRun("run", resolve(table(rounds=6, lora_rank=4), "lora"), tmp_path / "run"))
    rounds = pd.read_parquet(tmp_path / "run" / "rounds.parquet")
    assert rounds["accuracy"].iloc[0] < 1 / 12 < 2 / 12 < rounds["accuracy"].iloc[-1]


@needs_llm
def test_everybody_makes_the_same_frozen_weights(table):
    scenario = resolve(table(), "lora")
    dataset = materials(scenario).dataset
    one, other = (build_learner(scenario.model, dataset, 7) for _ in range(2))
    known = one.module.state_dict()
    for name, value in other.module.state_dict().items():
        assert torch.equal(known[name], value), name
    assert not any("base_layer" in field.name for field in one.spec)


@needs_llm
def test_before_training_adapters_change_nothing():
    torch.manual_seed(1)
    adapted = hf_causal_lm((9,), 1, architecture="llama", lora_rank=RANK, **TINY["llama"]).eval()
    tokens = torch.arange(9).reshape(1, 9)
    with torch.no_grad(), adapted.lm.disable_adapter():
        plain = adapted(tokens)
    with torch.no_grad():
        np.testing.assert_array_equal(adapted(tokens), plain)


@needs_llm
def test_a_folder_is_read_without_a_network(tmp_path, table):
    torch.manual_seed(1)
    whole = hf_causal_lm((9,), 1, architecture="llama", lora_rank=0, **TINY["llama"])
    whole.lm.save_pretrained(tmp_path / "llm")
    again = hf_causal_lm((9,), 1, path=str(tmp_path / "llm"), lora_rank=0)
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


@needs_llm
def test_tied_weights_travel_once(table):
    scenario = resolve(table("gpt2", lora_rank=0), "lora")
    names = {field.name for field in materials(scenario).learner.spec}
    assert "lm.transformer.wte.weight" in names
    assert "lm.lm_head.weight" not in names


@pytest.mark.parametrize("args", [{}, {"path": "here", "architecture": "gpt2"}])
def test_a_folder_or_a_config_but_not_both(args):
    with pytest.raises(ScenarioError, match="name either path"):
        hf_causal_lm((8,), 1, **args)
