"""The job ledger: jobs, leases and consents in a database, the one truth of a fleet."""
