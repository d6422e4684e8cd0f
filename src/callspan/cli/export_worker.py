"""The program that makes examples for `callspan export`: calls in on stdin, what was made of them out on stdout.

Both are frames of eight bytes of length and a `marshal` of plain data; the form of the dataset is the only argument.
"""

from __future__ import annotations

import gc
import marshal
import signal
import sys
from itertools import count
from typing import IO, Any, Final

from callspan.cli.cleaning import Cleaner
from callspan.datasets.making import make
from callspan.reading.files import Again

_ANSWERS_A_COLLECTION: Final = 50  # there are hardly any rings, and to look for them takes as long as ten calls


def send(stream: IO[bytes], data: Any) -> None:
    """Write one frame."""
    told = marshal.dumps(data)
    stream.write(len(told).to_bytes(8, "big") + told)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one frame; raises `EOFError` where there is none, or half of one."""
    size = stream.read(8)
    told = stream.read(int.from_bytes(size, "big")) if len(size) == 8 else b""
    return marshal.loads(told)  # noqa: S302 - from ourselves; of nothing it raises EOFError


def main(form: str) -> None:
    """Make what is asked for until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this ends it
    clean, again = Cleaner(), Again()
    gc.disable()  # in the middle of a frame it would walk calls that are all alive
    gc.freeze()
    for answered in count(1):
        try:
            calls = receive(sys.stdin.buffer)
        except EOFError:
            return
        send(sys.stdout.buffer, (*make(calls, form, clean, again),))
        if answered % _ANSWERS_A_COLLECTION == 0:
            gc.collect()


if __name__ == "__main__":
    main(sys.argv[1])
