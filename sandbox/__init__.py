"""The embedded deployment: a document application with everything that it needs, on one machine, for as long as its owner lives."""
