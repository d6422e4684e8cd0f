"""LangChain and LangGraph: every run becomes a span, below the run that started it.

attach      what is put into LangChain, and taken out again
handler     LangChain's events, one method each
runs        the runs that are open, and whose child each is
inside      where a run's span is current
endings     how a run came to its end
request     what a run was given
response    what it gave back
stream      what comes back piece by piece
objects     LangChain's own objects as plain trees
prompts     templates, and the model calls they led to
stores      scores that retrievers drop, and embeddings, of which LangChain tells nobody
"""
