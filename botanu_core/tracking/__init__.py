"""Spans with typed setters: model calls, tools, databases, storage, queues."""
