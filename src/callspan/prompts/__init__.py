"""Prompt templates as files: under version control, with their variables declared, and known by their content."""
