"""The package as a whole: what an import loads, which floor stands on which, what the tests themselves look like."""

import ast
import graphlib
import importlib
import inspect
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import semreward
import semreward.evaluation

SOURCE = Path(semreward.__file__).parent
TESTS = Path(__file__).parent
TEST_FILES = sorted(TESTS.rglob("test_*.py"))

FLOORS = [
    {"arguments", "client", "errors", "files", "protocols", "scripts", "text"},
    {"encoders"},
    {"rewards"},
    {"calibration", "evaluation", "report"},
    {"adaptation", "audit", "integrations", "monitor", "testing"},
    {"cli"},
    {"__main__"},
]
LAZY_PACKAGES = [semreward, semreward.evaluation]
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}


def module_name(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name: path for path in sorted(SOURCE.rglob("*.py")) if (name := module_name(path))}


def imports_of(name, *, for_types=True):
    """The modules of the package that a module imports, anywhere in its text."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    if not for_types:
        tree = WithoutTypes().visit(tree)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("semreward."):
            target = node.module.removeprefix("semreward.")
            inner = {f"{target}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or {target}
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("semreward.") for alias in node.names if "semreward." in alias.name}
    return found


class WithoutTypes(ast.NodeTransformer):
    """Removes what only type checkers read."""

    def visit_If(self, node):
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def loaded_by(statement):
    """The top-level modules that a fresh interpreter loads for a statement, beyond the standard library."""
    script = (
        f"import sys; before = set(sys.modules)\n{statement}\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split()) - {"semreward"}


def test_importing_the_package_loads_the_standard_library_only():
    assert loaded_by("import semreward") == set()


def test_a_composite_of_light_rewards_loads_no_models():
    statement = "from semreward import CompositeReward, LanguageConsistencyReward as R; CompositeReward([(R('bo'), 1)])"
    assert not loaded_by(statement) & {"torch", "transformers", "sentence_transformers", "trl", "datasets", "sacrebleu"}


def test_evaluation_by_overlap_loads_no_models():
    loaded = loaded_by("from semreward.evaluation import rouge_l_score; rouge_l_score(['a'], ['a'])")
    assert not loaded & {"torch", "transformers", "sentence_transformers"}


def test_describing_an_encoder_loads_no_models():
    loaded = loaded_by("from semreward import SentenceTransformerEncoder as E; E('org/model', device='cuda:1')")
    assert not loaded & {"torch", "transformers", "sentence_transformers"}


@pytest.mark.parametrize("module", LAZY_PACKAGES)
def test_every_public_name_resolves(module):
    assert all(getattr(module, name) is not None for name in module.__all__)


def test_type_checkers_see_the_names_that_resolve():
    tree = ast.parse(Path(semreward.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "typing"]
    seen = {alias.asname: node.module for node in imports for alias in node.names}
    assert seen == {name: f"semreward.{home}" for name, home in semreward._HOMES.items()}


@pytest.mark.parametrize("module", LAZY_PACKAGES)
def test_public_names_are_listed(module):
    assert dir(module) == sorted(module.__all__)


@pytest.mark.parametrize("module", LAZY_PACKAGES)
def test_an_unknown_name_is_an_attribute_error(module):
    with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute 'Missing'"):
        _ = module.Missing


def test_the_version_is_one_of_three_numbers():
    assert re.fullmatch(r"\d+\.\d+\.\d+", semreward.__version__)


def test_the_package_says_that_it_is_typed():
    assert (SOURCE / "py.typed").is_file()


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("testing")])
def test_public_functions_and_classes_are_documented(name):
    module = importlib.import_module(f"semreward.{name}")
    public = [
        thing
        for label, thing in vars(module).items()
        if not label.startswith("_") and inspect.getmodule(thing) is module and callable(thing)
    ]
    assert all(inspect.getdoc(thing) for thing in [module, *public])


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_floor(name):
    assert name.partition(".")[0] in FLOOR


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_floors_below_and_from_its_own_folder(name):
    home = name.partition(".")[0]
    ground = FLOOR[home] == 0
    wrong = {
        target
        for target in imports_of(name)
        if (there := target.partition(".")[0]) != home
        and not FLOOR[there] < FLOOR[home]
        and not (ground and FLOOR[there] == 0)
    }
    assert wrong == set()


def test_modules_import_each_other_in_no_circle():
    graph = {name: imports_of(name, for_types=False) - {name} for name in MODULES}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_no_module_prints(name):
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"]


def functions_under_test(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    ]


def asserts(function):
    """Whether a test states a fact: by `assert`, by an expected exception or warning, or by a helper named so."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in {"raises", "warns", "fail"} or called.startswith(("assert_", "check_")):
                return True
    return False


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.relative_to(TESTS).as_posix())
def test_every_test_asserts_something(path):
    assert [function.name for function in functions_under_test(path) if not asserts(function)] == []


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.relative_to(TESTS).as_posix())
def test_no_two_tests_of_a_file_share_a_name(path):
    counts = Counter(function.name for function in functions_under_test(path))
    assert [name for name, count in counts.items() if count > 1] == []
