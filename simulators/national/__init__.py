"""What the two national simulators share: a durable ledger, faults on request, a control surface."""
