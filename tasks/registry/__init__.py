"""Registration, the staging check, the policy, promotion, the ledger and rollback."""
