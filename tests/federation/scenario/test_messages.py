"""What a user reads about a wrong scenario: one line with the file, the key and the remedy."""

import tomllib

import pytest

from federation.errors import ScenarioError
from federation.scenario import files, overrides, sweep

PARTITIONS = "Valid: continuous, dirichlet, exponential, extended-dirichlet, file, iid"
LOCAL_KEYS = "Valid: batch_size, clip_norm, epochs, lr, lr_schedule, momentum, nesterov, optimizer"

# --set on a sound scenario -> what the line must say
BAD_SETTINGS = [
    # unknown keys
    (
        "local.learning_rate=0.1",
        ["local.learning_rate: unknown key; did you mean 'lr'?", LOCAL_KEYS],
    ),
    ("local.batchsize=3", ["local.batchsize: unknown key; did you mean 'batch_size'?", LOCAL_KEYS]),
    ("locall.lr=0.1", ["locall: unknown key; did you mean 'local'?", "Valid: data, downlink"]),
    ("round=3", ["round: unknown key; did you mean 'rounds'?"]),
    ("lr=0.1", ["lr: unknown key; did you mean 'local.lr'?", "Valid: data"]),
    ("local.clients_per_round=2", ["unknown key; did you mean 'strategy.clients_per_round'?"]),
    (
        "zzz=1",
        ["zzz: unknown key; Valid: data, downlink, energy, engine, evaluation, fleet, local"],
    ),
    ('"a\\nb"=1', ['"a\\nb": unknown key']),
    ("fleet=[{devise='x'}]", ["fleet[0].devise: unknown key; did you mean 'device'?"]),
    (
        "data.partition={kind='iid', alpha=1}",
        ["data.partition.alpha: unknown key for kind = 'iid'"],
    ),
    (
        "data.partition={kind='dirichlet', alfa=1}",
        ["data.partition.alfa: unknown key for kind = 'dirichlet'; did you mean 'alpha'?"],
    ),
    # wrong choices
    (
        "data.partition.kind=dirichlt",
        ["data.partition.kind = 'dirichlt': unknown; did you mean 'dirichlet'?", PARTITIONS],
    ),
    ("data.partition.kind=3", ["data.partition.kind = 3: unknown; ", PARTITIONS]),
    ("data.partition={alpha=0.1}", ["data.partition.kind: missing; ", PARTITIONS]),
    (
        "local.optimizer=adm",
        ["local.optimizer = 'adm': unknown; did you mean 'adam'?", "adamw, sgd"],
    ),
    ("local.optimizer=3", ["local.optimizer = 3: unknown; Valid: adam, adamw, sgd"]),
    ("engine.backend=rai", ["engine.backend = 'rai': unknown", "Valid: inline, processes, ray"]),
    (
        "local.lr_schedule.kind=cos",
        ["local.lr_schedule.kind = 'cos': unknown; did you mean", "step"],
    ),
    (
        "data.partition={kind='pathological', classes_per_client=2, assignment='rand'}",
        ["data.partition.assignment = 'rand'", "Valid: deterministic, first-deterministic, random"],
    ),
    # wrong types
    ("rounds='3'", ["rounds = '3': must be a whole number (remove the quotes)"]),
    ("rounds=3.0", ["rounds = 3.0: must be a whole number (write 3)"]),
    ("rounds=3.5", ["rounds = 3.5: must be a whole number"]),
    ("rounds=true", ["rounds = true: must be a whole number"]),
    ("rounds=ten", ["rounds = 'ten': must be a whole number"]),
    ("rounds=[3]", ["rounds = [3]: must be a whole number"]),
    ("local.lr='0.1'", ["local.lr = '0.1': must be a number (remove the quotes)"]),
    ("local.lr=.1", ["local.lr = '.1': must be a number (write 0.1)"]),
    ("local.lr=true", ["local.lr = true: must be a number"]),
    ("data.normalize=yes", ["data.normalize = 'yes': must be true or false"]),
    ("data.normalize=True", ["data.normalize = 'True': must be true or false (write true,"]),
    ("data.normalize=1", ["data.normalize = 1: must be true or false"]),
    ("model.name=3", ['model.name = 3: must be text, in quotes (write "3")']),
    (
        "local.batch_size=ful",
        ["local.batch_size = 'ful': must be a whole number greater than 0 or 'full'"],
    ),
    (
        "local.batch_size=0",
        ["local.batch_size = 0: must be a whole number greater than 0 or 'full'"],
    ),
    ("data.input=['a', 3]", ["data.input = ['a', 3]: must be text or a list of text"]),
    (
        "model.args.width={a=1}",
        ["model.args.width = {a = 1}: must be true or false, a whole number"],
    ),
    ("model.args=3", ["model.args = 3: must be a table; write [model.args]"]),
    ("model=cnn", ["model = 'cnn': must be a table; write [model]"]),
    ("data.partition=iid", ["data.partition = 'iid': must be a table; write { kind = \"iid\" }"]),
    ("data.partition=3", ["data.partition = 3: must be a table with a kind", PARTITIONS]),
    ("fleet={device='x'}", ["fleet = {device = 'x'}: must be a list of tables; write [[fleet]]"]),
    ("fleet=['x']", ["fleet[0] = 'x': must be a table"]),
    (
        "data.partition={kind='sizes', sizes=3}",
        ["data.partition.sizes = 3: must be a list of whole n"],
    ),
    (
        "data.partition={kind='sizes', sizes=[1, 'a']}",
        ["data.partition.sizes[1] = 'a': must be a whol"],
    ),
    # out of range
    ("rounds=0", ["rounds = 0: must be greater than 0"]),
    ("seed=-1", ["seed = -1: must be at least 0"]),
    ("data.clients=-5", ["data.clients = -5: must be greater than 0"]),
    ("local.lr=0.0", ["local.lr = 0.0: must be greater than 0"]),
    ("local.momentum=1.5", ["local.momentum = 1.5: must be less than 1"]),
    ("fleet=[{share=1.5}]", ["fleet[0].share = 1.5: must be at most 1"]),
    (
        "data.partition={kind='dirichlet', alpha=0}",
        ["data.partition.alpha = 0: must be greater than 0"],
    ),
    (
        "data.partition={kind='continuous', column='x', strictness=2}",
        ["data.partition.strictness = 2: must be at most 1"],
    ),
    # values that TOML has and a scenario has not
    ("local.lr=nan", ["local.lr = nan: must be a finite number"]),
    ("local.clip_norm=inf", ["local.clip_norm = inf: must be a finite number"]),
    ("model.args.x=[1.0, -inf]", ["model.args.x[1] = -inf: must be a finite number"]),
    ("rounds=2024-05-01", ["rounds = 2024-05-01: must not be a date"]),
    ("name=10:30:00", ["name = 10:30:00: must not be a date or a time"]),
    ("seed=9223372036854775808", ["seed = 9223372036854775808: must fit in 64 bits"]),
    ("seed=0x" + "f" * 5000, ["seed = 0xfff", "...: must fit in 64 bits"]),
    # missing
    ("data={source='digits'}", ["data.clients: missing; it must be a whole number greater than 0"]),
    ("local={}", ["local.lr: missing; it must be a number greater than 0"]),
    ("data.partition={kind='dirichlet'}", ["data.partition.alpha: missing; it must be a number"]),
    # text that is not allowed
    ("name=''", ["name = '': must be at most 100 letters, digits"]),
    ("name='a b'", ["name = 'a b': must be at most 100 letters, digits"]),
    ("name='../x'", ["name = '../x': must be"]),
    ('name="two\\nlines"', [r"name = 'two\nlines': must be"]),
    ("model.name=''", ["model.name = '': must not be empty"]),
    ("fleet=[{region=''}]", ["fleet[0].region = '': must be a name of 1 to 64"]),
    (
        'fleet=[{region="DEU\\n"}]',
        [r"fleet[0].region = 'DEU\n': must be a name of 1 to"],
    ),
    # rules over several keys
    (
        "strategy.clients_per_round=11",
        ["strategy.clients_per_round = 11 is more than data.clients = 10"],
    ),
    ("local.nesterov=true", ["local: nesterov = true needs momentum > 0"]),
    (
        "local={lr=1, optimizer='adam', momentum=0.9}",
        ["local: momentum belongs to optimizer = 'sgd'"],
    ),
    ("local={lr=1, epochs=1, steps=2}", ["local: give either epochs or steps, not both"]),
    ("fleet=[{share=0.5}, {share=0.4}]", ["the shares of [[fleet]] add up to 0.9, not to 1"]),
    ("fleet=[]", ["the shares of [[fleet]] add up to 0, not to 1"]),
    ("evaluation.per_client=true", ["evaluation.per_client = true needs data.holdout > 0"]),
    ("engine.address=host", ["engine: address joins a Ray cluster: it needs backend = 'ray'"]),
    (
        "data.partition={kind='sizes', sizes=[1, 2]}",
        ["data: partition.sizes has 2 numbers, clients = 10"],
    ),
]


