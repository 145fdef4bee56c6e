"""Stand-ins for what is sold as a service: they speak the providers' wire, do honest work, and name themselves."""
