"""Object storage and the job ledger: where materials and results lie, and what happened to every job.

Knows bytes, keys and rows. It does not know engines, queues or HTTP services. Importing this package loads
nothing heavy: oss2 and SQLAlchemy are imported by the modules that use them, when they are used.
"""