@pytest.mark.parametrize(("setting", "fragments"), BAD_SETTINGS)
def test_a_wrong_value_is_answered_by_one_line_with_the_remedy(minimal, setting, fragments):
    with pytest.raises(ScenarioError) as caught:
        files.resolve(overrides.apply(minimal, [setting]), "small.toml")
    line = str(caught.value)
    assert line.startswith("small.toml: ")
    assert len(line.splitlines()) == 1
    assert "pydantic" not in line
    assert len(line) < 400
    for fragment in fragments:
        assert fragment in line


# whole files -> what the line must say
BAD_FILES = [
    ("", ["name: missing; it must be text (and 4 more)"]),
    ('name = "x"\nrounds = 1\ndata = 3', ["data = 3: must be a table; write [data] (and 2 more)"]),
    ('name = "x"\nrounds = 1', ["data: missing; write a table [data] with source, clients"]),
    ("rounds = \nseed = 1", ["not valid TOML", "line 1, column 10"]),
    ("rounds = 1\nrounds = 2\n", ["not valid TOML", "line 2"]),
    ("rounds = 1" + "0" * 5000, ["not valid TOML", "4300"]),
    ("x = " + "[" * 20000, ["nested too deep"]),
]


@pytest.mark.parametrize(("text", "fragments"), BAD_FILES, ids=range(len(BAD_FILES)))
def test_a_wrong_file_is_answered_by_one_line(tmp_path, text, fragments):
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        files.resolve(files.read(path), "bad.toml")
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    for fragment in ["bad.toml: ", *fragments]:
        assert fragment in line


