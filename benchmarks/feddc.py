"""FedDC against FedAvg on a synthetic problem: `python -m benchmarks.feddc`.

Kamp et al. 2023 ("Federated learning from small datasets", ICLR), the authors' notebook: sklearn's
make_classification, 50 clients of 10 rows each, a perceptron with hidden layers of 100, 50 and 20,
Adam whose state goes with the model, one step a round, 1000 rounds. FedDC changes hands each round
(d = 1) and averages every 200 (b = 200): 0.885 on 400 test rows. FedAvg of period 200: 0.790.

FedAvg of period 200 is here a parallel schedule of 5 rounds of 200 local steps. `--sklearn` repeats
both by scikit-learn's perceptron and no code of ours, to tell what the rules give from what we do.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.feddc_sklearn import accuracy

if TYPE_CHECKING:
    from torch import nn

CLIENTS, ROWS, STEPS, PERIOD, TRAIN = 50, 10, 1000, 200, 800
PUBLISHED = {"feddc": 0.885, "fedavg": 0.790}
TOLERANCE = 0.02


def network() -> nn.Module:
    """The perceptron of the notebook, with two outputs for sklearn's one."""
    from torch import nn

    layers: list[nn.Module] = []
    for wide, narrow in ((100, 100), (100, 50), (50, 20)):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    found = nn.Sequential(*layers, nn.Linear(20, 2))
    for layer in found:
        if isinstance(layer, nn.Linear):  # as sklearn begins
            bound = (6.0 / (layer.in_features + layer.out_features)) ** 0.5
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.uniform_(layer.bias, -bound, bound)
    return found


def synthetic(folder: Path) -> None:
    """The notebook's data: 800 rows for training (clients hold 500), 400 for testing."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from sklearn.datasets import make_classification
    from sklearn.model_selection import train_test_split

    x, y = make_classification(
        n_samples=1200,
        n_features=100,
        n_informative=20,
        n_redundant=60,
        n_repeated=5,
        n_clusters_per_class=3,
        flip_y=0.02,
        shift=1.0,
        scale=3.0,
        random_state=np.random.RandomState(42),
    )
    train, test = train_test_split(np.arange(len(y)), train_size=TRAIN, random_state=42)
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in (("train", train), ("test", test)):
        table = pa.table({"x": x[rows].astype("f4").tolist(), "y": y[rows]})
        pq.write_table(table, folder / f"{split}.parquet")
    held = {str(i): list(range(ROWS * i, ROWS * (i + 1))) for i in range(CLIENTS)}
    (folder / "rows.json").write_text(json.dumps(held), encoding="utf-8")


def scenario(folder: Path, name: str, steps: int, seed: int) -> dict[str, Any]:
    """A variant as a scenario's table, of so many local steps in all."""
    at_once = 1 if name == "feddc" else PERIOD
    strategy: dict[str, Any] = {"algorithm": "handover", "args": {"memory": "moments"}}
    if name == "feddc":
        strategy["schedule"] = "feddc"
        strategy["args"]["period"] = PERIOD
    return {
        "name": f"feddc-synthetic-{name}",
        "seed": seed,
        "rounds": steps // at_once,
        "data": {
            "source": str(folder),
            "clients": CLIENTS,
            "normalize": False,
            "partition": {"kind": "file", "path": str(folder / "rows.json")},
        },
        "model": {"name": "benchmarks.feddc:network"},
        "local": {"optimizer": "adam", "lr": 0.001, "batch_size": "full", "steps": at_once},
        "strategy": strategy,
        "evaluation": {"every": max(1, 20 // at_once)},
    }


def measure(out: Path, name: str, steps: int, seed: int) -> float:
    """The test accuracy after the last average; a finished run is read."""
    from federation.results.folder import RunFolder
    from federation.scenario import files
    from simulations.launch import simulate
    from simulations.prepare import PlannedRun

    resolved = files.resolve(scenario(out / "data", name, steps, seed), name)
    planned = PlannedRun(name, resolved, out / f"{name}-{steps}-seed-{seed}")
    simulate(planned)
    return RunFolder.open(planned.folder).rounds()[-1].accuracy or 0.0


def main(arguments: list[str]) -> int:
    """The exit code: 0 if both accuracies are as published, within the tolerance."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feddc", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/feddc"))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=1)
    words = "by scikit-learn's perceptron instead"
    parser.add_argument("--sklearn", action="store_true", help=words)
    given = parser.parse_args(arguments)
    synthetic(given.out / "data")
    print("| variant | paper | ours | difference | seconds |\n| --- | --- | --- | --- | --- |")
    well = True
    for name, published in PUBLISHED.items():
        began_s = time.monotonic()
        if given.sklearn:
            told = (given.out / "data", CLIENTS, ROWS, given.steps, min(PERIOD, given.steps))
            ours = accuracy(*told, daisy=name == "feddc")
        else:
            ours = measure(given.out, name, given.steps, given.seed)
        seconds, difference = time.monotonic() - began_s, ours - published
        print(
            f"| {name} | {published} | {ours:.4f} | {difference:+.4f} | {seconds:.0f} |", flush=True
        )
        well = well and abs(difference) <= TOLERANCE
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
