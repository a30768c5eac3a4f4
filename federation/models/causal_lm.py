"""A causal language model of Hugging Face with LoRA adapters (extra `llm`).

Hu et al. 2021: beside a frozen weight W of shape (out, in) two small ones are trained, and
W + alpha / rank * B A is what is used; B begins at 0. The frozen weights are made from the seed or
read from a folder by everybody, and never travel (`learner.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from federation.errors import ScenarioError

_EXTRA = "model.name = 'hf-causal-lm': needs {}; pip install 'paceline[llm]'"


class CausalLM(nn.Module):
    """Token ids (N, L) in, logits (N, L, vocabulary) out."""

    def __init__(self, lm: nn.Module) -> None:
        super().__init__()
        self.lm = lm

    def forward(self, tokens: Tensor) -> Tensor:
        """The logits alone."""
        logits: Tensor = self.lm(input_ids=tokens, use_cache=False).logits
        return logits


@dataclass(frozen=True)
class Lora:
    """The adapters; without `lora_targets` peft chooses the layers by the architecture.

    `lora_rank = 0` trains the whole model instead.
    """

    lora_rank: int = 8
    lora_alpha: float = 16.0
    lora_dropout: float = 0.0
    lora_targets: Sequence[str] | None = None


def causal_lm(
    lora: Lora, path: str | None = None, architecture: str | None = None, **config: Any
) -> nn.Module:
    """The model in the folder `path`, or a new one of an `architecture` and its `config`.

    Nothing is downloaded. Raises ScenarioError where neither or both are named.
    """
    if (path is None) == (architecture is None) or (path is not None and config):
        raise ScenarioError(
            "model.args: name either path, a folder with config.json and weights, or architecture "
            'and its settings, as in { architecture = "gpt2", vocab_size = 256, n_layer = 2 }'
        )
    with _quiet():
        base = _from_folder(path) if path is not None else _from_config(architecture, config)
        return CausalLM(base if lora.lora_rank == 0 else _adapted(base, lora))


def _from_folder(path: str) -> Any:
    import torch

    transformers = _module("transformers")
    transformers.utils.logging.disable_progress_bar()
    return transformers.AutoModelForCausalLM.from_pretrained(
        path, local_files_only=True, dtype=torch.float32, trust_remote_code=False
    )


def _from_config(architecture: str | None, told: Mapping[str, Any]) -> Any:
    transformers = _module("transformers")
    # The defaults are tokens of the published vocabulary, which a smaller one has not.
    ends = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    config = transformers.AutoConfig.for_model(architecture, **{**ends, **told})
    return transformers.AutoModelForCausalLM.from_config(config)


def _adapted(base: Any, lora: Lora) -> Any:
    peft = _module("peft")
    transposed = any(type(module).__name__ == "Conv1D" for module in base.modules())
    targets = lora.lora_targets
    config = peft.LoraConfig(
        r=lora.lora_rank,
        lora_alpha=lora.lora_alpha,
        lora_dropout=lora.lora_dropout,
        target_modules=None if targets is None else list(targets),
        fan_in_fan_out=transposed,
        task_type="CAUSAL_LM",
    )
    return peft.get_peft_model(base, config)


def _module(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise ScenarioError(_EXTRA.format(name)) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without peft's use of a name that transformers has renamed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        yield
