"""The FedDC experiment: its data, and both ways of repeating it."""

import pyarrow.parquet as pq
import pytest

from benchmarks import feddc
from benchmarks.feddc_sklearn import accuracy


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PACELINE_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = tmp_path_factory.mktemp("feddc")
        feddc.synthetic(folder / "data")
        yield folder


def test_eight_hundred_rows_are_for_training_and_the_rest_for_testing(out):
    sizes = [
        pq.read_table(out / "data" / f"{split}.parquet").num_rows for split in ("train", "test")
    ]
    assert sizes == [800, 400]


def test_a_few_steps_learn_something(out):
    assert feddc.measure(out, "feddc", 20, 1) > 0.5


def test_daisies_change_what_is_learnt(out):
    apart = accuracy(out / "data", 4, 10, 60, 60, daisy=False)
    handed = accuracy(out / "data", 4, 10, 60, 60, daisy=True)
    assert handed != apart
