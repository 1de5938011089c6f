"""The common parts of the two national simulators: a durable ledger, faults on request, a control port."""