def test_an_unknown_key_comes_before_the_key_that_is_missing_because_of_it(minimal):
    minimal["local"] = {"learning_rate": 0.1}
    with pytest.raises(ScenarioError, match=r"x\.toml: local\.learning_rate: .*\(and 1 more\)$"):
        files.resolve(minimal, "x.toml")


def test_alternatives_of_one_value_count_as_one_error(minimal):
    minimal["model"]["args"] = {"width": {}}
    with pytest.raises(ScenarioError) as caught:
        files.resolve(minimal, "x.toml")
    assert "more)" not in str(caught.value)


@pytest.mark.parametrize("key", ["rounds", "k" * 10_000])
def test_long_keys_and_values_are_shortened(minimal, key):
    minimal[key] = "x" * 10_000
    with pytest.raises(ScenarioError) as caught:
        files.resolve(minimal, "x.toml")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("seed = 3", ["seed = 3", "must be a list; write [3]"]),
        ("seed = []", ["seed = []: is empty"]),
        (
            '"local.learning_rate" = [1]',
            ["local.learning_rate: unknown key; did you mean 'lr'?", LOCAL_KEYS],
        ),
        ('"lr" = [1]', ["lr: unknown key; did you mean 'local.lr'?"]),
        ('"rounds.x" = [1]', ["rounds has no keys below it"]),
        ('"a b" = [1]', ["'a b' is not a dotted key"]),
        ("case = 3", ["sweep.case = 3: must be tables; write [[sweep.case]]"]),
        ("case = []", ["sweep.case = []: is empty"]),
        ("case = [{rond = 1}]", ["sweep.case[0]: rond: unknown key", "'rounds'"]),
        ("case = [{name = 3, rounds = 1}]", ["sweep.case[0]: name = 3: must be text"]),
        ("seed = [1]\ncase = [{seed = 2}]", ["seed is swept twice"]),
        (
            '"data.partition" = [{kind="iid"}]\n"data.partition.alpha" = [1]',
            ["data.partition is swept and so is data.partition.alpha"],
        ),
        (f"seed = {list(range(101))}\nrounds = {list(range(100))}", ["makes 10100 runs"]),
    ],
)
def test_a_wrong_sweep_is_answered_by_one_line(minimal_text, text, fragments):
    table = tomllib.loads(f"{minimal_text}\n[sweep]\n{text}")
    with pytest.raises(ScenarioError) as caught:
        sweep.expand(table, "small.toml")
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    for fragment in ["small.toml: sweep", *fragments]:
        assert fragment in line


def test_a_sweep_that_is_no_table_is_refused(minimal):
    with pytest.raises(ScenarioError, match=r"sweep = 3: must be a table; write \[sweep\]"):
        sweep.expand(minimal | {"sweep": 3})
