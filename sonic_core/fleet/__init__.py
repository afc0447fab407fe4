"""Many machines: workers, leases, the sweeper, the broker, batches and webhooks."""
