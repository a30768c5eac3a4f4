"""The benchmark for a GPU, tried on a processor."""

import pytest
import torch

from benchmarks import gpu, speed_page
from benchmarks.gpu_stack import one_by_one, workload


@pytest.fixture
def page(repo_root, tmp_path):
    """A copy of the page."""
    copy = tmp_path / "performance.md"
    copy.write_text((repo_root / "docs" / "performance.md").read_text(encoding="utf-8"))
    return copy


def test_both_ways_train_the_same_clients():
    module, jobs, train = workload("logistic", 3, 20, 10, 0.1, torch.device("cpu"))
    stacked = train()
    assert [one.processed for one in stacked] == [20] * 3
    one_by_one(module, jobs, 20, 0.1)  # a whole batch: the order of the rows does not matter
    last = {name: value.detach().numpy() for name, value in module.state_dict().items()}
    start = jobs[2].train.start
    assert any((last[name] != start[name]).any() for name in start)


def test_ratios_are_to_be_large_and_seconds_small():
    assert gpu.Line("a", [9.0, 12.0, 11.0], 10, True).cells()[1:] == [
        *("**11.0 x**", "9.0 to 12.0", ">= 10 x", "yes")
    ]
    assert gpu.Line("a", [130.0], 120, False).cells()[-2:] == ["<= 120 s", "**no**"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_made_up(page, capsys):
    before = page.read_text()
    assert gpu.main(["--page", str(page)]) == 2
    assert page.read_text() == before
    assert gpu.main(["--if-there", "--page", str(page)]) == 0
    assert gpu.NOT_RUN in page.read_text()
    assert "Not run" in capsys.readouterr().err


def test_the_page_has_its_place(page):
    speed_page.update(page, "figures\n", gpu.MARKS)
    assert "figures" in page.read_text()


def test_nonsense_is_refused():
    assert gpu.main(["--device", "cpu", "--turns", "0"]) == 2
