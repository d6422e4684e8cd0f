"""P2 with a receiver that is away: memory stays within the bound of the queue, whatever waits where."""

from __future__ import annotations

import sys

import pytest

from programs import run, times
from receiver import closed_port

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
QUEUE_MIB = 64
UNSEEN_MIB = 4  # what comes before the worker sees that calls have stopped to share their texts
BESIDE_MIB = 20  # the HTTP client, requests on their way, and what the allocator holds

OWN_TEXTS = '[("word %d " % (number * 7 + turn) * 80)[:SIZE] for turn in range(7)]'  # nobody else has them
SHARED_TEXTS = "[texts[(number + turn) % 256] for turn in range(7)]"
NO_LONGER_SHARED = f"{SHARED_TEXTS} if number < int(sys.argv[2]) // 2 else {OWN_TEXTS}"

CHATS = """
    import sys
    import callspan
    from callspan.exporters import OTLPExporter

    def peak_mib():
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

    texts = [("word %d " % number * 80)[:400] for number in range(256)]

    @callspan.llm
    def chat(messages, parameters):
        return {"role": "assistant", "content": said.pop(), "usage": {"prompt_tokens": 655}}

    callspan.configure(exporters=[OTLPExporter(sys.argv[1])])
    before = peak_mib()
    for number in range(int(sys.argv[2])):
        said = TEXTS
        messages = [{"role": "user", "content": said.pop()} for turn in range(6)]
        chat(messages, {"model": "m", "temperature": 0.2, "seed": number})
    print("PEAK", peak_mib() - before)
    print("DROPPED", callspan.stats()["otlp"]["dropped"]["queue full"])  # so the queue was full
    callspan.shutdown(timeout_s=0.5)
"""


@pytest.mark.parametrize(
    ("texts", "size", "count"),
    [
        (SHARED_TEXTS, 400, times(30_000, 200_000)),
        (OWN_TEXTS, 400, times(30_000, 200_000)),
        (OWN_TEXTS, 20_000, times(2_500, 10_000)),
        (NO_LONGER_SHARED, 400, times(60_000, 200_000)),
    ],
)
def test_a_receiver_that_is_away_costs_no_more_memory_than_the_queue_may_hold(tmp_path, texts, size, count):
    program = CHATS.replace("TEXTS", texts.replace("SIZE", str(size)).replace("80", str(size // 5)))
    ended = run(program, tmp_path, f"http://127.0.0.1:{closed_port()}", str(count), timeout_s=300)
    assert "DROPPED" in ended.out
    peak_mib = float(next(line for line in ended.out.splitlines() if line.startswith("PEAK")).split()[1])
    assert peak_mib <= QUEUE_MIB + BESIDE_MIB + (UNSEEN_MIB if texts == NO_LONGER_SHARED else 0)
