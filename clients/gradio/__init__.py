"""Gradio servers of every generation over the shared HTTP transport.

    access = GradioAccess(client.http, sign_in)         # access.py: requests, signed in where the server wants it
    config = read_config(access, scope=job)             # config.py: what the app is and which functions it has
    with GradioSession(access, config) as session:      # session.py: Gradio 4, 5 and 6
        clip = session.upload(Path("in.mp4"), scope=job)
        call = session.join("process", [clip.as_input(), None], scope=job)
        for message in call.messages(job):              # messages.py: what a call tells
            ...
        artifact = session.download(files_in(call.result(job))[0], folder, scope=job)

``classic.py`` has ``ClassicSession`` for Gradio 3 with the same ``call``, ``iterate``, ``upload`` and ``download``.
Nothing is imported here: what has no need of the network (``signin``, ``config``, ``values``, ``messages``) stays
cheap.
"""
