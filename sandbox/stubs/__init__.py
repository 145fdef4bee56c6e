"""Stubs of the commercial providers: they implement the wire format, process real data, and identify themselves."""
