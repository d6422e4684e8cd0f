"""The program that reads a share of the segments for `tables.to_arrow`, and writes it to stdout as an Arrow stream."""

from __future__ import annotations

import gc
import json
import signal
import sys
from importlib.metadata import version
from pathlib import Path

from callspan.reading.columns import batch_of, schema
from callspan.reading.files import LoadReport, Segment
from callspan.reading.tables import Beside, batches

_NEW_OBJECTS: int = 100_000  # there are hardly any rings, only rows, which it would walk again and again


def main(beside: Beside | None = None) -> None:
    """Read what stdin asks for: a JSON list of segments (file, start and end) and columns; for a program alone."""
    if int(version("pyarrow").partition(".")[0]) >= 18:
        # From there on it needs no numpy, nor do we, and to import that takes longer than everything else.
        sys.modules["numpy"] = None  # type: ignore[assignment]
    import pyarrow as pa  # noqa: PLC0415 - without numpy

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this ends it
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)
    shares, columns = json.loads(sys.stdin.buffer.read())
    segments = [Segment(Path(file), start, end) for file, start, end in shares]
    report, done, shape = LoadReport(), 0, schema(columns)

    def moved(now: int) -> None:
        nonlocal done
        done = now

    with pa.ipc.new_stream(sys.stdout.buffer, shape) as stream:
        try:
            for batch in batches(segments, report, moved, columns, beside):
                stream.write_batch(batch, {"bytes": str(done)})
            last = {"bytes": str(done), "report": json.dumps(vars(report))}
        except OSError as error:  # of what is written beside: what cannot be read is counted
            last = {"bytes": str(done), "error": error.strerror or type(error).__name__}
        stream.write_batch(batch_of([], shape), last)


if __name__ == "__main__":
    main()
