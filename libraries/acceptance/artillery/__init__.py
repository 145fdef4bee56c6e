"""Artillery as a library: load scripts checked before they start, run in a process of their own, measured per request.

`script` reads and checks a script, `process` runs it, `figures` gives what was measured. Nothing here knows which
application is loaded, nor of Robot Framework.
"""
