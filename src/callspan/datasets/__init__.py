"""Datasets from spans: for fine-tuning, for preferences, for evaluation. Needs `callspan[reading]`."""
