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
BESIDE_MIB = 20  # the HTTP client, requests on their way, and what the allocator holds

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
        return {"role": "assistant", "content": texts[len(messages)], "usage": {"prompt_tokens": 655}}

    callspan.configure(exporters=[OTLPExporter(sys.argv[1])])
    before = peak_mib()
    for number in range(int(sys.argv[2])):
        messages = [{"role": "user", "content": texts[(number + turn) % 256]} for turn in range(6)]
        chat(messages, {"model": "m", "temperature": 0.2, "seed": number})
    print("PEAK", peak_mib() - before)
    print("DROPPED", callspan.stats()["otlp"]["dropped"]["queue full"])  # so the queue was full
    callspan.shutdown(timeout_s=0.5)
"""


def test_a_receiver_that_is_away_costs_no_more_memory_than_the_queue_may_hold(tmp_path):
    count = times(25_000, 200_000)
    ended = run(CHATS, tmp_path, f"http://127.0.0.1:{closed_port()}", str(count), timeout_s=300)
    assert "DROPPED" in ended.out
    peak_mib = float(next(line for line in ended.out.splitlines() if line.startswith("PEAK")).split()[1])
    assert peak_mib <= QUEUE_MIB + BESIDE_MIB
