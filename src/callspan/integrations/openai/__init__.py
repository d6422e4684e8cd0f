"""The openai client: every request that asks a model becomes a span.

attach        the patches
options       what users may choose
endpoints     which requests ask a model, and who reads them
exchange      one request and its answer
request       what was sent, and to whom          responses, items   the Responses API
response      what came back                      media              images, audio, moderation
body          an answer as it came
stream        what comes back in chunks           events             what comes back in events
stream_usage  the token counts of streams, asked for by us
"""
