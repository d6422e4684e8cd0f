"""The reports need DuckDB and pyarrow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")
sys.path.append(str(Path(__file__).parent))  # what only these tests share


@pytest.fixture(scope="session")
def shop_file(tmp_path_factory):
    from spans_of_a_shop import shop

    return shop(tmp_path_factory.mktemp("shop"))
