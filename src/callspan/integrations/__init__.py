"""Whom we watch without being asked: one folder per library, none of which is ever imported by us."""
