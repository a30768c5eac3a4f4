"""One file, one name; a name with a colon is the user's own."""

import sys
from fractions import Fraction
from numbers import Number

import pytest

from federation.errors import ScenarioError
from federation.registry import Registry, import_object

ONE = "from fractions import Fraction\nclass {name}(Fraction): pass\n"


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """Makes a package of the given files and a registry of its classes of numbers."""

    def make(**files):
        folder = tmp_path / "zoo_of_numbers"
        folder.mkdir()
        (folder / "__init__.py").touch()
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)
        return Registry("number", "zoo_of_numbers", Number)

    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_file_is_a_name_with_dashes_for_underscores(registry):
    numbers = registry(golden_ratio=ONE.format(name="Golden"), one=ONE.format(name="One"))
    assert numbers.names() == ["golden-ratio", "one"]
    assert numbers.get("golden-ratio").__name__ == "Golden"


def test_files_that_start_with_an_underscore_have_no_name(registry):
    assert registry(_base=ONE.format(name="Base"), one=ONE.format(name="One")).names() == ["one"]


def test_an_unknown_name_lists_the_valid_ones(registry):
    numbers = registry(one=ONE.format(name="One"), two=ONE.format(name="Two"))
    with pytest.raises(ScenarioError, match=r"unknown number 'oen'; did you mean 'one'.*one, two"):
        numbers.get("oen")


@pytest.mark.parametrize("name", ["golden_ratio", "_base", "", "../one", "one.two"])
def test_only_names_as_they_are_listed_are_valid(registry, name):
    numbers = registry(golden_ratio=ONE.format(name="G"), _base=ONE.format(name="B"))
    with pytest.raises(ScenarioError, match="Valid: golden-ratio"):
        numbers.get(name)


@pytest.mark.parametrize(
    "text",
    [
        ONE.format(name="One") + "class Other(One): pass\n",
        "x = 1\n",
        "from fractions import Fraction",
    ],
    ids=["two classes", "none", "only an imported one"],
)
def test_a_file_must_define_exactly_one_class(registry, text):
    with pytest.raises(TypeError, match=r"zoo_of_numbers.one must define one Number"):
        registry(one=text).get("one")


def test_private_and_unrelated_classes_do_not_count(registry):
    text = "class _Helper(Fraction): pass\nclass Unrelated: pass\n"
    assert registry(one=ONE.format(name="One") + text).get("one").__name__ == "One"


def test_only_the_file_that_is_asked_for_is_imported(registry):
    numbers = registry(one=ONE.format(name="One"), broken="raise RuntimeError('imported')")
    assert numbers.names() == ["broken", "one"]
    assert numbers.get("one").__name__ == "One"


def test_a_class_of_ones_own_is_named_by_its_module(registry):
    assert registry().get("fractions:Fraction") is Fraction


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("no_such_module:X", "module 'no_such_module' could not be imported.*PYTHONPATH"),
        ("fractions:Frction", "module 'fractions' has no 'Frction'"),
        ("fractions:", "module 'fractions' has no ''"),
        ("fractions:math", "not a subclass of Number"),
        ("io:StringIO", "not a subclass of Number"),
    ],
)
def test_a_foreign_name_that_cannot_serve_says_what_is_missing(registry, name, complaint):
    with pytest.raises(ScenarioError, match=complaint):
        registry().get(name)


def test_a_module_that_fails_on_import_is_the_users_error_in_one_line(registry):
    registry(broken="raise RuntimeError('no licence')")
    with pytest.raises(ScenarioError, match="RuntimeError: no licence") as caught:
        import_object("zoo_of_numbers.broken:X", "number")
    assert "\n" not in str(caught.value)
