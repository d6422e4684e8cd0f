"""Says on stderr what could not be read, by reason."""

from __future__ import annotations

import sys

from callspan.reading.files import LoadReport


def complain(command: str, report: LoadReport) -> None:
    """Name the reasons with their counts, and the first bad place."""
    if not report.bad:
        return
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in report.bad.most_common())
    file, line, _ = report.first_bad[0]
    sys.stderr.write(f"callspan {command}: could not be read: {reasons} (first: {file}, line {line})\n")
