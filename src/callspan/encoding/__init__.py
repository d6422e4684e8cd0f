"""Spans to bytes, in the worker only: OTLP as protobuf and as JSON, both written from the same outline of a span."""
