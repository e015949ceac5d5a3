"""The contract and its machine: value types, events, errors, jobs, the runner. Knows no protocol."""
