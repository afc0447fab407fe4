"""Object storage: where materials and results lie.

Knows bytes and keys. It does not know engines, queues or HTTP services. Importing this package loads
nothing heavy: oss2 is imported by the modules that use it, when they use it.
"""
