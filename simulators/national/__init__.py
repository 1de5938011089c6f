"""What the two national simulators share: a durable ledger, misbehaviour on request, a control surface."""
