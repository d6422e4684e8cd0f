from __future__ import annotations

import subprocess
import sys

import pytest

from callspan.dialects.contract import Dialect
from callspan.dialects.genai import GENAI
from callspan.dialects.openinference import OPENINFERENCE
from callspan.dialects.registry import DIALECTS, find, resolve
from callspan.errors import ConfigurationError

KNOWN = "genai, genai-1.41, openinference"


class Mine:
    name = "mine"
    schema_url = None

    def attributes(self, span):
        return {"name": span.name}


def test_every_name_finds_a_dialect_of_that_name():
    assert list(DIALECTS) == ["genai", "genai-1.41", "openinference"]
    for name, dialect in DIALECTS.items():
        assert dialect.name == name
        assert isinstance(dialect, Dialect)
        assert find(f" {name.upper()} ") is dialect


@pytest.mark.parametrize("name", ["gen_ai", "", None, 3])
def test_an_unknown_name_is_refused_with_the_known_ones(name):
    with pytest.raises(ConfigurationError) as caught:
        find(name)

    assert str(caught.value) == f"dialects: got {type(name).__name__}; use one or several of: {KNOWN}"


def test_one_or_several_names_or_objects():
    mine = Mine()

    assert resolve("genai") == (GENAI,)
    assert resolve("genai, openinference,genai,") == (GENAI, OPENINFERENCE)
    assert resolve(["openinference", "genai"]) == (OPENINFERENCE, GENAI)
    assert resolve(mine) == (mine,)
    assert resolve([mine, "genai"]) == (mine, GENAI)


@pytest.mark.parametrize("nothing", ["", " , ", [], ()])
def test_no_dialect_at_all_is_refused(nothing):
    with pytest.raises(ConfigurationError, match=f"name at least one of: {KNOWN}"):
        resolve(nothing)


@pytest.mark.parametrize("wrong", [None, 3, [None], ["genai", "nope"], {"nope": 1}])
def test_what_names_no_dialect_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="use one or several of"):
        resolve(wrong)


def test_finding_a_dialect_loads_no_json_library():
    code = "import sys, callspan.dialects.registry as r; r.find('genai'); print('orjson' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
