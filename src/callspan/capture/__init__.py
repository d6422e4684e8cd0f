"""Ways to watch a call: decorators, streams and patches around one I/O-free `Call`."""
