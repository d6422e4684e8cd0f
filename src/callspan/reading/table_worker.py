"""The program that reads a share of the segments for `tables.to_arrow`, and writes it to stdout as an Arrow stream."""

from __future__ import annotations

import gc
import json
import signal
import sys
from importlib.metadata import version
from pathlib import Path

if __name__ == "__main__" and int(version("pyarrow").partition(".")[0]) >= 18:
    # From there on it needs no numpy, nor do we, and to import that takes longer than everything else.
    sys.modules["numpy"] = None  # type: ignore[assignment]

import pyarrow as pa

from callspan.reading.columns import batch_of, schema
from callspan.reading.files import LoadReport, Segment
from callspan.reading.tables import batches


def main(order: str) -> None:
    """Read what the order names: a JSON list of file, start and end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this ends it
    gc.disable()  # there are no rings, only rows, which it would walk again and again
    segments = [Segment(Path(file), start, end) for file, start, end in json.loads(order)]
    report, done = LoadReport(), 0

    def moved(now: int) -> None:
        nonlocal done
        done = now

    with pa.ipc.new_stream(sys.stdout.buffer, schema()) as stream:
        for batch in batches(segments, report, moved):
            stream.write_batch(batch, {"bytes": str(done)})
        last = {"bytes": str(done), "report": json.dumps(vars(report))}
        stream.write_batch(batch_of([], schema()), last)


if __name__ == "__main__":
    main(sys.argv[1])
