"""What type checkers see of the public API: decorators keep signatures, and wrong calls are found.

Checked by mypy (strict) and pyright; an error that no longer occurs makes its `type: ignore` fail. It runs, too: what
the checkers are told must be true.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator

from typing_extensions import assert_type

import callspan

# -- plain functions, bare and with arguments --------------------------------------------------------------------------


@callspan.observe
def add(a: int, b: int = 0) -> int:
    return a + b


@callspan.observe()
def subtract(a: int, b: int) -> int:
    return a - b


@callspan.observe(name="times", kind="tool", input=["a"], output=False, tags=["x"], metadata={"team": "y"})
def multiply(a: int, *, b: int) -> int:
    return a * b


assert_type(add(1, b=2), int)
assert_type(subtract(1, 2), int)
assert_type(multiply(2, b=3), int)


def wrong_calls() -> None:
    """Every line is an error; it is never called."""
    add("1")  # type: ignore[arg-type]
    add(1, c=2)  # type: ignore[call-arg]
    subtract(1)  # type: ignore[call-arg]
    multiply(1, 2)  # type: ignore[call-arg]
    callspan.observe(colour="red")  # type: ignore[call-overload]


# -- the nine kinds ----------------------------------------------------------------------------------------------------


@callspan.llm
def answer(messages: list[dict[str, str]], *, temperature: float = 0.0) -> str:
    return f"{len(messages)} {temperature}"


@callspan.chain(name="pipeline")
def chain(question: str) -> str:
    return question


@callspan.agent
def agent(goal: str) -> str:
    return goal


@callspan.tool(tags=["weather"])
def weather(city: str) -> dict[str, float]:
    return {city: 21.5}


@callspan.tool(input=["number"], output=False, reduce=len, metadata={"team": "shop"}, capture_content=False)
def lookup(number: int) -> Iterator[int]:
    yield number


@callspan.observe(kind="tool", vectors="none", capture_content="metadata")
def lookup_again(number: int) -> int:
    return number


@callspan.retriever
def retrieve(query: str, top_k: int = 4) -> list[str]:
    return [query] * top_k


@callspan.embedding
def embed(texts: list[str]) -> list[list[float]]:
    return [[0.0] for _ in texts]


@callspan.reranker
def rerank(query: str, documents: list[str]) -> list[tuple[str, float]]:
    return [(document, float(len(query))) for document in documents]


@callspan.guardrail
def allowed(text: str) -> bool:
    return bool(text)


@callspan.evaluator
def score(text: str) -> float:
    return float(len(text))


assert_type(answer([{"role": "user", "content": "Hi"}], temperature=0.5), str)
assert_type(chain("q"), str)
assert_type(agent("g"), str)
assert_type(weather("Oslo"), dict[str, float])
assert_type(retrieve("q", top_k=2), list[str])
assert_type(embed(["a"]), list[list[float]])
assert_type(rerank("q", ["d"]), list[tuple[str, float]])
assert_type(allowed("x"), bool)
assert_type(score("x"), float)

# -- the other colours -------------------------------------------------------------------------------------------------


@callspan.observe
async def fetch(url: str) -> bytes:
    return url.encode()


@callspan.llm(name="streamed", reduce="".join)
def tokens(prompt: str) -> Iterator[str]:
    yield from prompt


@callspan.observe
def dialogue(first: str) -> Generator[str, int, bool]:
    given = yield first
    return bool(given)


@callspan.observe
async def ticks(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


@callspan.observe()
async def echoes(first: str) -> AsyncGenerator[str, str]:
    said = yield first
    yield said


async def colours() -> None:
    assert_type(await fetch("u"), bytes)
    assert_type(tokens("hi"), Iterator[str])
    assert_type(dialogue("hi"), Generator[str, int, bool])
    assert_type(dialogue("hi").send(1), str)
    assert_type(ticks(3), AsyncIterator[int])
    async for number in ticks(3):
        assert_type(number, int)
    assert_type(echoes("hi"), AsyncGenerator[str, str])
    assert_type(await echoes("hi").asend("ho"), str)


# -- methods -----------------------------------------------------------------------------------------------------------


class Shop:
    @callspan.observe
    def price(self, item: str) -> float:
        return float(len(item))

    @callspan.tool(name="order")
    async def order(self, item: str, *, count: int = 1) -> bool:
        return bool(item) and count > 0

    @classmethod
    @callspan.observe
    def opened(cls, name: str) -> Shop:
        return cls() if name else Shop()

    @staticmethod
    @callspan.observe(kind="tool")
    def rounded(price: float) -> int:
        return round(price)

    @property
    @callspan.observe
    def name(self) -> str:
        return "shop"


async def methods(shop: Shop) -> None:
    assert_type(shop.price("tea"), float)
    assert_type(Shop.price(shop, "tea"), float)
    assert_type(await shop.order("tea", count=2), bool)
    assert_type(Shop.opened("corner"), Shop)
    assert_type(shop.rounded(1.5), int)
    assert_type(Shop.rounded(1.5), int)
    assert_type(shop.name, str)
    shop.price(1)  # type: ignore[arg-type]
    await shop.order("tea", amount=2)  # type: ignore[call-arg]


# -- decorating what exists already ------------------------------------------------------------------------------------


def join(texts: list[str], *, by: str = ", ") -> str:
    return by.join(texts)


joined: Callable[[list[str]], str] = callspan.observe(join)
assert_type(callspan.observe(join)(["a", "b"], by="-"), str)
assert_type(callspan.tool(name="join")(join)(["a"]), str)


# -- context managers and the rest -------------------------------------------------------------------------------------


async def blocks() -> None:
    with callspan.span("plan", kind="chain") as span:
        span.set_input({"a": 1}).set_output([2])
        span.set_attribute("k", 1)
        span.add_event("picked")
    async with callspan.span("plan") as span:
        span.set_output(None)
    callspan.current_span().set_attribute("k", "v")
    with callspan.conversation("c-42", user_id="u-7"), callspan.context(tags=["a"], metadata={"b": 1}):
        pass
    with callspan.suppress():
        pass
    headers: dict[str, str] = {}
    callspan.inject(headers)
    callspan.inject(headers, conversation=True)
    with callspan.extract(headers):
        pass
    async with callspan.extract([(b"traceparent", b"00-")], conversation=False):
        pass
    callspan.inject(headers, baggage=True)  # type: ignore[call-arg]
    callspan.extract(None)  # type: ignore[arg-type]


template = callspan.PromptTemplate("Name a company that makes {product}.", name="naming")
text = template.format(product="socks")
plain: str = text
with callspan.using_prompt(text):
    pass

assert_type(callspan.flush(timeout_s=5).ok, bool)
assert_type(callspan.flush().remaining, int)
