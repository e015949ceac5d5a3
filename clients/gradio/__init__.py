"""Gradio servers of every generation over the shared HTTP transport.

    access = GradioHTTP(client.http, sign_in)           # http.py: requests, with a login if the server requires it
    config = read_config(access, scope=job)             # config.py: the app, its functions and components
    with GradioSession(access, config) as session:      # session.py: Gradio 4, 5 and 6
        clip = session.upload(Path("in.mp4"), scope=job)
        call = session.join("process", [clip.as_input(), None], scope=job)
        for message in call.messages(job):              # messages.py: the messages of a call
            ...
        artifact = session.download(extract_files(call.result(job))[0], folder, scope=job)

``gradio3.py`` has ``Gradio3Session`` for Gradio 3 with the same ``call``, ``iterate``, ``upload`` and ``download``.
Nothing is imported here: the modules without I/O (``login``, ``component_values``, ``messages``) stay
cheap.
"""
