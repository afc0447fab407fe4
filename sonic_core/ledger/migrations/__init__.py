"""How the ledger's tables came to be, one Alembic revision per change."""
