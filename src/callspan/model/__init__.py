"""What a span is: data only. Nothing here imports another part of callspan, does I/O or starts a thread."""
