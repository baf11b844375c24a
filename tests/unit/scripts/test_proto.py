"""The checked-in Python of the .proto is what the generator writes."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_generated_code_is_not_stale(tmp_path: Path) -> None:
    subprocess.run([ROOT / "scripts" / "proto.sh", tmp_path], check=True)
    generated = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*_pb2.py*"))
    assert [str(path) for path in generated] == ["marketfeed/v1/marketfeed_pb2.py", "marketfeed/v1/marketfeed_pb2.pyi"]
    for path in generated:
        assert (ROOT / path).read_text() == (tmp_path / path).read_text(), f"{path} is stale: run scripts/proto.sh"
