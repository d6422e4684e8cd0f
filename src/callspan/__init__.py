"""callspan."""
