"""LlamaIndex: queries, chats, agents and workflows become trees of spans, streamed ones too.

attach      the two handlers on the root dispatcher, and the patches where it says nothing
families    which of its many spans are kept, and as what
tracking    the way of one span of the dispatcher: entered, left or dropped
frames      what is known of a span while it is open
request     what went in, taken on the caller's thread
response    what came out
stream      what comes out piece by piece, and keeps its span open
reading     what all of it says, in the worker
"""
