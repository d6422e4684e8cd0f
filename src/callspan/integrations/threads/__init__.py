"""Threads and thread pools: what is current where work is handed over is current where it is done.

attach      the two patches
carry       one value, carried over: the OpenTelemetry context, and nothing else of the caller's
"""
