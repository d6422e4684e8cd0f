"""Evaluators over recorded spans: functions, measures of retrieval, and judges. Needs `callspan[analysis]`."""
