"""The HTTP service and its page, in front of the ledger and the queue."""
