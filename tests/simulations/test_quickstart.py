"""The first thing that anybody runs."""

import pandas as pd
import pytest


@pytest.mark.timeout(60)
def test_the_quickstart(paceline, here):
    """Serial and parallel learning send the same number of bytes, and both learn."""
    result = paceline("run", "quickstart")
    assert result.code == 0, result.err
    results = here / "results" / "quickstart"
    tables = {
        folder.name: pd.read_parquet(folder / "rounds.parquet")
        for folder in results.iterdir()
        if folder.is_dir()
    }
    assert {"serial", "parallel"} <= {name.partition("+")[0] for name in tables}
    sent = {
        name: int(table.uplink_bytes.sum() + table.downlink_bytes.sum())
        for name, table in tables.items()
    }
    for table in tables.values():
        assert table.accuracy.iloc[-1] > 0.85
    for rest in {name.partition("+")[2] for name in tables}:
        endings = [f"+{rest}" if rest else ""]
        for ending in endings:
            assert sent[f"serial{ending}"] == sent[f"parallel{ending}"]
    assert all(name in result.out for name in tables)
