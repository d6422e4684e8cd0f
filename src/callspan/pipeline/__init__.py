"""From the recorder to the exporters: one worker thread that opens, redacts, limits and hands on, and counts it all."""
