"""Losses and metrics in closed form, and tasks of one's own."""

import math

import numpy as np
import pytest
import torch

from federation.errors import ScenarioError
from federation.models.tasks import Classification, NextToken, Regression, build_task, task_names

OWN_TASK = """
class Ranking:
    metric_name = "pairs"
    def batch(self, inputs, targets): return inputs, targets
    def loss(self, outputs, targets): return (outputs - targets).mean()
    def metric_sum(self, outputs, targets): return 0.0
    def items(self, targets): return len(targets)

ready = Ranking()
class Half:
    metric_name = "pairs"
"""


@pytest.fixture
def own_tasks(tmp_path, monkeypatch):
    (tmp_path / "tasks_of_a_user.py").write_text(OWN_TASK)
    monkeypatch.syspath_prepend(tmp_path)


def test_classification_is_cross_entropy_and_the_share_of_right_rows():
    logits = torch.tensor([[2.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    labels = torch.tensor([0, 0, 0])
    rows = [math.log(1 + math.exp(-2)), math.log(2), math.log(1 + math.e)]
    task = Classification()
    assert task.loss(logits, labels).item() == pytest.approx(sum(rows) / 3, rel=1e-6)
    assert task.metric_sum(logits, labels) == 2.0, "a tie goes to the first class"
    assert task.items(labels) == 3


@pytest.mark.parametrize("shape", [(4,), (4, 1), (2, 2)])
def test_regression_is_squared_error_and_absolute_error_over_all_numbers(shape):
    targets = torch.tensor([1.0, -1.0, 2.0, 0.0]).reshape(shape)
    outputs = torch.tensor([2.0, -1.0, 0.0, 0.5]).reshape(len(targets), -1)
    task = Regression()
    assert task.loss(outputs, targets).item() == pytest.approx((1 + 0 + 4 + 0.25) / 4)
    assert task.metric_sum(outputs, targets) == 3.5
    assert task.items(targets) == 4


def test_next_token_predicts_all_tokens_but_the_first():
    tokens = torch.tensor([[3, 1, 2], [0, 0, 1]])
    given, wanted = NextToken().batch(tokens, None)
    assert given.tolist() == [[3, 1], [0, 0]]
    assert wanted.tolist() == [[1, 2], [0, 1]]


def test_next_token_is_cross_entropy_and_the_share_of_right_tokens():
    wanted = torch.tensor([[1, 2], [0, 1]])
    logits = torch.zeros(2, 2, 4)
    assert NextToken().loss(logits, wanted).item() == pytest.approx(math.log(4))
    logits[0, 0, 1] = logits[1, 0, 0] = 5.0
    assert NextToken().metric_sum(logits, wanted) == 2.0
    assert NextToken().items(wanted) == 4


@pytest.mark.parametrize(
    ("y", "classes", "kind"),
    [
        (np.arange(3), 3, Classification),
        (np.zeros(3, "f4"), None, Regression),
        (None, None, NextToken),
    ],
)
def test_the_task_goes_by_the_labels(in_memory, y, classes, kind):
    assert isinstance(build_task("auto", in_memory(np.zeros((3, 2)), y, classes)), kind)


@pytest.mark.parametrize("name", task_names())
def test_every_task_can_be_named(in_memory, name):
    dataset = in_memory(np.zeros((3, 2)), np.arange(3), 3)
    assert type(build_task(name, dataset)).__name__.lower() == name.replace("-", "")


def test_an_unknown_task_lists_the_valid_ones(in_memory):
    dataset = in_memory(np.zeros((3, 2)), np.arange(3), 3)
    with pytest.raises(ScenarioError, match=r"'regression'.*auto, classification, next"):
        build_task("regresion", dataset)


def test_classification_needs_classes(in_memory):
    with pytest.raises(ScenarioError, match="the labels are not classes"):
        build_task("classification", in_memory(np.zeros((3, 2)), np.zeros(3, "f4")))


@pytest.mark.parametrize("task", [Classification(), Regression()])
def test_a_task_with_labels_says_where_to_set_them(task):
    with pytest.raises(ScenarioError, match=r"set data\.label"):
        task.batch(torch.zeros(2), None)


@pytest.mark.parametrize("name", ["Ranking", "ready"])
def test_a_task_of_ones_own_is_a_class_or_an_object(own_tasks, in_memory, name):
    task = build_task(f"tasks_of_a_user:{name}", in_memory(np.zeros((3, 2)), None))
    assert task.metric_name == "pairs"


def test_an_object_that_is_no_task_is_told_what_it_lacks(own_tasks, in_memory):
    with pytest.raises(ScenarioError, match="needs metric_name, batch, loss, metric_sum and items"):
        build_task("tasks_of_a_user:Half", in_memory(np.zeros((3, 2)), None))
