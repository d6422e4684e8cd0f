"""The openai client: every request that asks a model becomes a span.

attach      the two patches, and the way of one request
endpoints   which requests ask a model
request     what was sent, and to whom
response    what came back
stream      what comes back piece by piece
"""
