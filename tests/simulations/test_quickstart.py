"""The first thing that anybody runs."""

import pandas as pd
import pytest

KINDS = ("plain", "compressed")


@pytest.mark.timeout(60)
def test_the_quickstart(paceline, here):
    """Plain serial and parallel learning send the same number of bytes, and all learn."""
    result = paceline("run", "quickstart")
    assert result.code == 0, result.err
    results = here / "results" / "quickstart"
    tables = {
        folder.name: pd.read_parquet(folder / "rounds.parquet")
        for folder in results.iterdir()
        if folder.is_dir()
    }
    assert set(tables) == {f"{a}+{b}" for a in ("serial", "parallel") for b in KINDS}
    sent = {
        name: int(table.uplink_bytes.sum() + table.downlink_bytes.sum())
        for name, table in tables.items()
    }
    assert all(table.accuracy.iloc[-1] > 0.85 for table in tables.values())
    assert sent["serial+plain"] == sent["parallel+plain"]
    assert all(
        3 * sent[f"{way}+compressed"] < sent[f"{way}+plain"] for way in ("serial", "parallel")
    )
    assert all(name in result.out for name in tables)
