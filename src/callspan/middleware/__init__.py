"""Middleware for web applications: what a request's headers name is current while the request is served.

    app = ASGIMiddleware(app)                  # Starlette, FastAPI, Django, Quart, ...
    app.wsgi_app = WSGIMiddleware(app.wsgi_app)  # Flask; for others: app = WSGIMiddleware(app)

They make no span of their own: a request is no step of an LLM application, and its span is the business of
OpenTelemetry's instrumentation of web servers, under which callspan's spans stand if it is there.

asgi, wsgi      one each
settings        what both can be told
"""

from callspan.middleware.asgi import ASGIMiddleware
from callspan.middleware.wsgi import WSGIMiddleware

__all__ = ["ASGIMiddleware", "WSGIMiddleware"]
