"""What algorithms refuse, before anything starts: one line that names the key."""

import pytest

from federation.errors import ScenarioError
from federation.scenario.schema import LocalConfig, StrategyConfig
from simulations import prepare
from strategies.catalogue import build_algorithm

REFUSED = [
    ("fedprox", "mu", -0.1, "[0, 1000]"),
    ("fedprox", "server_lr", 0, "(0, 100]"),
    ("scaffold", "server_lr", -1.0, "(0, 100]"),
    ("fednova", "server_lr", 101, "(0, 100]"),
    ("fedsgd", "server_lr", 0.0, "(0, 100]"),
    ("fedavgm", "momentum", 1.0, "[0, 1)"),
    ("fedadagrad", "tau", 0.0, "(0, 1]"),
    ("fedadam", "beta1", 1.0, "[0, 1)"),
    ("fedadam", "beta2", -0.1, "[0, 1)"),
    ("fedyogi", "beta2", 1.5, "[0, 1)"),
    ("fedyogi", "server_lr", 0.0, "(0, 100]"),
    ("feddyn", "alpha", 0.0, "(0, 1000]"),
    ("diloco", "momentum", -0.5, "[0, 1)"),
    ("diloco", "server_lr", 1e9, "(0, 100]"),
]


@pytest.mark.parametrize(("algorithm", "key", "value", "bounds"), REFUSED)
def test_a_value_out_of_bounds_is_refused_by_name(algorithm, key, value, bounds):
    config = StrategyConfig(algorithm=algorithm, args={key: value})
    with pytest.raises(ScenarioError) as refusal:
        build_algorithm(config)
    assert str(refusal.value) == f"strategy.args.{key} = {value:g}: must be in {bounds}"


@pytest.mark.parametrize(
    ("algorithm", "key", "value", "kind"),
    [
        ("fedavgm", "nesterov", 1, "bool"),
        ("diloco", "keep_optimizer", "yes", "bool"),
        ("feddyn", "alpha", "small", "float"),
        ("flower", "strategy", 3, "str"),
    ],
)
def test_a_value_of_another_kind_is_refused(algorithm, key, value, kind):
    config = StrategyConfig(algorithm=algorithm, args={key: value})
    with pytest.raises(ScenarioError, match=rf"strategy\.args\.{key} = .*must be {kind}"):
        build_algorithm(config)


@pytest.mark.parametrize("algorithm", ["scaffold", "fednova"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_what_counts_gradients_needs_steps_that_are_made_of_them(algorithm, optimizer):
    chosen = build_algorithm(StrategyConfig(algorithm=algorithm))
    chosen.check(LocalConfig(lr=0.1, momentum=0.9))
    with pytest.raises(ScenarioError, match=rf"local\.optimizer = '{optimizer}': {algorithm}"):
        chosen.check(LocalConfig(lr=0.1, optimizer=optimizer))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("local.optimizer=adam", "local.optimizer = 'adam': scaffold counts the gradients"),
        ("strategy.args.mu=0.1", "unknown key in strategy.args: 'mu'"),
    ],
)
def test_a_scenario_is_refused_before_it_starts(setting, said, tmp_path):
    settings = ["strategy.algorithm=scaffold", setting]
    with pytest.raises(ScenarioError) as refusal:
        prepare.plan("quickstart", settings, str(tmp_path / "out"), False)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_unknown_algorithm_lists_those_there_are():
    with pytest.raises(ScenarioError, match=r"'fedadm'; did you mean 'fedadam'.*diloco, .*fedprox"):
        build_algorithm(StrategyConfig(algorithm="fedadm"))
