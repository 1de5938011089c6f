"""The audit trail: who looked at what, when and why."""
