"""Echo: a made-up server that says a text again and again, and all that a backend is made of.

It is the worked example of ``docs/adding-a-backend.md``, which quotes these files, and the contract suite runs whole on
it. ``program.py`` is the server itself, which with a true backend is not ours.
"""
