"""What each test sends and reads, recorded from a run of the sandbox: `make check DEPLOYMENT=…` estimates by it."""
