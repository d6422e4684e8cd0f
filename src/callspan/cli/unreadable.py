"""Says on stderr what could not be read, by reason."""

from __future__ import annotations

import sys

from callspan.reading.files import LoadReport


def complain(command: str, report: LoadReport, *, knows_lines: bool = True) -> None:
    """Name the reasons with their counts, and the first bad place; without its line where reading began in between."""
    if not report.bad:
        return
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in report.bad.most_common())
    file, line, _ = report.first_bad[0]
    place = f"{file}, line {line}" if knows_lines else file
    sys.stderr.write(f"callspan {command}: could not be read: {reasons} (first: {place})\n")
