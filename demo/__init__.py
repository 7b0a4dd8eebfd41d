"""Botanu at work: a web service, a Celery worker, two model providers, one OTLP receiver, each in its own process.

Run it with ``python -m demo``. Nothing here leaves the machine: every address is a loopback address.
"""
