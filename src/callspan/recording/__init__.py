"""How a call becomes a span. No I/O and no thread: the recorder hands sealed spans to whatever sink it was given."""
