"""Celery: a task's spans are children of whoever sent the task, in whatever process it runs.

attach      the four signals that this takes
headers     into the message, and out of it
"""
